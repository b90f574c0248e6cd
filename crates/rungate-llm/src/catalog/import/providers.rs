//! What the sources call a provider, and what we do.

/// A provider: our id, then LiteLLM's names, genai-prices' and model-prices'. Ids without a row in rungate-llm's
/// registry are known by their prices only. Ours are lower-case letters and digits, as the registry's are.
struct Known {
    id: &'static str,
    litellm: &'static [&'static str],
    genai: &'static [&'static str],
    history: &'static [&'static str],
}

const fn known(
    id: &'static str,
    litellm: &'static [&'static str],
    genai: &'static [&'static str],
    history: &'static [&'static str],
) -> Known {
    Known { id, litellm, genai, history }
}

/// A source of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// LiteLLM's price list.
    LiteLlm,
    /// models.dev, and model-prices, which keeps its history.
    ModelPrices,
    /// genai-prices.
    GenaiPrices,
}

impl Source {
    /// Every source, the preferred one first.
    pub const ALL: [Self; 3] = [Self::LiteLlm, Self::ModelPrices, Self::GenaiPrices];

    /// Its name in the catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LiteLlm => "litellm",
            Self::ModelPrices => "model-prices",
            Self::GenaiPrices => "genai-prices",
        }
    }
}

/// Our id of what a source calls a provider.
pub fn ours(source: Source, theirs: &str) -> Option<&'static str> {
    KNOWN.iter().find(|known| names(known, source).contains(&theirs)).map(|known| known.id)
}

/// Our id that reads the same, where there is one.
pub fn same(theirs: &str) -> Option<&'static str> {
    KNOWN.iter().find(|known| known.id == theirs).map(|known| known.id)
}

/// What a source calls our provider.
pub fn theirs(source: Source, ours: &str) -> &'static [&'static str] {
    KNOWN.iter().find(|known| known.id == ours).map_or(&[], |known| names(known, source))
}

const fn names(known: &Known, source: Source) -> &'static [&'static str] {
    match source {
        Source::LiteLlm => known.litellm,
        Source::ModelPrices => known.history,
        Source::GenaiPrices => known.genai,
    }
}

