"""Chat completions through OpenAI's SDK."""

import json

import openai
import pytest
from control import nano_usd
from pydantic import BaseModel

MODEL = "gpt-4o-mini"
HELLO = [{"role": "user", "content": "Say something about gateways."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def cost(usage):
    return nano_usd(usage.prompt_tokens, usage.completion_tokens, 0.15, 0.60)


def test_w_040_a_chat_is_answered_priced_and_attributed(client, call):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, extra_headers=call.headers)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model_extra["x_sim"] == {"unknown": True}, "a field that no SDK knows survives"
    assert raw.headers["x-request-id"] == call.request_id
    assert raw.headers["rungate-cost-nano-usd"] == str(cost(answer.usage))
    tokens = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    row = call.row(model=MODEL, provider="openai", tokens=tokens, cost=cost(answer.usage))
    assert row["id"] == raw.headers["alephant-id"]
    assert row["kind"] == "chat" and not row["stream"]


def test_w_044_a_stream_without_usage_has_it_on_the_row_only(client, call):
    stream = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, extra_headers=call.headers)
    chunks = list(stream)
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    row = call.row(model=MODEL, provider="openai")
    assert row["stream"] and row["usageSource"] == "reported" and row["costStatus"] == "final"
    assert int(row["costNanoUsd"]) == nano_usd(row["tokens"]["input"], row["tokens"]["output"], 0.15, 0.60) > 0


def test_w_044_usage_that_was_asked_for_comes_with_the_stream(client, call):
    stream = client.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}, extra_headers=call.headers
    )
    usage = [chunk.usage for chunk in stream if chunk.usage is not None][-1]
    call.row(tokens=(usage.prompt_tokens, usage.completion_tokens), cost=cost(usage))


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_called_over_two_turns(client, call, stream):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    if stream:
        with client.chat.completions.stream(
            model=MODEL, messages=messages, tools=[WEATHER], extra_headers=call.headers
        ) as events:
            message = events.get_final_completion().choices[0].message
    else:
        answer = client.chat.completions.create(
            model=MODEL, messages=messages, tools=[WEATHER], extra_headers=call.headers
        )
        message = answer.choices[0].message
    (tool_call,) = message.tool_calls
    assert tool_call.function.name == "get_weather"
    assert "city" in json.loads(tool_call.function.arguments)
    messages += [
        {"role": "assistant", "tool_calls": [{"id": tool_call.id, "type": "function", "function": {
            "name": tool_call.function.name, "arguments": tool_call.function.arguments}}]},
        {"role": "tool", "tool_call_id": tool_call.id, "content": "18 degrees and sunny"},
    ]
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER], extra_headers=call.headers)
    assert "18 degrees and sunny" in second.choices[0].message.content
    call.row(model=MODEL, cost=cost(second.usage))
    run = call.stage.owner.get(f"/api/v1/runs/{call.run_id}")
    assert run["requests"] == 2, "both turns are on one run"


def test_structured_output_is_parsed(client, call):
    class Verdict(BaseModel):
        safe: bool
        reason: str

    answer = client.chat.completions.parse(
        model=MODEL, messages=HELLO, response_format=Verdict, extra_headers=call.headers
    )
    assert isinstance(answer.choices[0].message.parsed, Verdict)
    call.row(cost=cost(answer.usage))


def test_cached_and_reasoning_tokens_are_on_the_row(client, call):
    messages = [{"role": "user", "content": "word " * 400}]
    answer = client.chat.completions.create(
        model=f"{MODEL}+cached=200+reasoning=30", messages=messages, extra_headers=call.headers
    )
    assert answer.usage.prompt_tokens_details.cached_tokens == 200
    row = call.row(tokens=(answer.usage.prompt_tokens, answer.usage.completion_tokens))
    assert row["tokens"]["cachedInput"] == 200 and row["tokens"]["reasoning"] == 30


def test_the_async_client_works_the_same(stage, call):
    import asyncio

    async def ask():
        async with openai.AsyncOpenAI(base_url=f"{stage.origin}/v1", api_key=stage.key, max_retries=0) as client:
            stream = await client.chat.completions.create(
                model=MODEL, messages=HELLO, stream=True, extra_headers=call.headers
            )
            return [chunk async for chunk in stream]

    assert asyncio.run(ask())[-1].choices[0].finish_reason == "stop"
    call.row(model=MODEL)


def test_properties_and_sessions_are_found_again(stage, client, call):
    headers = call.headers | {"alephant-session-id": f"s-{call.run_id}", "alephant-property-team": "blue"}
    client.chat.completions.create(model=MODEL, messages=HELLO, extra_headers=headers)
    row = call.row()
    assert row["properties"] == {"team": "blue"} and row["sessionId"] == f"s-{call.run_id}"
    found = stage.owner.get(f"/api/v1/requests?property.team=blue&runId={call.run_id}")["data"]
    assert [one["id"] for one in found] == [row["id"]]
