"""The Responses API through OpenAI's SDK."""

import json

import openai
import pytest
from control import nano_usd

MODEL = "gpt-4o-mini"


def cost(usage):
    return nano_usd(usage.input_tokens, usage.output_tokens, 0.15, 0.60)


def test_a_response_is_created_read_and_deleted(stage, client, call):
    made = client.responses.create(model=MODEL, input="Say hello.", store=True, extra_headers=call.headers)
    assert made.output_text and made.status == "completed"
    call.row(model=MODEL, tokens=(made.usage.input_tokens, made.usage.output_tokens), cost=cost(made.usage))

    again = client.responses.retrieve(made.id)
    assert again.id == made.id and again.output_text == made.output_text
    assert client.responses.input_items.list(made.id).data[0].type == "message"
    with (
        openai.OpenAI(base_url=f"{stage.origin}/v1", api_key=stage.open_key, max_retries=0) as other,
        pytest.raises(openai.NotFoundError),
    ):
        other.responses.retrieve(made.id)
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_a_response_is_streamed(client, call):
    events = list(client.responses.create(model=MODEL, input="Count.", stream=True, extra_headers=call.headers))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    final = events[-1].response
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == final.output_text
    row = call.row(tokens=(final.usage.input_tokens, final.usage.output_tokens), cost=cost(final.usage))
    assert row["stream"] and row["kind"] == "response"


def test_a_function_is_called_over_two_turns(client, call):
    tool = {
        "type": "function", "name": "get_weather", "strict": True,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
                       "required": ["city"], "additionalProperties": False},
    }
    question = {"role": "user", "content": "What is the weather in Paris?"}
    first = client.responses.create(model=MODEL, input=[question], tools=[tool], extra_headers=call.headers)
    (asked,) = [item for item in first.output if item.type == "function_call"]
    assert asked.name == "get_weather" and "city" in json.loads(asked.arguments)
    result = {"type": "function_call_output", "call_id": asked.call_id, "output": "18 degrees and sunny"}
    second = client.responses.create(
        model=MODEL, input=[question, asked, result], tools=[tool], extra_headers=call.headers
    )
    assert "18 degrees and sunny" in second.output_text
    call.row(cost=cost(second.usage))


def test_w_045_a_stream_that_breaks_is_not_completed(client, call):
    events = []
    with pytest.raises(openai.APIError):
        for event in client.responses.create(
            model=f"{MODEL}+cut=4", input="Count.", stream=True, extra_headers=call.headers
        ):
            if event.type == "error":
                raise openai.APIError(event.message, None, body=event)
            events.append(event.type)
    assert "response.completed" not in events
    row = call.row(outcome="upstream_failed")
    assert row["errorCode"] == "upstream_stream_failed"
