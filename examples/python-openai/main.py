"""An agent run of three calls through Rungate: an answer, a stream, and a tool.

Only `base_url` and `api_key` differ from talking to OpenAI directly. The header `Alephant-Run-Id` puts the calls on one
run; everything else works without it.
"""

import json
import os
import uuid

from openai import OpenAI

MODEL = os.environ.get("MODEL", "gpt-5-mini")
RUN_ID = os.environ.get("RUN_ID", f"run_{uuid.uuid4().hex[:8]}")
FORECAST = {
    "type": "function",
    "function": {
        "name": "forecast",
        "description": "The weather of tomorrow in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

client = OpenAI(
    base_url=os.environ.get("RUNGATE_ORIGIN", "http://127.0.0.1:8787") + "/v1",
    api_key=os.environ["RUNGATE_KEY"],
    # This process works on one task. With several, see ../per-request-runs.
    default_headers={"Alephant-Run-Id": RUN_ID},
)


def plan(question):
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": f"In one sentence, how would you find out: {question}"}],
        extra_headers={"Alephant-Step-Id": "plan", "Alephant-Step-Kind": "planning"},
    )
    return answer.choices[0].message.content


def ask_with_tool(question):
    messages = [{"role": "user", "content": question}]
    answer = client.chat.completions.create(
        model=MODEL, messages=messages, tools=[FORECAST], extra_headers={"Alephant-Step-Id": "ask"}
    )
    message = answer.choices[0].message
    messages.append(message)
    for call in message.tool_calls or []:
        city = json.loads(call.function.arguments).get("city")
        result = json.dumps({"city": city, "rain_probability": 0.8})
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return messages


def stream_answer(messages):
    stream = client.chat.completions.create(
        model=MODEL,
        messages=messages,
        stream=True,
        extra_headers={"Alephant-Step-Id": "answer", "Alephant-Step-Kind": "final_answer"},
    )
    for chunk in stream:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


def main():
    question = "Do I need an umbrella in Lisbon tomorrow?"
    print("plan:", plan(question))
    print("answer: ", end="")
    stream_answer(ask_with_tool(question))
    print("run:", RUN_ID)


if __name__ == "__main__":
    main()
