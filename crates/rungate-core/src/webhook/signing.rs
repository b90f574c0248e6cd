//! Signatures as Standard Webhooks has them: HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secret::Secret;

/// What a secret's text begins with.
pub const SECRET_PREFIX: &str = "whsec_";

/// A text is not a signing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is whsec_ and the base64 of at least 24 bytes")]
pub struct NotASecret;

/// The secret that a sender signs with and a receiver verifies with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningSecret(Secret);

impl SigningSecret {
    /// From 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes))))
    }

    /// Reads `whsec_…`.
    pub fn parse(text: &str) -> Result<Self, NotASecret> {
        let bytes = text.strip_prefix(SECRET_PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
        match bytes {
            Some(bytes) if bytes.len() >= 24 => Ok(Self(Secret::new(text.to_owned()))),
            _ => Err(NotASecret),
        }
    }

    /// `whsec_…`, which its receiver is given.
    pub const fn text(&self) -> &Secret {
        &self.0
    }

    /// `v1,<base64>` for a message. `seconds` is the time of this try, in unix seconds.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let encoded = self.0.expose().trim_start_matches(SECRET_PREFIX);
        // What was read or made as a secret decodes, and an HMAC takes a key of any length.
        let key = STANDARD.decode(encoded).unwrap_or_default();
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return String::new() };
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The secrets of one webhook: the current one and, during a rotation, the one before. They are sealed as one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningSecrets {
    /// The one that was shown last.
    pub current: SigningSecret,
    /// The one before it.
    pub previous: Option<SigningSecret>,
}

impl SigningSecrets {
    /// Of a new webhook.
    pub const fn new(current: SigningSecret) -> Self {
        Self { current, previous: None }
    }

    /// The same after a rotation.
    #[must_use]
    pub fn rotated(self, fresh: SigningSecret) -> Self {
        Self { current: fresh, previous: Some(self.current) }
    }

    /// A line each, the current one first: what is sealed.
    pub fn to_text(&self) -> Secret {
        let mut text = self.current.text().expose().to_owned();
        if let Some(previous) = &self.previous {
            text.push('\n');
            text.push_str(previous.text().expose());
        }
        Secret::new(text)
    }

    /// Reads [`SigningSecrets::to_text`].
    pub fn parse(text: &Secret) -> Result<Self, NotASecret> {
        let mut lines = text.expose().lines().map(SigningSecret::parse);
        Ok(Self { current: lines.next().ok_or(NotASecret)??, previous: lines.next().transpose()? })
    }

    /// The value of `webhook-signature`: one signature, or one of each secret while both are good.
    pub fn signatures(&self, both: bool, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut value = self.current.sign(id, seconds, body);
        if let Some(previous) = self.previous.as_ref().filter(|_| both) {
            value.push(' ');
            value.push_str(&previous.sign(id, seconds, body));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001";
    const AT: i64 = 1_760_000_000;

    #[test]
    fn signatures_are_those_of_the_contract() {
        let secret = SigningSecret::parse("whsec_cnVuZ2F0ZS13aXJlLWNvbnRyYWN0LXZlY3Rvci0wMDE=").unwrap();
        assert_eq!(
            secret.sign(ID, AT, br#"{"hello":"world"}"#),
            "v1,AyULTV/SPmdnL+NtjRXNLeD3lcfI3ZMe9Iv0syVkqoY="
        );
        assert_eq!(secret.sign(ID, AT, b""), "v1,Ty0scUZ4QC9ehwkLZW1BbxWdMhrilEeZGxCY33zDahE=");
    }

    #[test]
    fn the_standard_s_own_example_verifies() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn w_125_during_a_rotation_both_secrets_sign() {
        let (old, new) = (SigningSecret::from_bytes([1; 32]), SigningSecret::from_bytes([2; 32]));
        let rotated = SigningSecrets::new(old.clone()).rotated(new.clone());
        let (by_old, by_new) = (old.sign(ID, AT, b"{}"), new.sign(ID, AT, b"{}"));
        assert_eq!(rotated.signatures(true, ID, AT, b"{}"), format!("{by_new} {by_old}"));
        assert_eq!(rotated.signatures(false, ID, AT, b"{}"), by_new);
        assert_eq!(SigningSecrets::new(old).signatures(true, ID, AT, b"{}"), by_old);
        assert_eq!(SigningSecrets::parse(&rotated.to_text()), Ok(rotated));
    }

    #[test]
    fn other_text_is_no_secret() {
        for text in
            ["", "whsec_", "whsec_!", "whsec_c2hvcnQ=", "cnVuZ2F0ZS13aXJlLWNvbnRyYWN0LXZlY3Rvci0wMDE="]
        {
            assert_eq!(SigningSecret::parse(text), Err(NotASecret), "{text}");
            assert_eq!(SigningSecrets::parse(&Secret::new(text.to_owned())), Err(NotASecret), "{text}");
        }
        let fresh = SigningSecret::from_bytes([7; 32]);
        assert_eq!(SigningSecret::parse(fresh.text().expose()), Ok(fresh));
    }
}
