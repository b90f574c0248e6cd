"""One process, several tasks at once, and every call on the run of its own task.

A worker of a queue or a web server must not put the run id on the client: the client is shared. Here a context variable
holds the task that is being worked on, and a hook of the HTTP client adds its headers to each request. Context variables
follow `async` tasks by themselves, so that code deep inside needs to know nothing of runs.
"""

import asyncio
import os
from contextvars import ContextVar

from openai import AsyncOpenAI, DefaultAsyncHttpxClient

MODEL = os.environ.get("MODEL", "gpt-5-mini")
TASKS = os.environ.get("TASKS", "ticket-1001,ticket-1002,ticket-1003").split(",")

current_task: ContextVar[str] = ContextVar("current_task")


async def add_run(request):
    task = current_task.get(None)
    if task is not None:
        request.headers["Alephant-Run-Id"] = task


client = AsyncOpenAI(
    base_url=os.environ.get("RUNGATE_ORIGIN", "http://127.0.0.1:8787") + "/v1",
    api_key=os.environ["RUNGATE_KEY"],
    http_client=DefaultAsyncHttpxClient(event_hooks={"request": [add_run]}),
)


async def ask(question):
    """Knows nothing of tasks and runs."""
    answer = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": question}])
    return answer.choices[0].message.content


async def work_on(task):
    current_task.set(task)
    summary = await ask(f"Summarise {task}.")
    reply = await ask(f"Draft a reply to: {summary}")
    print(f"{task}: {reply}")


async def main():
    async with client, asyncio.TaskGroup() as group:
        for task in TASKS:
            group.create_task(work_on(task))


if __name__ == "__main__":
    asyncio.run(main())
