// OpenAI's SDK for JavaScript with nothing changed but base URL and key.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";

import OpenAI, { toFile } from "openai";

import { Stage } from "./stage.js";

const MODEL = "gpt-4o-mini";
const HELLO = [{ role: "user", content: "Say something about gateways." }];
const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

let stage;
let client;
let openClient;

before(async () => {
  stage = await Stage.set();
  const baseURL = `${stage.origin}/v1`;
  client = new OpenAI({ baseURL, apiKey: stage.key, maxRetries: 0 });
  openClient = new OpenAI({ baseURL, apiKey: stage.openKey, maxRetries: 0 });
});
after(() => stage?.strike());

/** A call under a request id and a run id of its own. */
function newCall() {
  const requestId = `req-${randomUUID()}`;
  const runId = `run_${randomUUID()}`;
  return { requestId, runId, options: { headers: { "x-request-id": requestId, "Alephant-Run-Id": runId } } };
}

/** The row of a call, read by the key itself and by the owner, which must agree. */
async function rowOf(call, { key = stage.key, outcome = "succeeded" } = {}) {
  const own = await stage.get(`/v1/analytics/request-logs/${call.requestId}`, key);
  const [row] = (await stage.get(`/api/v1/requests?requestId=${call.requestId}`)).data;
  assert.equal(own.row.id, row.id);
  assert.equal(own.row.cost_nano_usd, row.costNanoUsd);
  assert.equal(row.runId, call.runId);
  assert.equal(row.outcome, outcome);
  if (key === stage.key) assert.equal(row.agentId, stage.agent.id);
  return row;
}

/** What the tokens cost in nano-dollars, at list prices in US dollars for a million. */
function cost(input, output, priceIn = 0.15, priceOut = 0.6) {
  return String(Math.round(input * priceIn * 1000 + output * priceOut * 1000));
}

