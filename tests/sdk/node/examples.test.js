// The TypeScript example, checked by the compiler and run as a user would run it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Stage } from "./stage.js";

const run = promisify(execFile);
const HERE = fileURLToPath(new URL(".", import.meta.url));
const SOURCE = join(HERE, "../../../examples/typescript-openai/main.ts");
// Where the example's imports are found.
const FOLDER = join(HERE, "node_modules/.examples");

let stage;
before(async () => {
  stage = await Stage.set();
});
after(() => stage?.strike());

test("typescript-openai puts its two calls on one run", async () => {
  mkdirSync(FOLDER, { recursive: true });
  copyFileSync(SOURCE, join(FOLDER, "main.mts"));
  const tsc = join(HERE, "node_modules/typescript/bin/tsc");
  const options = ["--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck", "--types", "node"];
  await run(process.execPath, [tsc, ...options, "main.mts"], { cwd: FOLDER }).catch((error) => {
    assert.fail(error.stdout || error.message);
  });

  const runId = `run_${randomUUID()}`;
  const env = { PATH: process.env.PATH, RUNGATE_ORIGIN: stage.origin, RUNGATE_KEY: stage.key, RUN_ID: runId };
  const { stdout } = await run(process.execPath, ["main.mjs"], { cwd: FOLDER, env });
  assert.match(stdout, new RegExp(`run: ${runId}`));

  const rows = (await stage.get(`/api/v1/requests?runId=${runId}&order=asc`)).data;
  assert.deepEqual(rows.map((row) => row.stepId), ["plan", "answer"]);
  assert.deepEqual(rows.map((row) => row.kind), ["chat", "response"]);
  for (const row of rows) {
    assert.equal(row.agentId, stage.agent.id);
    assert.ok(Number(row.costNanoUsd) > 0);
  }
});
