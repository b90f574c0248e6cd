//! Every provider, one line each. A new one is a file (or a row of `compatible`) and a line here.

mod anthropic;
mod compatible;
mod openai;

use crate::provider::Provider;

/// Every provider, in the order they are offered.
pub const ALL: &[&Provider] = &[
    &openai::OPENAI,
    &anthropic::ANTHROPIC,
    &compatible::GEMINI,
    &compatible::OPENROUTER,
    &compatible::MISTRAL,
    &compatible::GROQ,
    &compatible::XAI,
    &compatible::DEEPSEEK,
    &compatible::TOGETHER,
    &compatible::FIREWORKS,
    &compatible::OLLAMA,
    &compatible::VLLM,
    &compatible::CUSTOM,
];

/// The provider with this id.
pub fn find(id: &str) -> Option<&'static Provider> {
    ALL.iter().copied().find(|provider| provider.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_can_stand_before_a_slash() {
        let mut seen = std::collections::BTreeSet::new();
        for provider in ALL {
            assert!(seen.insert(provider.id), "{} stands twice", provider.id);
            assert!(provider.id.bytes().all(|byte| byte.is_ascii_lowercase()), "{}", provider.id);
            assert_eq!(find(provider.id).map(|found| found.name), Some(provider.name));
        }
        assert!(find("OpenAI").is_none());
    }

    #[test]
    fn every_provider_serves_chat_and_messages() {
        use rungate_core::operation::Operation;
        for provider in ALL {
            assert!(provider.serves(Operation::ChatCompletions).is_some(), "{}", provider.id);
            assert!(provider.serves(Operation::Messages).is_some(), "{}", provider.id);
        }
    }

    #[test]
    fn bases_have_no_trailing_slash_and_only_self_hosted_ones_need_no_secret() {
        for provider in ALL {
            assert!(provider.base_url.is_none_or(|base| !base.ends_with('/')), "{}", provider.id);
            assert!(provider.base_url.is_some() || provider.any_model, "{}", provider.id);
            let hosted = provider.base_url.is_some_and(|base| base.starts_with("https://"));
            assert_eq!(provider.secret_optional, !hosted, "{}", provider.id);
        }
    }
}
