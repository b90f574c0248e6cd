//! The two keys of an installation: the sealing key, which is kept outside the store, and the pepper of token hashes,
//! which is kept in it, sealed.
//!
//! The pepper is also how a wrong or lost sealing key is noticed before anything is served or overwritten.

use std::path::Path;

use anyhow::{Context as _, bail};
use rungate_core::agent::{Head, Resource, ResourceKind};
use rungate_core::id::WorkspaceId;
use rungate_core::ports::{Catalog, Clock, Entropy, Write, fresh_uuid};
use rungate_core::secret::{Sealed, SealingKey, Secret, TokenHasher, decode_hex, encode_hex};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::boot::folder;

/// The file of the sealing key in the data folder.
pub const SEALING_KEY_FILE: &str = "sealing.key";

const PEPPER: &str = "pepper";

/// The keys of an installation.
#[derive(Debug)]
pub struct Keys {
    /// Seals secrets at rest.
    pub sealing_key: SealingKey,
    /// Hashes tokens.
    pub hasher: TokenHasher,
}

/// A sealed value of the installation itself. It belongs to no workspace: its workspace id is the nil UUID.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SealedSetting {
    #[serde(flatten)]
    head: Head,
    name: String,
    value: Sealed,
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
        let sealing_key = match existing(data, given)? {
            Some(key) => key,
            None => make_sealing_key(data, entropy)?,
        };
        let hasher = make_pepper(&sealing_key, catalog, clock, entropy).await?;
        return Ok(Keys { sealing_key, hasher });
    };
    let Some(sealing_key) = existing(data, given)? else {
        bail!(
            "the data in {data} is sealed with a key that is missing: put {SEALING_KEY_FILE} back into the folder, or set \
             RUNGATE_SEALING_KEY; without it no provider key can be opened and no virtual key or token be recognised",
            data = data.display()
        );
    };
    let setting: SealedSetting = document.read()?;
    let opened = sealing_key.open(&setting.value, PEPPER);
    let pepper = opened.with_context(|| {
        format!("the sealing key is not the one that the data in {} was sealed with", data.display())
    })?;
    let pepper = decode_hex(pepper.expose()).and_then(|bytes| bytes.try_into().ok());
    let hasher = TokenHasher::new(pepper.context("the stored pepper is damaged")?);
    Ok(Keys { sealing_key, hasher })
}

fn existing(data: &Path, given: Option<&Secret>) -> anyhow::Result<Option<SealingKey>> {
    if let Some(text) = given {
        return Ok(Some(SealingKey::parse(text.expose()).context("RUNGATE_SEALING_KEY is not usable")?));
    }
    let path = data.join(SEALING_KEY_FILE);
    let Some(text) = folder::read_private(&path).with_context(|| path.display().to_string())? else {
        return Ok(None);
    };
    Ok(Some(SealingKey::parse(&text).with_context(|| path.display().to_string())?))
}

fn make_sealing_key(data: &Path, entropy: &dyn Entropy) -> anyhow::Result<SealingKey> {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    let key = SealingKey::from_bytes(bytes);
    let path = data.join(SEALING_KEY_FILE);
    folder::write_private(&path, &format!("{}\n", key.to_text().expose()))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(key)
}

async fn make_pepper(
    sealing_key: &SealingKey,
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> anyhow::Result<TokenHasher> {
    let (mut pepper, mut nonce) = ([0; 32], [0; 12]);
    entropy.fill(&mut pepper);
    entropy.fill(&mut nonce);
    let now = clock.now();
    let setting = SealedSetting {
        head: Head::new(fresh_uuid(entropy, now), WorkspaceId::new(Uuid::nil()), now),
        name: PEPPER.to_owned(),
        value: sealing_key.seal(&Secret::new(encode_hex(&pepper)), PEPPER, nonce)?,
    };
    catalog.commit(vec![Write::insert(&setting)?]).await?;
    Ok(TokenHasher::new(pepper))
}
