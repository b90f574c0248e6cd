//! Secrets: text that never prints, sealing at rest, and keyed hashes of tokens.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Text that must not be shown. It prints as `[secret]`, cannot be serialised, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself: only for the wire it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown of it: `sk-p…9Q2x`, or `…` alone when it is shorter than 16 characters.
    pub fn masked(&self) -> String {
        let characters: Vec<char> = self.0.chars().collect();
        if characters.len() < 16 {
            return "…".to_owned();
        }
        let head: String = characters[..4].iter().collect();
        let tail: String = characters[characters.len() - 4..].iter().collect();
        format!("{head}…{tail}")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// The 32-byte key that seals secrets at rest. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealingKey([u8; 32]);

/// Names a sealing key without telling anything of it. It prints as 8 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SealingKeyId([u8; 4]);

/// A sealed secret: base64 of a version byte, the id of the key, a 12-byte nonce and the ChaCha20-Poly1305 ciphertext.
/// Version 1 has no id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

/// Why a sealed secret could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The sealing key is not 32 bytes of base64 or 64 hex digits.
    #[error("a sealing key is 32 bytes, as base64 or as 64 hexadecimal digits")]
    BadKey,
    /// Wrong key, wrong context, or changed bytes.
    #[error("the sealed value cannot be opened: it was sealed with another key, or was changed")]
    CannotOpen,
}

/// Without the id of the key; still opened.
const SEAL_VERSION_1: u8 = 1;
const SEAL_VERSION: u8 = 2;

impl SealingKey {
    /// From 32 random bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads base64 (with or without padding) or 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let text = text.trim();
        if text.len() == 64
            && let Some(bytes) = decode_hex(text)
        {
            return bytes.try_into().map(Self).map_err(|_| SealError::BadKey);
        }
        let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| SealError::BadKey)?;
        bytes.try_into().map(Self).map_err(|_| SealError::BadKey)
    }

    /// The key as base64, for its file.
    pub fn to_text(&self) -> Secret {
        Secret(base64::engine::general_purpose::STANDARD.encode(self.0))
    }

    /// Its id: the first bytes of a keyed hash, so that it helps nobody to find the key.
    pub fn id(&self) -> SealingKeyId {
        let TokenHash(hash) = TokenHasher(self.0).hash("rungate sealing key id");
        SealingKeyId([hash[0], hash[1], hash[2], hash[3]])
    }

    /// Seals `secret` for `context`; only the same context opens it. The nonce must be fresh random bytes.
    pub fn seal(&self, secret: &Secret, context: &str, nonce: [u8; 12]) -> Result<Sealed, SealError> {
        let payload = Payload { msg: secret.expose().as_bytes(), aad: context.as_bytes() };
        let sealed =
            self.cipher().encrypt(&Nonce::from(nonce), payload).map_err(|_| SealError::CannotOpen)?;
        let mut bytes = Vec::with_capacity(17 + sealed.len());
        bytes.push(SEAL_VERSION);
        bytes.extend_from_slice(&self.id().0);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(Sealed(STANDARD_NO_PAD.encode(bytes)))
    }

    /// Opens what [`SealingKey::seal`] sealed for the same `context`.
    pub fn open(&self, sealed: &Sealed, context: &str) -> Result<Secret, SealError> {
        let bytes = STANDARD_NO_PAD.decode(&sealed.0).map_err(|_| SealError::CannotOpen)?;
        let rest = match bytes.split_first() {
            Some((&SEAL_VERSION_1, rest)) => rest,
            Some((&SEAL_VERSION, rest)) => rest.strip_prefix(&self.id().0).ok_or(SealError::CannotOpen)?,
            _ => return Err(SealError::CannotOpen),
        };
        let Some((nonce, ciphertext)) = rest.split_first_chunk::<12>() else {
            return Err(SealError::CannotOpen);
        };
        let payload = Payload { msg: ciphertext, aad: context.as_bytes() };
        let opened =
            self.cipher().decrypt(&Nonce::from(*nonce), payload).map_err(|_| SealError::CannotOpen)?;
        String::from_utf8(opened).map(Secret).map_err(|_| SealError::CannotOpen)
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&Key::from(self.0))
    }
}

