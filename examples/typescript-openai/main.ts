// An agent run of two calls through Rungate: an answer and a stream.
//
// Only `baseURL` and `apiKey` differ from talking to OpenAI directly. The header `Alephant-Run-Id` puts the calls on one
// run; everything else works without it.

import { randomUUID } from "node:crypto";

import OpenAI from "openai";

const model = process.env.MODEL ?? "gpt-5-mini";
const runId = process.env.RUN_ID ?? `run_${randomUUID().slice(0, 8)}`;

const client = new OpenAI({
  baseURL: `${process.env.RUNGATE_ORIGIN ?? "http://127.0.0.1:8787"}/v1`,
  apiKey: process.env.RUNGATE_KEY,
});

/** The headers of one call: its task, and its step within it. */
function step(id: string, kind: string): { headers: Record<string, string> } {
  return { headers: { "Alephant-Run-Id": runId, "Alephant-Step-Id": id, "Alephant-Step-Kind": kind } };
}

const plan = await client.chat.completions.create(
  { model, messages: [{ role: "user", content: "How would you find out whether it rains tomorrow?" }] },
  step("plan", "planning"),
);
console.log("plan:", plan.choices[0]?.message.content);

const stream = await client.responses.create(
  { model, input: "Do I need an umbrella in Lisbon tomorrow?", stream: true },
  step("answer", "final_answer"),
);
process.stdout.write("answer: ");
for await (const event of stream) {
  if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
}
console.log("\nrun:", runId);
