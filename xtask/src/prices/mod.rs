//! Makes the catalogue of rungate-llm from LiteLLM's price list.

mod model;
mod source;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use model::Model;
use source::{Row, Skip};

/// Arguments of `prices import`.
#[derive(clap::Args)]
pub struct Import {
    /// LiteLLM's price list
    file: PathBuf,
    /// The version of LiteLLM that it is from
    #[arg(long)]
    source_version: String,
    /// The day of the import, YYYY-MM-DD
    #[arg(long)]
    date: String,
}

/// What an import took and left.
#[derive(Debug, Default)]
struct Counts {
    rows: usize,
    skipped: BTreeMap<String, usize>,
    by_provider: BTreeMap<&'static str, (usize, usize)>,
    unreadable: Vec<String>,
    conflicts: Vec<String>,
}

impl Import {
    /// Writes the catalogue; returns a report for people.
    pub fn run(&self, root: &Path) -> Result<String> {
        let text =
            fs::read_to_string(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        let (models, counts) = convert(&text)?;
        let lines = lines(&models)?;
        let hash: String = Sha256::digest(&lines)
            .iter()
            .take(4)
            .fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
        let snapshot_id = format!("litellm-{}-{}-{hash}", self.source_version, self.date);

        let folder = root.join("crates/rungate-llm/catalogue");
        let data = format!("{{\"snapshotId\": \"{snapshot_id}\", \"models\": [\n{lines}\n]}}\n");
        fs::write(folder.join("models.json"), data)?;
        fs::write(folder.join("NOTICE.md"), self.notice(&snapshot_id, &counts)?)?;
        Ok(format!("{snapshot_id}\n\n{counts}"))
    }

    fn notice(&self, snapshot_id: &str, counts: &Counts) -> Result<String> {
        let mut text = include_str!("notice.md")
            .replace("{snapshot}", snapshot_id)
            .replace("{version}", &self.source_version)
            .replace("{date}", &self.date);
        write!(text, "{counts}")?;
        Ok(text)
    }
}

/// The models of our providers, in order.
fn convert(text: &str) -> Result<(Vec<Model>, Counts)> {
    let rows: BTreeMap<String, Row> = serde_json::from_str(text).context("not LiteLLM's price list")?;
    let mut counts = Counts { rows: rows.len(), ..Counts::default() };
    let mut models: BTreeMap<(&'static str, String), Model> = BTreeMap::new();
    for (key, row) in &rows {
        let model = match Model::from_row(key, row, &mut counts.unreadable) {
            Ok(model) => model,
            Err(Skip(why)) => {
                *counts.skipped.entry(why).or_default() += 1;
                continue;
            }
        };
        let name = (model.provider, model.id.clone());
        if let Some(other) = models.get_mut(&name) {
            *counts.skipped.entry("listed twice".to_owned()).or_default() += 1;
            if other.prices != model.prices {
                counts.conflicts.push(format!("{}/{}", name.0, name.1));
                other.prices = None;
            }
            continue;
        }
        models.insert(name, model);
    }
    for model in models.values() {
        let (listed, priced) = counts.by_provider.entry(model.provider).or_default();
        *listed += 1;
        *priced += usize::from(model.prices.is_some());
    }
    Ok((models.into_values().collect(), counts))
}

/// One model per line, so that a change of one price is a change of one line.
fn lines(models: &[Model]) -> Result<String> {
    ensure!(!models.is_empty(), "no model of our providers");
    let lines = models.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(lines.join(",\n"))
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (listed, priced) =
            self.by_provider.values().fold((0, 0), |(a, b), (listed, priced)| (a + listed, b + priced));
        writeln!(f, "{} rows read, {listed} models taken, {priced} of them with a price.\n", self.rows)?;
        writeln!(f, "| provider | models | with a price |\n|---|---|---|")?;
        for (provider, (listed, priced)) in &self.by_provider {
            writeln!(f, "| {provider} | {listed} | {priced} |")?;
        }
        writeln!(f, "\n| rows left out | |\n|---|---|")?;
        for (why, count) in &self.skipped {
            writeln!(f, "| {why} | {count} |")?;
        }
        list(f, "Two rows disagree, so the model has no price", &self.conflicts)?;
        list(f, "Prices that cannot be held exactly or make no sense, left out", &self.unreadable)
    }
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, items: &[String]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}:\n")?;
    items.iter().try_for_each(|item| writeln!(f, "- `{item}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(rows: &str) -> (Vec<String>, Counts) {
        let (models, counts) = convert(rows).unwrap();
        (models.iter().map(|model| serde_json::to_string(model).unwrap()).collect(), counts)
    }

    #[test]
    fn prices_per_token_become_exact_prices_per_million() {
        let (models, _) = import(
            r#"{"groq/llama": {"litellm_provider": "groq", "mode": "chat", "max_input_tokens": 8192,
                "input_cost_per_token": 5.9e-07, "output_cost_per_token": 0.00000079, "cache_read_input_token_cost": 1.25e-9,
                "input_cost_per_token_above_200k_tokens": 1e-6, "input_cost_per_token_batches": 9e-9,
                "supports_function_calling": true, "supports_vision": true, "supports_web_search": false}}"#,
        );
        assert_eq!(
            models,
            [concat!(
                r#"{"provider":"groq","id":"llama","mode":"chat","contextWindow":8192,"modalities":["text","image"],"#,
                r#""capabilities":["tools","vision"],"prices":{"inputPerMTok":"0.59","outputPerMTok":"0.79","#,
                r#""cachedInputPerMTok":"0.00125","tiers":[{"aboveInputTokens":200000,"inputPerMTok":"1"}]}}"#,
            )]
        );
    }

    #[test]
    fn prices_of_audio_are_per_minute_and_per_million_characters() {
        let (models, _) = import(
            r#"{"whisper-1": {"litellm_provider": "openai", "mode": "audio_transcription",
                "input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001},
                "tts-1": {"litellm_provider": "openai", "mode": "audio_speech", "input_cost_per_character": 1.5e-05}}"#,
        );
        assert!(models[0].ends_with(r#""prices":{"perMCharacters":"15"}}"#), "{}", models[0]);
        assert!(models[1].ends_with(r#""prices":{"perAudioMinute":"0.006"}}"#), "{}", models[1]);
    }

    #[test]
    fn images_are_priced_by_token_or_by_image_but_not_both() {
        let (models, _) = import(
            r#"{"gemini/a": {"litellm_provider": "gemini", "mode": "image_generation", "input_cost_per_token": 5e-6,
                    "input_cost_per_image_token": 1e-5, "output_cost_per_image_token": 4e-5, "output_cost_per_image": 0.1},
                "gemini/b": {"litellm_provider": "gemini", "mode": "image_generation", "output_cost_per_image": 0.02},
                "xai/c": {"litellm_provider": "xai", "mode": "image_generation", "input_cost_per_image": 0.06,
                    "output_cost_per_image_1K": 0.04},
                "fireworks_ai/d": {"litellm_provider": "fireworks_ai", "mode": "image_generation",
                    "input_cost_per_token": 1.3e-10, "output_cost_per_token": 1.3e-10}}"#,
        );
        assert!(
            models[1].contains(r#""id":"a""#)
                && models[1].contains(r#"{"inputPerMTok":"10","outputPerMTok":"40"}"#)
        );
        assert!(models[2].contains(r#""prices":{"perImage":"0.02"}"#));
        assert!(!models[0].contains("prices"), "a price per step is none we know");
        assert!(!models[3].contains("prices"), "the price depends on the size");
    }

    #[test]
    fn what_is_no_model_of_ours_is_left_out_and_counted() {
        let (models, counts) = import(
            r#"{"a": {"litellm_provider": "bedrock", "mode": "chat"}, "b": {"alias_of": "c"},
                "low/1024-x-1024/gpt-image-1": {"litellm_provider": "openai", "mode": "image_generation"},
                "sora-2": {"litellm_provider": "openai", "mode": "video_generation"},
                "together-ai-up-to-4b": {"litellm_provider": "together_ai", "mode": "chat"}}"#,
        );
        assert!(models.is_empty());
        assert_eq!(counts.skipped.values().sum::<usize>(), 5);
        assert_eq!(counts.skipped["use: video_generation"], 1);
    }

    #[test]
    fn no_price_is_better_than_a_wrong_one() {
        let (models, counts) = import(
            r#"{"gemini/free": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0},
                "gemini/two": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6},
                "two": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 2e-6, "output_cost_per_token": 1e-6},
                "gemini/fine": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 1e-13, "output_cost_per_token": 1e-6},
                "deepseek/w": {"litellm_provider": "deepseek", "mode": "chat", "input_cost_per_token": 1e-6,
                    "output_cost_per_token": 1e-6, "cache_creation_input_token_cost": 0.0}}"#,
        );
        assert_eq!(counts.conflicts, ["gemini/two"]);
        assert_eq!(counts.unreadable, ["gemini/fine: input_cost_per_token 1e-13"]);
        assert!(
            models[0].ends_with(r#""prices":{"inputPerMTok":"1","outputPerMTok":"1"}}"#),
            "{}",
            models[0]
        );
        assert_eq!(models.iter().filter(|model| model.contains("prices")).count(), 1, "{models:?}");
    }
}
