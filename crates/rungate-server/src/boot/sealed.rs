//! Every sealed value of an installation: whether it opens, sealing it anew with another key, and doing without those
//! whose key is lost.
//!
//! At each moment the values in the store can be opened with the keys that are kept: a new key is kept before anything
//! is sealed with it, everything is sealed anew in one commit, and a former key goes only after everything was read back.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use rungate_core::agent::{Pat, ProviderKey, ProviderKeyStatus, Resource};
use rungate_core::keyring::Keyring;
use rungate_core::ports::{Catalog, Clock, Document, Entropy, Write};
use rungate_core::secret::{SealError, Sealed, SealingKeyId, Secret};
use rungate_core::webhook::Webhook;
use serde::Serialize;

use super::keys::{self, PEPPER, SealedSetting};
use super::owner::Owner;

/// A resource with a sealed value.
#[derive(Debug)]
enum Holder {
    Setting(SealedSetting),
    ProviderKey(Box<ProviderKey>),
    Webhook(Box<Webhook>),
}

/// What is to be known of one sealed value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is: `pepper`, `provider-key:<id>` or `webhook:<id>`.
    pub value: String,
    /// The name that its owner gave it; of a webhook its address.
    pub name: String,
    /// The key it was sealed with; unknown for values of before keys had ids.
    pub sealed_with: Option<SealingKeyId>,
    /// Whether it opens.
    pub opens: bool,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotated {
    /// The key everything is sealed with now.
    pub current: SealingKeyId,
    /// The keys nothing is sealed with any longer.
    pub retired: Vec<SealingKeyId>,
    /// How many values there are.
    pub values: usize,
    /// Whether it brought an earlier rotation to its end.
    pub finished_earlier: bool,
}

/// What a reset did.
#[derive(Debug)]
pub struct Reset {
    /// The key everything is sealed with now.
    pub current: SealingKeyId,
    /// Provider keys that need their secret again.
    pub provider_keys: Vec<Finding>,
    /// Webhooks that were disabled and need another secret.
    pub webhooks: Vec<Finding>,
    /// The new owner token; `None` when tokens still work, since the secret behind them could be opened.
    pub owner_token: Option<Secret>,
}

impl Holder {
    async fn all(catalog: &dyn Catalog) -> anyhow::Result<Vec<Self>> {
        let mut holders = Vec::new();
        if let Some(document) = catalog.get_unique(SealedSetting::KIND, "name", PEPPER).await? {
            holders.push(Self::Setting(document.read()?));
        }
        for document in catalog.all(ProviderKey::KIND).await? {
            holders.push(Self::ProviderKey(Box::new(document.read()?)));
        }
        for document in catalog.all(Webhook::KIND).await? {
            holders.push(Self::Webhook(Box::new(document.read()?)));
        }
        Ok(holders)
    }

    fn sealed(&self) -> &Sealed {
        match self {
            Self::Setting(setting) => &setting.value,
            Self::ProviderKey(key) => &key.secret,
            Self::Webhook(webhook) => &webhook.secret,
        }
    }

    /// What it is sealed for; also what it is called.
    fn context(&self) -> String {
        match self {
            Self::Setting(setting) => setting.name.clone(),
            Self::ProviderKey(key) => ProviderKey::seal_context(key.id()),
            Self::Webhook(webhook) => Webhook::seal_context(webhook.id()),
        }
    }

    fn open(&self, keyring: &Keyring) -> Result<Secret, SealError> {
        keyring.open(self.sealed(), &self.context())
    }

    fn finding(&self, keyring: &Keyring) -> Finding {
        let name = match self {
            Self::Setting(_) => "the secret that tokens are hashed with".to_owned(),
            Self::ProviderKey(key) => key.name.clone(),
            Self::Webhook(webhook) => webhook.url.clone(),
        };
        let sealed_with = self.sealed().key_id();
        Finding { value: self.context(), name, sealed_with, opens: self.open(keyring).is_ok() }
    }
}

/// Looks at every sealed value.
pub async fn check(catalog: &dyn Catalog, keyring: &Keyring) -> anyhow::Result<Vec<Finding>> {
    let holders = Holder::all(catalog).await?;
    Ok(holders.iter().map(|holder| holder.finding(keyring)).collect())
}

/// Seals everything in `catalog` with another key.
pub struct Rotation<'a> {
    /// Where the sealed values are.
    pub catalog: &'a dyn Catalog,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Randomness.
    pub entropy: &'a dyn Entropy,
}

