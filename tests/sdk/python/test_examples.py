"""Every example of examples/, run as a user would run it."""

import json
import os
import subprocess
import sys
import urllib.request
import uuid

from conftest import ROOT

EXAMPLES = ROOT / "examples"


def run(stage, script, **env):
    """Runs a script with nothing but what its README asks for; what it printed."""
    env = {"RUNGATE_ORIGIN": stage.origin, "RUNGATE_KEY": stage.key, "PATH": os.environ["PATH"], **env}
    done = subprocess.run(
        [sys.executable, EXAMPLES / script], env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_has_a_test():
    tested = {"python-openai", "typescript-openai", "per-request-runs", "n8n"}
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == tested
    for name in tested:
        assert (EXAMPLES / name / "README.md").is_file()


def test_python_openai(stage):
    run_id = f"run_{uuid.uuid4().hex}"
    printed = run(stage, "python-openai/main.py", RUN_ID=run_id)
    assert f"run: {run_id}" in printed and "plan: " in printed
    rows = stage.owner.get(f"/api/v1/requests?runId={run_id}&order=asc")["data"]
    assert [row["stepId"] for row in rows] == ["plan", "ask", "answer"]
    assert [row["stepKind"] for row in rows] == ["planning", None, "final_answer"]
    assert [row["stream"] for row in rows] == [False, False, True]
    assert all(row["agentId"] == stage.agent["id"] and int(row["costNanoUsd"]) > 0 for row in rows)
    whole = stage.owner.get(f"/api/v1/runs/{run_id}")
    assert int(whole["costNanoUsd"]) == sum(int(row["costNanoUsd"]) for row in rows)


def test_per_request_runs(stage):
    tasks = [f"ticket-{uuid.uuid4().hex}" for _ in range(3)]
    run(stage, "per-request-runs/main.py", TASKS=",".join(tasks))
    for task in tasks:
        rows = stage.owner.get(f"/api/v1/requests?runId={task}")["data"]
        assert len(rows) == 2, f"both calls of {task}, and no other's"


def evaluated(expression, values):
    """What n8n makes of a parameter: text, or after `=` text with {{ expressions }}."""
    if not expression.startswith("="):
        return expression
    text = expression[1:]
    for name, value in values.items():
        text = text.replace("{{ " + name + " }}", value)
    assert "{{" not in text, f"the test does not know all of {expression}"
    return text


def test_n8n_sends_its_execution_as_the_run(stage):
    workflow = json.loads((EXAMPLES / "n8n" / "workflow.json").read_text())
    names = {node["name"] for node in workflow["nodes"]}
    for source, outputs in workflow["connections"].items():
        assert source in names
        assert all(link["node"] in names for branch in outputs["main"] for link in branch)
    (node,) = [node for node in workflow["nodes"] if node["type"] == "n8n-nodes-base.httpRequest"]
    parameters = node["parameters"]
    headers = {one["name"]: one["value"] for one in parameters["headerParameters"]["parameters"]}
    assert headers["Alephant-Run-Id"] == "={{ $execution.id }}"
    assert parameters["sendHeaders"] and parameters["sendBody"]
    assert not any("vk-" in value for value in headers.values()), "the key is a credential, not a header in the file"

    execution = str(uuid.uuid4().int)[:7]
    values = {"$execution.id": execution, "$workflow.id": "wf8Kd", "$workflow.name": workflow["name"]}
    sent = {name: evaluated(value, values) for name, value in headers.items()}
    sent |= {"authorization": f"Bearer {stage.key}", "content-type": "application/json"}
    url = parameters["url"].replace("http://127.0.0.1:8787", stage.origin)
    assert url.startswith(stage.origin)
    request = urllib.request.Request(url, parameters["jsonBody"].encode(), sent, method=parameters["method"])
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["choices"]

    found = stage.owner.get(f"/api/v1/runs/{execution}")
    assert (found["runId"], found["requests"]) == (execution, 1)
    (row,) = stage.owner.get(f"/api/v1/requests?runId={execution}")["data"]
    assert row["sessionId"] == "wf8Kd" and row["properties"] == {"workflow": workflow["name"]}
