//! What to try next, ready to be copied.

use rungate_core::secret::Secret;

use super::setup::Stage;
use super::story::{ANTHROPIC_MODEL, OPENAI_MODEL, Story};
use crate::cli::render::look::{Look, Paint};

/// The text. It shows the demo's keys in full: they are worth nothing elsewhere.
pub fn text(url: &str, token: &Secret, stage: &Stage, story: &Story, look: Look) -> String {
    let key = stage.openai_key.expose();
    let anthropic_key = stage.anthropic_key.expose();
    let (token, run, program) = (token.expose(), &story.run_id, program());
    let heading = |text: &str| look.paint(Paint::Bold, text);
    format!(
        r#"
{call}

curl {url}/v1/chat/completions -H 'authorization: Bearer {key}' \
  -H 'content-type: application/json' -H 'alephant-run-id: my-first-run' -H 'x-request-id: my-first-request' \
  -d '{{"model": "{OPENAI_MODEL}", "messages": [{{"role": "user", "content": "Hello"}}]}}'

{python}

from openai import OpenAI
client = OpenAI(base_url="{url}/v1", api_key="{key}")
answer = client.chat.completions.create(
    model="{OPENAI_MODEL}", messages=[{{"role": "user", "content": "Hello"}}],
    extra_headers={{"Alephant-Run-Id": "my-first-run"}},
)
print(answer.choices[0].message.content)

{typescript}

import OpenAI from "openai";
const client = new OpenAI({{ baseURL: "{url}/v1", apiKey: "{key}" }});
const answer = await client.chat.completions.create(
  {{ model: "{OPENAI_MODEL}", messages: [{{ role: "user", content: "Hello" }}] }},
  {{ headers: {{ "Alephant-Run-Id": "my-first-run" }} }},
);
console.log(answer.choices[0].message.content);

{claude}

curl {url}/v1/messages -H 'x-api-key: {anthropic_key}' -H 'content-type: application/json' \
  -d '{{"model": "{ANTHROPIC_MODEL}", "max_tokens": 100, "messages": [{{"role": "user", "content": "Hello"}}]}}'

{look_at}

export RUNGATE_URL={url} RUNGATE_TOKEN={token}
{program} runs show {run}
{program} logs tail --follow
{program} logs get my-first-request --bodies

RUNGATE_TOKEN above is the owner token: the key to the whole API, described at {url}/openapi.json.
Serving until Ctrl-C.
"#,
        call = heading("Call it yourself"),
        python = heading("Python: pip install openai"),
        typescript = heading("TypeScript: npm install openai"),
        claude = heading("A model of Anthropic, with the agent's other key"),
        look_at = heading("Look at what was recorded, in another terminal"),
    )
}

/// How this program is called from here.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_else(|_| "rungate".into());
    let here = std::env::current_dir().ok();
    match here.and_then(|here| path.strip_prefix(here).ok().map(ToOwned::to_owned)) {
        Some(below) => format!("./{}", below.display()),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::Sent;
    use super::*;

    #[test]
    fn it_shows_the_addresses_keys_and_ids_there_are() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let stage = Stage {
            agent: "agt_a".to_owned(),
            openai_key: secret("vk-one"),
            anthropic_key: secret("vk-two"),
        };
        let sent = Sent { request_id: "r".to_owned(), id: "i".to_owned() };
        let story = Story { run_id: "run_x".to_owned(), session_id: "s".to_owned(), requests: vec![sent] };
        let text = text("http://127.0.0.1:9", &secret("pat_ws1"), &stage, &story, Look::PLAIN);
        for part in [
            "curl http://127.0.0.1:9/v1/chat/completions -H 'authorization: Bearer vk-one'",
            r#"OpenAI(base_url="http://127.0.0.1:9/v1", api_key="vk-one")"#,
            r#"new OpenAI({ baseURL: "http://127.0.0.1:9/v1", apiKey: "vk-one" })"#,
            "-H 'x-api-key: vk-two'",
            "RUNGATE_TOKEN=pat_ws1",
            "runs show run_x",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