impl Rotation<'_> {
    /// With the key in the data folder: makes a new one and retires the one of before. One that was killed halfway is
    /// brought to its end instead.
    pub async fn rotate_file(&self, data: &Path) -> anyhow::Result<Rotated> {
        let Some(kept) = keys::existing(data, None)? else {
            bail!("there is no sealing key in {}", data.display())
        };
        self.ensure_all_open(&kept).await?;
        let finished_earlier = !kept.previous().is_empty();
        let keyring = if finished_earlier { kept } else { self.begin(data, &kept)? };
        self.seal_anew(&keyring).await?;
        let values = self.ensure_all_open(&keyring.without_previous()).await?;
        keys::write(data, &keyring.without_previous())?;
        Ok(rotated(&keyring, values, finished_earlier))
    }

    /// With keys that somebody else keeps: seals everything with the first of them.
    pub async fn rotate_given(&self, keyring: &Keyring) -> anyhow::Result<Rotated> {
        self.ensure_all_open(keyring).await?;
        self.seal_anew(keyring).await?;
        let values = self.ensure_all_open(&keyring.without_previous()).await?;
        Ok(rotated(keyring, values, false))
    }

    /// Keeps a new key before the others.
    fn begin(&self, data: &Path, kept: &Keyring) -> anyhow::Result<Keyring> {
        let keyring = kept.led_by(keys::fresh_sealing_key(self.entropy));
        keys::write(data, &keyring)?;
        Ok(keyring)
    }

    /// All or nothing, in one commit.
    async fn seal_anew(&self, keyring: &Keyring) -> anyhow::Result<()> {
        let current = keyring.current().id();
        let mut writes = Vec::new();
        for holder in Holder::all(self.catalog).await? {
            if holder.sealed().key_id() != Some(current) {
                let secret = holder.open(keyring).with_context(|| holder.context())?;
                writes.push(self.write(holder, keyring, &secret)?);
            }
        }
        if !writes.is_empty() {
            self.catalog.commit(writes).await?;
        }
        Ok(())
    }

    fn write(&self, holder: Holder, keyring: &Keyring, secret: &Secret) -> anyhow::Result<Write> {
        let mut nonce = [0; 12];
        self.entropy.fill(&mut nonce);
        let sealed = keyring.seal(secret, &holder.context(), nonce)?;
        let now = self.clock.now();
        Ok(match holder {
            Holder::Setting(setting) => {
                Write::update(&SealedSetting { value: sealed, ..setting }.touched(now))?
            }
            Holder::ProviderKey(key) => Write::update(&ProviderKey { secret: sealed, ..*key }.touched(now))?,
            Holder::Webhook(webhook) => Write::update(&Webhook { secret: sealed, ..*webhook }.touched(now))?,
        })
    }

    async fn ensure_all_open(&self, keyring: &Keyring) -> anyhow::Result<usize> {
        let findings = check(self.catalog, keyring).await?;
        let closed: Vec<&str> =
            findings.iter().filter(|finding| !finding.opens).map(|finding| &*finding.value).collect();
        ensure!(
            closed.is_empty(),
            "these sealed values cannot be opened with the keys that are there: {}; `rungate sealing-key check` says \
             more, `rungate sealing-key reset` does without them",
            closed.join(", ")
        );
        Ok(findings.len())
    }

    /// Drops what cannot be opened with any key that is there, and begins with a new key where there is none. A key file
    /// that is damaged was put out of the way before.
    pub async fn reset(&self, data: &Path, given: Option<&Secret>) -> anyhow::Result<Reset> {
        let keyring = match keys::existing(data, given)? {
            Some(keyring) => keyring,
            None => keys::make_keyring(data, self.entropy)?,
        };
        let mut writes = Vec::new();
        let (mut provider_keys, mut webhooks) = (Vec::new(), Vec::new());
        let mut owner_token = None;
        for holder in Holder::all(self.catalog).await? {
            let finding = holder.finding(&keyring);
            match holder {
                _ if finding.opens => {}
                Holder::ProviderKey(mut key) => {
                    provider_keys.push(finding);
                    key.status = ProviderKeyStatus::Error;
                    key.last_verified_at = None;
                    // Nothing, so that everything opens again; the masked key stays and says which one to enter.
                    let nothing = Secret::new(String::new());
                    writes.push(self.write(Holder::ProviderKey(key), &keyring, &nothing)?);
                }
                Holder::Webhook(mut webhook) => {
                    webhooks.push(finding);
                    webhook.enabled = false;
                    webhook.disabled_reason =
                        Some("its secret was lost with the sealing key; rotate it".to_owned());
                    webhook.previous_secret_until = None;
                    let nothing = Secret::new(String::new());
                    writes.push(self.write(Holder::Webhook(webhook), &keyring, &nothing)?);
                }
                Holder::Setting(setting) => {
                    let (fresh, hasher) = keys::fresh_pepper(&keyring, self.clock, self.entropy)?;
                    let owner = Owner {
                        catalog: self.catalog,
                        hasher: &hasher,
                        clock: self.clock,
                        entropy: self.entropy,
                    };
                    let (write, token) = owner.reset_write().await?;
                    owner_token = Some(token);
                    let renewed = SealedSetting { value: fresh.value, ..setting };
                    writes.push(Write::update(&renewed.touched(self.clock.now()))?);
                    writes.push(write);
                    writes.extend(self.end_pats().await?);
                }
            }
        }
        if !writes.is_empty() {
            self.catalog.commit(writes).await?;
        }
        Ok(Reset { current: keyring.current().id(), provider_keys, webhooks, owner_token })
    }

    /// Personal access tokens whose hashes nothing can match any longer are revoked. Virtual keys stay as they are: they
    /// match nothing either, but can be rotated, which gives them a new token and keeps their limits and history.
    async fn end_pats(&self) -> anyhow::Result<Vec<Write>> {
        let pats = self.catalog.all(Pat::KIND).await?;
        let pats = pats.iter().map(Document::read::<Pat>).collect::<Result<Vec<_>, _>>()?;
        let kept = pats.iter().filter(|pat| pat.is_owner_token);
        let kept = kept.min_by_key(|pat| (pat.head.created_at, pat.head.id)).map(Pat::id);
        let now = self.clock.now();
        let ended = pats.into_iter().filter(|pat| Some(pat.id()) != kept && pat.revoked_at.is_none());
        let ended = ended.map(|pat| Write::update(&Pat { revoked_at: Some(now), ..pat }.touched(now)));
        Ok(ended.collect::<Result<_, _>>()?)
    }
}

fn rotated(keyring: &Keyring, values: usize, finished_earlier: bool) -> Rotated {
    let mut ids = keyring.ids();
    let retired = ids.split_off(1);
    Rotated { current: keyring.current().id(), retired, values, finished_earlier }
}

#[cfg(test)]
mod tests;
