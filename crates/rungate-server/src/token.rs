//! The text of personal access tokens: `pat_ws`, six hexadecimal digits, `_`, sixty-four hexadecimal digits.

use rungate_core::id::WorkspaceId;
use rungate_core::ports::Entropy;
use rungate_core::secret::{Secret, encode_hex};

const PREFIX: &str = "pat_ws";
const WORKSPACE_DIGITS: usize = 6;
const SECRET_DIGITS: usize = 64;
/// So much of a token may be shown.
const SHOWN: usize = 16;

/// A fresh token of a workspace. The six digits tell people which workspace it is for; nothing relies on them.
pub fn fresh_pat(workspace: WorkspaceId, entropy: &dyn Entropy) -> Secret {
    let mut secret = [0; SECRET_DIGITS / 2];
    entropy.fill(&mut secret);
    let workspace = encode_hex(workspace.uuid().as_bytes());
    let workspace = &workspace[workspace.len() - WORKSPACE_DIGITS..];
    Secret::new(format!("{PREFIX}{workspace}_{}", encode_hex(&secret)))
}

/// Whether a text has the shape of a token.
pub fn is_pat(text: &str) -> bool {
    let parts = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_'));
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    parts.is_some_and(|(workspace, secret)| {
        is_hex(workspace, WORKSPACE_DIGITS) && is_hex(secret, SECRET_DIGITS)
    })
}

/// The start of a token, for telling tokens apart.
pub fn shown_prefix(token: &Secret) -> String {
    token.expose().chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;

    #[test]
    fn fresh_tokens_have_the_shape_and_differ() {
        let workspace = WorkspaceId::new(uuid::Uuid::from_u128(0xabc_def));
        let entropy = SystemEntropy::open().unwrap();
        let token = fresh_pat(workspace, &entropy);
        assert!(is_pat(token.expose()) && token.expose().starts_with("pat_wsabcdef_"));
        assert_eq!(shown_prefix(&token).len(), 16);
        assert!(token != fresh_pat(workspace, &entropy));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        let good = format!("pat_ws012abc_{}", "0a".repeat(32));
        assert!(is_pat(&good));
        for bad in
            [&good.to_uppercase(), &good[1..], &good[..good.len() - 1], "vk-x", "", &good.replace('_', "-")]
        {
            assert!(!is_pat(bad), "{bad}");
        }
    }
}
