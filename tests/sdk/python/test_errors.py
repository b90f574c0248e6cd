"""Each failure raises the exception that OpenAI's SDK has for it, and leaves one row."""

import time

import openai
import pytest

MODEL = "gpt-4o-mini"
HELLO = [{"role": "user", "content": "Hello."}]


def test_a_bad_key_is_an_authentication_error(stage):
    with openai.OpenAI(base_url=f"{stage.origin}/v1", api_key="vk-wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model=MODEL, messages=HELLO)
    assert caught.value.code == "invalid_api_key"
    assert caught.value.response.headers["rungate-error-code"] == "invalid_api_key"
    assert caught.value.response.headers["alephant-id"]


def test_a_personal_access_token_is_a_permission_error(stage):
    with openai.OpenAI(base_url=f"{stage.origin}/v1", api_key=stage.owner.token, max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.chat.completions.create(model=MODEL, messages=HELLO)
    assert caught.value.code == "virtual_key_required"


def test_a_model_that_nobody_offers_is_a_not_found_error(stage, open_client, call):
    with pytest.raises(openai.NotFoundError) as caught:
        open_client.chat.completions.create(model="no-such-model", messages=HELLO, extra_headers=call.headers)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    row = call.row(stage.open_key, agent=False, outcome="refused")
    assert (row["errorCode"], row["costNanoUsd"], row["status"]) == ("model_not_found", "0", 404)


def test_a_model_that_the_provider_does_not_know_is_a_not_found_error(client, call):
    """A key that is bound to one provider key may name models that are newer than the catalogue."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="unknown-model", messages=HELLO, extra_headers=call.headers)
    assert caught.value.response.headers["rungate-error-code"] == "upstream_error"
    row = call.row(outcome="upstream_failed")
    assert (row["costNanoUsd"], row["status"]) == ("0", 404)


def test_w_025_a_malformed_header_is_a_bad_request(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=HELLO, extra_headers={"Alephant-Run-Id": "a b"})
    assert (caught.value.code, caught.value.param) == ("invalid_header", "alephant-run-id")


def test_run_tracking_is_a_bad_request_without_a_run(stage):
    key = stage.new_agent("Tracked", "openai", requireRunTracking=True)["virtualKey"]["fullToken"]
    with openai.OpenAI(base_url=f"{stage.origin}/v1", api_key=key, max_retries=0) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=MODEL, messages=HELLO)
        assert caught.value.code == "run_id_required"
        client.chat.completions.create(model=MODEL, messages=HELLO, extra_headers={"Alephant-Run-Id": "run_1"})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_w_048_errors_of_the_provider_come_through(client, call, status, error):
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=f"{MODEL}+error={status}", messages=HELLO, extra_headers=call.headers)
    assert caught.value.status_code == status
    assert caught.value.response.headers["rungate-error-code"] == "upstream_error"
    row = call.row(outcome="upstream_failed")
    assert (row["status"], row["costNanoUsd"], len(row["attempts"])) == (status, "0", 1)


def test_the_providers_retry_after_comes_through(client, call):
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(
            model=f"{MODEL}+error=429+retry-after=30", messages=HELLO, extra_headers=call.headers
        )
    assert caught.value.response.headers["retry-after"] == "30"


def test_the_sdk_repeats_a_failure_of_the_provider_and_both_are_logged(stage, call):
    with openai.OpenAI(base_url=f"{stage.origin}/v1", api_key=stage.key, max_retries=1) as client:
        answer = client.chat.completions.create(
            model=f"{MODEL}+fail=1+error=500+tokens=5", messages=HELLO, extra_headers=call.headers
        )
    assert answer.choices[0].message.content
    rows = stage.owner.get(f"/api/v1/requests?runId={call.run_id}")["data"]
    assert sorted(row["outcome"] for row in rows) == ["succeeded", "upstream_failed"]


def test_w_047_what_is_wrong_with_the_provider_key_is_a_502_that_is_not_repeated(stage, call):
    with openai.OpenAI(base_url=f"{stage.origin}/v1", api_key=stage.key, max_retries=2) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(model=f"{MODEL}+error=401", messages=HELLO, extra_headers=call.headers)
    assert (caught.value.status_code, caught.value.code) == (502, "provider_auth_failed")
    assert "sk-" not in caught.value.response.text
    rows = stage.owner.get(f"/api/v1/requests?runId={call.run_id}")["data"]
    assert len(rows) == 1, "x-should-retry: false is heard"


@pytest.mark.parametrize("fault", ["cut=4", "close=4", "errorevent=4", "nofinish"])
def test_w_045_a_stream_that_fails_raises(client, call, direct, fault):
    direct(fault)
    received = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(
            model=MODEL, messages=HELLO, stream=True, extra_headers=call.headers
        ):
            received.append(chunk)
    assert not isinstance(caught.value, openai.APIStatusError), "the head was long here"
    assert received
    row = call.row(outcome="upstream_failed")
    assert row["errorCode"] == "upstream_stream_failed"
    assert int(row["costNanoUsd"]) > 0, "what was produced is charged"


def test_w_046_a_client_that_leaves_is_charged_once_and_the_provider_is_told(stage, client, call, direct):
    direct("tokens=2000+chunk=20")
    before = stage.sim_stats()["streams_cancelled"]
    stream = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, extra_headers=call.headers)
    next(stream)
    stream.close()
    deadline = time.monotonic() + 5
    while stage.sim_stats()["streams_cancelled"] == before:
        assert time.monotonic() < deadline, "the provider still sends"
    row = call.row(outcome="client_closed")
    assert row["status"] == 499
    assert row["costStatus"] == "estimated" and int(row["costNanoUsd"]) > 0
