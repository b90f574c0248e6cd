//! The two keys of an installation: the sealing key, which is kept outside the store (with those before it, during a
//! rotation), and the pepper of token hashes, which is kept in it, sealed.
//!
//! The pepper is also how a wrong or lost sealing key is noticed before anything is served or overwritten.

use std::path::Path;

use anyhow::{Context as _, bail};
use rungate_core::agent::{Head, Resource, ResourceKind};
use rungate_core::id::WorkspaceId;
use rungate_core::keyring::Keyring;
use rungate_core::ports::{Catalog, CatalogError, Clock, Document, Entropy, Write, fresh_uuid};
use rungate_core::secret::{Sealed, SealingKey, Secret, TokenHasher, decode_hex, encode_hex};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::boot::folder;

/// The file of the sealing key in the data folder: the key, and below it those of before that may still be needed.
pub const SEALING_KEY_FILE: &str = "sealing.key";

/// The name of the pepper's setting, and what it is sealed for.
pub(super) const PEPPER: &str = "pepper";

/// The keys of an installation.
#[derive(Debug)]
pub struct Keys {
    /// Seals secrets at rest.
    pub keyring: Keyring,
    /// Hashes tokens.
    pub hasher: TokenHasher,
}

/// A sealed value of the installation itself. It belongs to no workspace: its workspace id is the nil UUID.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SealedSetting {
    #[serde(flatten)]
    pub(super) head: Head,
    pub(super) name: String,
    pub(super) value: Sealed,
}

impl Resource for SealedSetting {
    const KIND: ResourceKind = ResourceKind::Setting;

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    fn unique(&self) -> Vec<(&'static str, String)> {
        vec![("name", self.name.clone())]
    }
}

/// Opens the keys; a first start makes them. `given` is the sealing key that the environment gives, which takes the
/// place of the file.
pub async fn open(
    data: &Path,
    given: Option<&Secret>,
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> anyhow::Result<Keys> {
    let stored = catalog.get_unique(ResourceKind::Setting, "name", PEPPER).await?;
    let Some(document) = stored else {
        let keyring = match existing(data, given)? {
            Some(keyring) => keyring,
            None => make_keyring(data, entropy)?,
        };
        let (setting, hasher) = fresh_pepper(&keyring, clock, entropy)?;
        let hasher = match catalog.commit(vec![Write::insert(&setting)?]).await {
            Ok(_) => hasher,
            // Another node that started with this one on an empty database was faster: its pepper is in force.
            Err(CatalogError::AlreadyExists(_)) => {
                let stored = catalog.get_unique(ResourceKind::Setting, "name", PEPPER).await?;
                open_stored(&stored.context("the pepper is gone")?, &keyring, data)?
            }
            Err(error) => return Err(error.into()),
        };
        return Ok(Keys { keyring, hasher });
    };
    let Some(keyring) = existing(data, given)? else {
        bail!(
            "the data in {data} is sealed with a key that is missing: put {SEALING_KEY_FILE} back into the folder, or set \
             RUNGATE_SEALING_KEY; without it no provider key can be opened and no virtual key or token be recognised. If \
             it is lost for good, `rungate sealing-key reset` begins with a new one",
            data = data.display()
        );
    };
    let hasher = open_stored(&document, &keyring, data)?;
    Ok(Keys { keyring, hasher })
}

/// Opens the pepper that the catalog has.
fn open_stored(document: &Document, keyring: &Keyring, data: &Path) -> anyhow::Result<TokenHasher> {
    open_pepper(&document.read()?, keyring).with_context(|| {
        format!("the sealing key is not the one that the data in {} was sealed with", data.display())
    })
}

/// The sealing keys that there are: those of the environment, else those of the file.
pub fn existing(data: &Path, given: Option<&Secret>) -> anyhow::Result<Option<Keyring>> {
    if let Some(text) = given {
        return Ok(Some(Keyring::parse(text.expose()).context("RUNGATE_SEALING_KEY is not usable")?));
    }
    let path = data.join(SEALING_KEY_FILE);
    let Some(text) = folder::read_private(&path).with_context(|| path.display().to_string())? else {
        return Ok(None);
    };
    Ok(Some(Keyring::parse(&text).with_context(|| path.display().to_string())?))
}

/// Makes a sealing key and writes its file.
pub fn make_keyring(data: &Path, entropy: &dyn Entropy) -> anyhow::Result<Keyring> {
    let keyring = Keyring::new(fresh_sealing_key(entropy));
    write(data, &keyring)?;
    Ok(keyring)
}

/// A random sealing key.
pub fn fresh_sealing_key(entropy: &dyn Entropy) -> SealingKey {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    SealingKey::from_bytes(bytes)
}

/// Writes the file of the sealing keys, whole or not at all.
pub fn write(data: &Path, keyring: &Keyring) -> anyhow::Result<()> {
    let path = data.join(SEALING_KEY_FILE);
    folder::write_private(&path, keyring.to_text().expose())
        .with_context(|| format!("{} cannot be written", path.display()))
}

pub(super) fn open_pepper(setting: &SealedSetting, keyring: &Keyring) -> anyhow::Result<TokenHasher> {
    let pepper = keyring.open(&setting.value, PEPPER)?;
    let pepper = decode_hex(pepper.expose()).and_then(|bytes| bytes.try_into().ok());
    Ok(TokenHasher::new(pepper.context("the stored pepper is damaged")?))
}

pub(super) fn fresh_pepper(
    keyring: &Keyring,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> anyhow::Result<(SealedSetting, TokenHasher)> {
    let (mut pepper, mut nonce) = ([0; 32], [0; 12]);
    entropy.fill(&mut pepper);
    entropy.fill(&mut nonce);
    let now = clock.now();
    let setting = SealedSetting {
        head: Head::new(fresh_uuid(entropy, now), WorkspaceId::new(Uuid::nil()), now),
        name: PEPPER.to_owned(),
        value: keyring.seal(&Secret::new(encode_hex(&pepper)), PEPPER, nonce)?,
    };
    Ok((setting, TokenHasher::new(pepper)))
}
