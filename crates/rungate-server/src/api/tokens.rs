//! Makes virtual keys and the readable ids of agents.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rungate_core::ports::Entropy;
use rungate_core::secret::{Secret, encode_hex};
use rungate_gateway::credential::VIRTUAL_KEY_PREFIX;

/// A token that was just made: shown once, then only its hash and its prefix are left.
pub struct Fresh {
    /// The token.
    pub token: Secret,
    /// Its start, for telling tokens apart.
    pub prefix: String,
}

/// Characters of the label in a virtual key.
const SLUG_CHARS: usize = 6;
/// Random characters of a virtual key that stay visible.
const SHOWN_CHARS: usize = 6;

/// `vk-<slug>-<43 random characters>`; its prefix has at most 16 characters.
pub fn virtual_key(entropy: &dyn Entropy, label: &str) -> Fresh {
    let slug: String = label
        .chars()
        .take_while(|character| *character != ':')
        .filter(char::is_ascii_alphanumeric)
        .take(SLUG_CHARS)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let slug = if slug.is_empty() { "key" } else { &slug };
    let mut random = [0; 32];
    entropy.fill(&mut random);
    let token = format!("{VIRTUAL_KEY_PREFIX}{slug}-{}", URL_SAFE_NO_PAD.encode(random));
    let shown = VIRTUAL_KEY_PREFIX.len() + slug.len() + 1 + SHOWN_CHARS;
    Fresh { prefix: token[..shown].to_owned(), token: Secret::new(token) }
}

/// `agt_<slug of the name>_<4 hex>`.
pub fn external_id(entropy: &dyn Entropy, name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        match character.to_ascii_lowercase() {
            plain if plain.is_ascii_alphanumeric() => slug.push(plain),
            _ if !slug.is_empty() && !slug.ends_with('_') => slug.push('_'),
            _ => {}
        }
        if slug.len() >= 40 {
            break;
        }
    }
    let slug = slug.trim_end_matches('_');
    let slug = if slug.is_empty() { "agent" } else { slug };
    let mut random = [0; 2];
    entropy.fill(&mut random);
    format!("agt_{slug}_{}", encode_hex(&random))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;
    impl Entropy for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0x11);
        }
    }

    #[test]
    fn virtual_keys_show_at_most_16_characters() {
        for (label, start) in
            [("agent:support-bot", "vk-agent-"), ("Müller's key", "vk-mllers-"), ("…", "vk-key-")]
        {
            let fresh = virtual_key(&Ones, label);
            assert!(fresh.prefix.starts_with(start) && fresh.prefix.len() <= 16, "{}", fresh.prefix);
            assert!(fresh.token.expose().starts_with(&fresh.prefix));
            assert!(fresh.token.expose().len() >= start.len() + 32 && fresh.token.expose().len() <= 200);
        }
    }

    #[test]
    fn external_ids_have_their_shape() {
        assert_eq!(external_id(&Ones, "Support Bot!"), "agt_support_bot_1111");
        assert_eq!(external_id(&Ones, "…"), "agt_agent_1111");
    }
}
