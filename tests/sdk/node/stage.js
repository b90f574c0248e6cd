// The real binary, started once for a test file: a simulated provider, a gateway in front of it, and a workspace.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const OWNER_TOKEN = `pat_ws0a1b2c_${"0123456789abcdef".repeat(4)}`;
const PROVIDER_SECRET = "sk-simulated-provider-secret-0123456789";
const START_MS = 30_000;

function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
  const path = process.env.RUNGATE_BIN ?? join(target, "debug", "rungate");
  if (!existsSync(path)) throw new Error(`${path} is not there: cargo build -p rungate-server --bin rungate`);
  return path;
}

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

export class Stage {
  #folder = mkdtempSync(join(tmpdir(), "rungate-sdk-"));
  #running = [];

  static async set() {
    const stage = new Stage();
    try {
      await stage.#start();
    } catch (error) {
      await stage.strike();
      throw error;
    }
    return stage;
  }

  async #start() {
    const sim = `127.0.0.1:${await freePort()}`;
    await this.#spawn("sim", ["sim", "--listen", sim], `http://${sim}/sim/stats`);
    const listen = `127.0.0.1:${await freePort()}`;
    this.origin = `http://${listen}`;
    const data = join(this.#folder, "data");
    await this.#spawn("serve", ["serve", "--listen", listen, "--data", data], `${this.origin}/readyz`, {
      RUNGATE_OWNER_TOKEN: OWNER_TOKEN,
      RUNGATE_EGRESS_ALLOW: "127.0.0.0/8",
      RUNGATE_UPSTREAM_RETRIES: "0",
    });
    const providerKey = (provider) =>
      this.post("/api/v1/provider-keys", {
        name: `sim ${provider}`,
        provider,
        baseUrl: `http://${sim}/v1`,
        secret: PROVIDER_SECRET,
      });
    const openai = await providerKey("openai");
    await providerKey("anthropic");
    this.agent = await this.post("/api/v1/agents", { type: "ai_agent", name: "Node Bot", masterKeyId: openai.id });
    this.key = this.agent.virtualKey.fullToken;
    this.openKey = (await this.post("/api/v1/virtual-keys", { label: "open" })).fullToken;
  }

  async #spawn(name, args, ready, env = {}) {
    const log = join(this.#folder, `${name}.log`);
    const out = openSync(log, "a");
    const child = spawn(binary(), args, { stdio: ["ignore", out, out], env: { ...process.env, ...env } });
    this.#running.push(child);
    const deadline = Date.now() + START_MS;
    while (Date.now() < deadline && child.exitCode === null) {
      const answer = await fetch(ready).catch(() => undefined);
      if (answer?.ok) return;
      await pause(20);
    }
    throw new Error(`${ready} does not answer:\n${readFileSync(log, "utf8")}`);
  }

  /** Ends what was started. */
  async strike() {
    for (const child of this.#running.reverse()) {
      if (child.exitCode !== null) continue;
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get(path, token = OWNER_TOKEN) {
    return this.#send("GET", path, token);
  }

  post(path, body) {
    return this.#send("POST", path, OWNER_TOKEN, body);
  }

  async #send(method, path, token, body) {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await fetch(this.origin + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text).data;
  }
}