impl Sealed {
    /// The key it was sealed with; `None` for a value of before keys had ids, and for one that is damaged.
    pub fn key_id(&self) -> Option<SealingKeyId> {
        let bytes = STANDARD_NO_PAD.decode(&self.0).ok()?;
        let (&SEAL_VERSION, rest) = bytes.split_first()? else { return None };
        rest.first_chunk().copied().map(SealingKeyId)
    }
}

impl fmt::Display for SealingKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_hex(&self.0))
    }
}

impl fmt::Debug for SealingKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SealingKeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealing key]")
    }
}

/// Hashes tokens with a key, so that a copied database gives no usable token and no table to look one up in.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TokenHasher([u8; 32]);

/// HMAC-SHA256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHasher {
    /// From the secret pepper of this installation.
    pub const fn new(pepper: [u8; 32]) -> Self {
        Self(pepper)
    }

    /// The keyed hash of `token`.
    pub fn hash(&self, token: &str) -> TokenHash {
        // An HMAC takes a key of any length, so this cannot fail; the empty hash would match nothing.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return TokenHash([0; 32]) };
        mac.update(token.as_bytes());
        TokenHash(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for TokenHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token hasher]")
    }
}

impl TokenHash {
    /// The hash as 64 hexadecimal digits, for storage.
    pub fn to_hex(self) -> String {
        encode_hex(&self.0)
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        decode_hex(text)?.try_into().ok().map(Self)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token hash]")
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("not 64 hexadecimal digits"))
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn encode_hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'))
        .collect()
}

/// The bytes of hexadecimal digits; `None` for anything else.
pub fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("sk-proj-abcdefghijklmnop9Q2x".to_owned());
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(secret.masked(), "sk-p…9Q2x");
        assert_eq!(Secret::new("short".to_owned()).masked(), "…");
    }

    #[test]
    fn sealing_opens_only_with_the_same_key_and_context() {
        let key = SealingKey::from_bytes([1; 32]);
        let sealed = key.seal(&Secret::new("sk-live".to_owned()), "provider-key:1", [9; 12]).unwrap();
        assert_eq!(key.open(&sealed, "provider-key:1").unwrap().expose(), "sk-live");
        assert_eq!(key.open(&sealed, "provider-key:2"), Err(SealError::CannotOpen));
        assert_eq!(
            SealingKey::from_bytes([2; 32]).open(&sealed, "provider-key:1"),
            Err(SealError::CannotOpen)
        );
        for damaged in ["AQ", "Ag", "AgAAAAAA", "", "!"] {
            let damaged = Sealed(damaged.to_owned());
            assert_eq!(key.open(&damaged, "provider-key:1"), Err(SealError::CannotOpen));
        }
    }

    #[test]
    fn sealed_values_name_their_key_and_those_of_before_still_open() {
        let key = SealingKey::from_bytes([1; 32]);
        let sealed = key.seal(&Secret::new("sk-live".to_owned()), "provider-key:1", [9; 12]).unwrap();
        assert_eq!(sealed.key_id(), Some(key.id()));
        assert_ne!(key.id(), SealingKey::from_bytes([2; 32]).id());
        assert_eq!(key.id().to_string().len(), 8);
        // The form of version 1 is the same without the id.
        let mut bytes = STANDARD_NO_PAD.decode(&sealed.0).unwrap();
        bytes.splice(..5, [SEAL_VERSION_1]);
        let old = Sealed(STANDARD_NO_PAD.encode(bytes));
        assert_eq!(old.key_id(), None);
        assert_eq!(key.open(&old, "provider-key:1").unwrap().expose(), "sk-live");
    }

    #[test]
    fn a_sealing_key_reads_back_from_its_text() {
        let key = SealingKey::from_bytes([7; 32]);
        assert_eq!(SealingKey::parse(key.to_text().expose()).unwrap().0, [7; 32]);
        assert_eq!(SealingKey::parse(&"07".repeat(32)).unwrap().0, [7; 32]);
        assert!(SealingKey::parse("too short").is_err());
    }

    #[test]
    fn token_hashes_depend_on_the_pepper() {
        let hash = TokenHasher::new([1; 32]).hash("vk-a");
        assert_eq!(TokenHash::from_hex(&hash.to_hex()), Some(hash));
        assert_ne!(TokenHasher::new([2; 32]).hash("vk-a"), hash);
    }
}
