//! The sealing keys that an installation holds: one that seals, and earlier ones that only open.

use crate::secret::{SealError, Sealed, SealingKey, SealingKeyId, Secret};

/// The current sealing key and those before it.
#[derive(Debug, Clone)]
pub struct Keyring {
    current: SealingKey,
    previous: Vec<SealingKey>,
}

impl Keyring {
    /// A ring of one key.
    pub const fn new(current: SealingKey) -> Self {
        Self { current, previous: Vec::new() }
    }

    /// Reads keys with white space between them, the current one first.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let mut keys = text.split_whitespace().map(SealingKey::parse);
        let current = keys.next().ok_or(SealError::BadKey)??;
        Ok(Self { current, previous: keys.collect::<Result<_, _>>()? })
    }

    /// The keys as their file has them, a line each.
    pub fn to_text(&self) -> Secret {
        let lines = self.keys().map(|key| format!("{}\n", key.to_text().expose()));
        Secret::new(lines.collect())
    }

    /// The same keys behind a new current one.
    #[must_use]
    pub fn led_by(&self, current: SealingKey) -> Self {
        Self { current, previous: self.keys().cloned().collect() }
    }

    /// The current key alone.
    #[must_use]
    pub fn without_previous(&self) -> Self {
        Self::new(self.current.clone())
    }

    /// The key that seals.
    pub const fn current(&self) -> &SealingKey {
        &self.current
    }

    /// The keys that only open.
    pub fn previous(&self) -> &[SealingKey] {
        &self.previous
    }

    /// The ids of all keys, the current one first.
    pub fn ids(&self) -> Vec<SealingKeyId> {
        self.keys().map(SealingKey::id).collect()
    }

    /// Seals with the current key; see [`SealingKey::seal`].
    pub fn seal(&self, secret: &Secret, context: &str, nonce: [u8; 12]) -> Result<Sealed, SealError> {
        self.current.seal(secret, context, nonce)
    }

    /// Opens with whichever key fits; see [`SealingKey::open`].
    pub fn open(&self, sealed: &Sealed, context: &str) -> Result<Secret, SealError> {
        self.keys().find_map(|key| key.open(sealed, context).ok()).ok_or(SealError::CannotOpen)
    }

    fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::from_bytes([byte; 32])
    }

    #[test]
    fn a_ring_seals_with_its_first_key_and_opens_with_each() {
        let before = Keyring::new(key(1));
        let secret = Secret::new("sk-live".to_owned());
        let old = before.seal(&secret, "c", [0; 12]).unwrap();
        let ring = before.led_by(key(2));
        let new = ring.seal(&secret, "c", [0; 12]).unwrap();
        assert_eq!(new.key_id(), Some(key(2).id()));
        assert_eq!((ring.open(&old, "c"), ring.open(&new, "c")), (Ok(secret.clone()), Ok(secret.clone())));
        assert_eq!(before.open(&new, "c"), Err(SealError::CannotOpen));
        let after = ring.without_previous();
        assert_eq!((after.open(&new, "c"), after.open(&old, "c").is_err()), (Ok(secret), true));
    }

    #[test]
    fn a_ring_reads_back_from_its_text() {
        let ring = Keyring::new(key(1)).led_by(key(2));
        assert_eq!(Keyring::parse(ring.to_text().expose()).unwrap().ids(), [key(2).id(), key(1).id()]);
        let on_one_line = format!("{} {}", "02".repeat(32), "01".repeat(32));
        assert_eq!(Keyring::parse(&on_one_line).unwrap().ids(), ring.ids());
        assert!(Keyring::parse("").is_err() && Keyring::parse(&format!("{on_one_line} x")).is_err());
    }
}
