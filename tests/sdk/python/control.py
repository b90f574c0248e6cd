"""The control API, without an SDK."""

import json
import urllib.request

PATIENCE_SECONDS = 30


class Control:
    def __init__(self, origin, token):
        self.origin = origin
        self.token = token

    def get(self, path):
        return self._send("GET", path)

    def post(self, path, body):
        return self._send("POST", path, body)

    def patch(self, path, body):
        return self._send("PATCH", path, body)

    def _send(self, method, path, body=None):
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.origin + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)["data"]


def nano_usd(tokens_in, tokens_out, usd_per_million_in, usd_per_million_out):
    """Exact cost in nano-dollars; list prices are US dollars for a million tokens."""
    return round(tokens_in * usd_per_million_in * 1000 + tokens_out * usd_per_million_out * 1000)
