"""The real binary, started once: a simulated provider, a gateway in front of it, and a workspace that is ready."""

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import anthropic
import openai
import pytest

from control import Control

ROOT = Path(__file__).resolve().parents[3]
OWNER_TOKEN = "pat_ws0a1b2c_" + "0123456789abcdef" * 4
PROVIDER_SECRET = "sk-simulated-provider-secret-0123456789"
START_SECONDS = 30


class Stage:
    """A running gateway with two provider keys, an agent, and a key that is bound to nothing."""

    def __init__(self, origin, sim):
        self.origin = origin
        self.sim = sim
        self.owner = Control(origin, OWNER_TOKEN)
        self.providers = {name: self._provider_key(name)["id"] for name in ("openai", "anthropic")}
        self.agent = self.new_agent("Support Bot", "openai")
        self.key = self.agent["virtualKey"]["fullToken"]
        self.claude = self.new_agent("Claude Bot", "anthropic")
        self.claude_key = self.claude["virtualKey"]["fullToken"]
        self.open_key = self.owner.post("/api/v1/virtual-keys", {"label": "open"})["fullToken"]

    def new_agent(self, name, provider, **fields):
        body = {"type": "ai_agent", "name": name, "masterKeyId": self.providers[provider], **fields}
        return self.owner.post("/api/v1/agents", body)

    def _provider_key(self, provider):
        body = {
            "name": f"sim {provider}",
            "provider": provider,
            "baseUrl": f"{self.sim}/v1",
            "secret": PROVIDER_SECRET,
        }
        return self.owner.post("/api/v1/provider-keys", body)

    def sim_stats(self):
        """What the simulated provider has seen."""
        with urllib.request.urlopen(f"{self.sim}/sim/stats", timeout=5) as answer:
            return json.load(answer)


def binary():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get("RUNGATE_BIN", target / "debug" / "rungate"))
    if not path.is_file():
        pytest.exit(f"{path} is not there: cargo build -p rungate-server --bin rungate", returncode=2)
    return str(path)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(url, process, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    pytest.exit(f"{url} does not answer:\n{log.read_text()}", returncode=2)


class Processes:
    """What the tests have started, ended by its own process id."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.running = []

    def start(self, name, arguments, ready, **env):
        log = self.folder / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [binary(), *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **env}
            )
        self.running.append(process)
        wait_for(ready, process, log)

    def stop(self):
        for process in reversed(self.running):
            process.terminate()
        for process in self.running:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def stage():
    with tempfile.TemporaryDirectory(prefix="rungate-sdk-") as folder:
        processes = Processes(folder)
        try:
            sim = f"127.0.0.1:{free_port()}"
            processes.start("sim", ["sim", "--listen", sim], f"http://{sim}/sim/stats")
            listen = f"127.0.0.1:{free_port()}"
            processes.start(
                "serve",
                ["serve", "--listen", listen, "--data", f"{folder}/data"],
                f"http://{listen}/readyz",
                RUNGATE_OWNER_TOKEN=OWNER_TOKEN,
                RUNGATE_EGRESS_ALLOW="127.0.0.0/8",
                RUNGATE_UPSTREAM_RETRIES="0",
            )
            yield Stage(f"http://{listen}", f"http://{sim}")
        finally:
            processes.stop()


@pytest.fixture
def direct(stage):
    """Tells the simulated provider how to behave towards plain model names, until the test ends."""

    def tell(directives):
        request = urllib.request.Request(f"{stage.sim}/sim/directives", directives.encode(), method="POST")
        urllib.request.urlopen(request, timeout=5).close()

    yield tell
    tell("")


@pytest.fixture
def client(stage):
    """OpenAI's SDK with nothing changed but base URL and key."""
    with openai.OpenAI(base_url=f"{stage.origin}/v1", api_key=stage.key, max_retries=0) as client:
        yield client


@pytest.fixture
def open_client(stage):
    """The same with a key that may use every provider of the workspace."""
    with openai.OpenAI(base_url=f"{stage.origin}/v1", api_key=stage.open_key, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(stage):
    """Anthropic's SDK with nothing changed but base URL and key, which it sends as `x-api-key`."""
    with anthropic.Anthropic(base_url=stage.origin, api_key=stage.claude_key, max_retries=0) as client:
        yield client


@pytest.fixture
def open_claude(stage):
    with anthropic.Anthropic(base_url=stage.origin, api_key=stage.open_key, max_retries=0) as client:
        yield client


class Call:
    """One call under a request id and a run id of its own, and what the log says of it afterwards."""

    def __init__(self, stage):
        self.stage = stage
        self.request_id = f"req-{uuid.uuid4()}"
        self.run_id = f"run_{uuid.uuid4().hex}"
        self.headers = {"x-request-id": self.request_id, "Alephant-Run-Id": self.run_id}

    def row(self, key=None, *, agent=None, model=None, provider=None, tokens=None, cost=None, outcome="succeeded"):
        """The row, read by the agent's own key and by the owner, which must agree; checks what is given."""
        stage = self.stage
        own = Control(stage.origin, key or stage.key).get(f"/v1/analytics/request-logs/{self.request_id}")
        listed = stage.owner.get(f"/api/v1/requests?requestId={self.request_id}&order=desc")["data"]
        row = listed[0]
        assert own["row"]["id"] == row["id"]
        assert own["row"]["cost_nano_usd"] == row["costNanoUsd"]
        assert row["requestId"] == self.request_id
        assert row["runId"] == own["row"]["alephant_run_id"] == self.run_id
        assert row["outcome"] == outcome, row
        if agent is not False:
            assert row["agentId"] == own["row"]["agent_id"] == (agent or stage.agent)["id"]
            assert row["agentTrust"] == "auth_bound"
        if model is not None:
            assert row["model"] == own["row"]["model"] == model
        if provider is not None:
            assert row["provider"] == own["row"]["provider"] == provider
        if tokens is not None:
            assert (row["tokens"]["input"], row["tokens"]["output"]) == tokens
            assert (own["row"]["prompt_tokens"], own["row"]["completion_tokens"]) == tokens
            assert row["usageSource"] == "reported"
        if cost is not None:
            assert row["costNanoUsd"] == str(cost)
            assert row["costStatus"] == "final"
            assert own["cost"] == own["totalCost"] == pytest.approx(cost / 1e9)
            assert row["priceSnapshotId"]
        run = stage.owner.get(f"/api/v1/runs/{self.run_id}")
        assert run["runId"] == self.run_id
        assert run["requests"] >= 1
        return row


@pytest.fixture
def call(stage):
    return Call(stage)