/// Clouds that sell the same model under names of their own per region, and subscriptions that ask no price per token,
/// are left out, but for those that many use.
const KNOWN: &[Known] = &[
    known("ai21", &["ai21"], &[], &["ai21"]),
    known("aiand", &["aiand"], &[], &[]),
    known("arcee", &[], &["arcee"], &["arcee"]),
    known("anthropic", &["anthropic"], &["anthropic"], &["anthropic"]),
    known("anyscale", &["anyscale"], &[], &[]),
    known("avian", &[], &["avian"], &[]),
    known("azure", &["azure", "azure_text"], &["azure"], &[]),
    known("azureai", &["azure_ai"], &[], &[]),
    known("baseten", &["baseten"], &["baseten"], &[]),
    known("bedrock", &["bedrock", "bedrock_converse"], &["aws"], &["amazon-bedrock"]),
    known("byteplus", &[], &[], &["byteplus"]),
    known("cerebras", &["cerebras"], &["cerebras"], &[]),
    known("cloudflare", &["cloudflare"], &["cloudflare"], &[]),
    known("codestral", &["codestral", "text-completion-codestral"], &[], &[]),
    known("cohere", &["cohere", "cohere_chat"], &["cohere"], &["cohere"]),
    known("crusoe", &["crusoe"], &[], &[]),
    known("dashscope", &["dashscope"], &[], &["alibaba"]),
    known("databricks", &["databricks"], &["databricks"], &[]),
    known("deepgram", &["deepgram"], &[], &[]),
    known("deepinfra", &["deepinfra"], &[], &[]),
    known("deepseek", &["deepseek"], &["deepseek"], &["deepseek"]),
    known("doubleword", &[], &["doubleword"], &[]),
    known("elevenlabs", &["elevenlabs"], &["elevenlabs"], &[]),
    known("fireworks", &["fireworks_ai", "fireworks_ai-embedding-models"], &["fireworks"], &[]),
    known("friendli", &["friendliai"], &[], &[]),
    known("gemini", &["gemini"], &["google"], &["google"]),
    known("gmi", &["gmi"], &[], &[]),
    known("gradient", &["gradient_ai"], &[], &[]),
    known("groq", &["groq"], &["groq"], &[]),
    known("hyperbolic", &["hyperbolic"], &[], &[]),
    known("inception", &["inception", "text-completion-inception"], &[], &["inception"]),
    known("jina", &["jina_ai"], &[], &[]),
    known("lambda", &["lambda_ai"], &[], &[]),
    known("longcat", &[], &[], &["longcat"]),
    known("meta", &["meta", "meta_llama"], &["meta"], &["meta"]),
    known("minimax", &["minimax"], &["minimax"], &["minimax"]),
    known("mistral", &["mistral"], &["mistral"], &["mistral"]),
    known("modal", &[], &["modal"], &[]),
    known("moonshot", &["moonshot"], &["moonshotai"], &["moonshotai"]),
    known("morph", &["morph"], &[], &[]),
    known("nebius", &["nebius"], &[], &[]),
    known("nova", &["amazon_nova"], &[], &["nova"]),
    known("novita", &["novita"], &["novita"], &[]),
    known("nscale", &["nscale"], &[], &[]),
    known("oci", &["oci"], &[], &[]),
    known("openai", &["openai", "text-completion-openai"], &["openai"], &["openai"]),
    known("openrouter", &["openrouter"], &["openrouter"], &[]),
    known("ovhcloud", &["ovhcloud"], &["ovhcloud"], &[]),
    known("perplexity", &["perplexity"], &["perplexity"], &["perplexity"]),
    known("poolside", &[], &[], &["poolside"]),
    known("publicai", &["publicai"], &[], &[]),
    known("qwencloud", &["qwencloud"], &[], &[]),
    known("replicate", &["replicate"], &[], &[]),
    known("sambanova", &["sambanova"], &[], &[]),
    known("sarvam", &["sarvam"], &[], &[]),
    known("scaleway", &["scaleway"], &[], &[]),
    known("snowflake", &["snowflake"], &[], &[]),
    known("stepfun", &[], &[], &["stepfun-ai"]),
    known("tencent", &["tencent"], &[], &["tencent-tokenhub"]),
    known("together", &["together_ai"], &["together"], &[]),
    known("upstage", &[], &[], &["upstage"]),
    known("v0", &["v0"], &[], &[]),
    known("vercel", &["vercel_ai_gateway"], &[], &[]),
    known(
        "vertex",
        &[
            "vertex_ai",
            "vertex_ai-ai21_models",
            "vertex_ai-anthropic_models",
            "vertex_ai-deepseek_models",
            "vertex_ai-embedding-models",
            "vertex_ai-language-models",
            "vertex_ai-llama_models",
            "vertex_ai-minimax_models",
            "vertex_ai-mistral_models",
            "vertex_ai-moonshot_models",
            "vertex_ai-openai_models",
            "vertex_ai-qwen_models",
            "vertex_ai-zai_models",
        ],
        &[],
        &[],
    ),
    known("volcengine", &["volcengine"], &[], &["volcengine"]),
    known("voyage", &["voyage"], &["voyageai"], &[]),
    known("wandb", &["wandb"], &[], &[]),
    known("watsonx", &["watsonx"], &[], &[]),
    known("xai", &["xai"], &["x-ai"], &["xai"]),
    known("xiaomi", &["xiaomi_mimo"], &[], &["xiaomi"]),
    known("zai", &["zai"], &["zai"], &["zai"]),
    known("zhipu", &["bigmodel"], &["zhipuai"], &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once_and_every_provider_of_the_registry_that_asks_a_price_is_there() {
        for source in Source::ALL {
            let mut seen = std::collections::BTreeSet::new();
            for name in KNOWN.iter().flat_map(|known| names(known, source)) {
                assert!(seen.insert(name), "{name} of {source:?} stands twice");
            }
        }
        for provider in crate::providers::ALL {
            let is_priced = KNOWN.iter().any(|known| known.id == provider.id);
            assert_eq!(is_priced, !provider.any_model, "{}", provider.id);
        }
    }
}