describe("w_040 OpenAI's SDK for JavaScript", () => {
  test("a chat is answered, priced and attributed", async () => {
    const call = newCall();
    const { data, response } = await client.chat.completions
      .create({ model: MODEL, messages: HELLO }, call.options)
      .withResponse();
    assert.ok(data.choices[0].message.content);
    assert.equal(response.headers.get("x-request-id"), call.requestId);
    const row = await rowOf(call);
    assert.equal(row.id, response.headers.get("alephant-id"));
    assert.equal(row.model, MODEL);
    assert.equal(row.tokens.input, data.usage.prompt_tokens);
    assert.equal(row.tokens.output, data.usage.completion_tokens);
    assert.equal(row.costNanoUsd, cost(data.usage.prompt_tokens, data.usage.completion_tokens));
  });

  test("a stream is relayed and its usage is on the row", async () => {
    const call = newCall();
    const stream = await client.chat.completions.create({ model: MODEL, messages: HELLO, stream: true }, call.options);
    let text = "";
    for await (const chunk of stream) {
      assert.equal(chunk.choices.length, 1, "the usage that nobody asked for stays at the gateway");
      text += chunk.choices[0].delta.content ?? "";
    }
    assert.ok(text);
    const row = await rowOf(call);
    assert.equal(row.usageSource, "reported");
    assert.equal(row.costNanoUsd, cost(row.tokens.input, row.tokens.output));
  });

  test("a tool is called over two turns", async () => {
    const call = newCall();
    const messages = [{ role: "user", content: "What is the weather in Paris?" }];
    const first = await client.chat.completions.create({ model: MODEL, messages, tools: [WEATHER] }, call.options);
    const [toolCall] = first.choices[0].message.tool_calls;
    assert.ok("city" in JSON.parse(toolCall.function.arguments));
    messages.push(first.choices[0].message);
    messages.push({ role: "tool", tool_call_id: toolCall.id, content: "18 degrees and sunny" });
    const second = await client.chat.completions.create({ model: MODEL, messages, tools: [WEATHER] }, call.options);
    assert.match(second.choices[0].message.content, /18 degrees and sunny/);
    assert.equal((await stage.get(`/api/v1/runs/${call.runId}`)).requests, 2);
  });

  test("a response is created, streamed, read and deleted", async () => {
    const call = newCall();
    const made = await client.responses.create({ model: MODEL, input: "Say hello.", store: true }, call.options);
    assert.ok(made.output_text);
    const row = await rowOf(call);
    assert.equal(row.costNanoUsd, cost(made.usage.input_tokens, made.usage.output_tokens));
    assert.equal((await client.responses.retrieve(made.id)).id, made.id);
    await client.responses.delete(made.id);
    await assert.rejects(client.responses.retrieve(made.id), OpenAI.NotFoundError);

    let last;
    for await (const event of await client.responses.create({ model: MODEL, input: "Count.", stream: true })) {
      last = event;
    }
    assert.equal(last.type, "response.completed");
  });

  test("embeddings, moderations, images, audio and models", async () => {
    const embedding = await client.embeddings.create({ model: "text-embedding-3-small", input: "text" });
    assert.equal(typeof embedding.data[0].embedding[0], "number");
    const moderation = await client.moderations.create({ model: "omni-moderation-latest", input: "trains" });
    assert.equal(moderation.results[0].flagged, false);
    const image = await client.images.generate({ model: "gpt-image-1", prompt: "a cat" });
    assert.ok(image.data[0].b64_json);
    const speech = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "Good morning." });
    assert.ok((await speech.arrayBuffer()).byteLength > 0);
    const call = newCall();
    const file = await toFile(Buffer.alloc(32_000), "speech.wav");
    const heard = await client.audio.transcriptions.create({ model: "whisper-1", file }, call.options);
    assert.ok(heard.text);
    assert.equal((await rowOf(call)).requestedModel, "whisper-1");
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes("openai/gpt-4o-mini"));
    assert.equal((await client.models.retrieve("openai/gpt-4o-mini")).owned_by, "openai");
  });

  test("a model of Anthropic answers in OpenAI's shape", async () => {
    const call = newCall();
    const model = "anthropic/claude-sonnet-5";
    const answer = await openClient.chat.completions.create({ model, messages: HELLO }, call.options);
    assert.ok(answer.choices[0].message.content);
    const row = await rowOf(call, { key: stage.openKey });
    assert.equal(row.provider, "anthropic");
    const { prompt_tokens: input, completion_tokens: output } = answer.usage;
    assert.equal(row.costNanoUsd, cost(input, output, 2, 10));
  });

  test("failures are the SDK's own errors", async () => {
    const bad = new OpenAI({ baseURL: `${stage.origin}/v1`, apiKey: "vk-wrong", maxRetries: 0 });
    await assert.rejects(bad.chat.completions.create({ model: MODEL, messages: HELLO }), OpenAI.AuthenticationError);
    await assert.rejects(openClient.chat.completions.create({ model: "no-such-model", messages: HELLO }), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, "model_not_found");
      return true;
    });
    for (const [status, kind] of [[429, OpenAI.RateLimitError], [500, OpenAI.InternalServerError]]) {
      const call = newCall();
      const request = { model: `${MODEL}+error=${status}`, messages: HELLO };
      await assert.rejects(client.chat.completions.create(request, call.options), kind);
      assert.equal((await rowOf(call, { outcome: "upstream_failed" })).status, status);
    }
  });

  test("w_045 a stream that fails throws", async () => {
    const call = newCall();
    const request = { model: `${MODEL}+cut=4`, messages: HELLO, stream: true };
    const stream = await client.chat.completions.create(request, call.options);
    await assert.rejects(async () => {
      for await (const chunk of stream) assert.ok(chunk);
    }, OpenAI.APIError);
    assert.equal((await rowOf(call, { outcome: "upstream_failed" })).errorCode, "upstream_stream_failed");
  });
});
