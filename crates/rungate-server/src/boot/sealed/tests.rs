//! Rotation and reset over a real store, with each state that a kill can leave.

use std::collections::BTreeMap;

use rungate_core::agent::Head;
use rungate_core::id::{ProviderKeyId, WebhookId};
use rungate_core::ports::fresh_uuid;
use rungate_core::secret::TokenHash;
use rungate_core::webhook::{EventType, SigningSecret, SigningSecrets};
use rungate_store::Stores;

use super::*;
use crate::boot::{keys::Keys, open_folder};
use crate::clock::{SystemClock, SystemEntropy};

struct House {
    folder: tempfile::TempDir,
    stores: Stores,
    clock: SystemClock,
    entropy: SystemEntropy,
    token: Secret,
}

impl House {
    /// With an owner and two provider keys.
    async fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stores = open_folder(folder.path()).await.unwrap();
        let (clock, entropy) = (SystemClock::new(), SystemEntropy::open().unwrap());
        let mut house = Self { folder, stores, clock, entropy, token: Secret::new(String::new()) };
        let keys = house.keys(None).await.unwrap();
        let owner = Owner {
            catalog: &*house.stores.catalog,
            hasher: &keys.hasher,
            clock: &house.clock,
            entropy: &house.entropy,
        };
        house.token = owner.ensure(None).await.unwrap().unwrap();
        let workspace = house.pats().await[0].head.workspace_id;
        for number in 0..2_u8 {
            let now = house.clock.now();
            let head = Head::new(fresh_uuid(&house.entropy, now), workspace, now);
            let context = ProviderKey::seal_context(ProviderKeyId::new(head.id));
            let secret = Secret::new(format!("sk-{number}"));
            let key = ProviderKey {
                head,
                name: format!("key {number}"),
                provider: "openai".to_owned(),
                base_url: None,
                secret: keys.keyring.seal(&secret, &context, [number; 12]).unwrap(),
                masked_key: "sk…".to_owned(),
                status: ProviderKeyStatus::Active,
                models: Vec::new(),
                headers: BTreeMap::new(),
                weight: 1,
                priority: 100,
                last_verified_at: None,
            };
            house.stores.catalog.commit(vec![Write::insert(&key).unwrap()]).await.unwrap();
        }
        house
    }

    async fn keys(&self, given: Option<&Secret>) -> anyhow::Result<Keys> {
        keys::open(self.folder.path(), given, &*self.stores.catalog, &self.clock, &self.entropy).await
    }

    fn kept(&self) -> Keyring {
        keys::existing(self.folder.path(), None).unwrap().unwrap()
    }

    fn rotation(&self) -> Rotation<'_> {
        Rotation { catalog: &*self.stores.catalog, clock: &self.clock, entropy: &self.entropy }
    }

    async fn pats(&self) -> Vec<Pat> {
        let pats = self.stores.catalog.all(Pat::KIND).await.unwrap();
        pats.iter().map(|pat| pat.read().unwrap()).collect()
    }

    async fn provider_keys(&self) -> Vec<ProviderKey> {
        let keys = self.stores.catalog.all(ProviderKey::KIND).await.unwrap();
        keys.iter().map(|key| key.read().unwrap()).collect()
    }

    /// A start with what is in the folder: everything opens, and the token is known.
    async fn assert_whole(&self) {
        let keys = self.keys(None).await.unwrap();
        assert_eq!(self.pats().await[0].token_hash, keys.hasher.hash(self.token.expose()));
        let mut secrets = Vec::new();
        for key in self.provider_keys().await {
            let secret = keys.keyring.open(&key.secret, &ProviderKey::seal_context(key.id())).unwrap();
            secrets.push(secret.expose().to_owned());
        }
        secrets.sort();
        assert_eq!(secrets, ["sk-0", "sk-1"]);
    }
}

#[tokio::test]
async fn a_rotation_seals_everything_anew_and_retires_the_old_key() {
    let house = House::build().await;
    let before = house.kept();
    let rotated = house.rotation().rotate_file(house.folder.path()).await.unwrap();
    assert_eq!((rotated.retired.clone(), rotated.values, rotated.finished_earlier), (before.ids(), 3, false));
    assert_eq!(house.kept().ids(), [rotated.current]);
    house.assert_whole().await;
    let findings = check(&*house.stores.catalog, &before).await.unwrap();
    assert!(findings.iter().all(|finding| !finding.opens && finding.sealed_with == Some(rotated.current)));
}

#[tokio::test]
async fn a_rotation_killed_at_any_step_leaves_everything_open_and_is_finished_by_the_next() {
    for killed_after in 0..3 {
        let house = House::build().await;
        let old = house.kept();
        let rotation = house.rotation();
        let ring = rotation.begin(house.folder.path(), &old).unwrap();
        if killed_after > 0 {
            rotation.seal_anew(&ring).await.unwrap();
        }
        if killed_after > 1 {
            // Beside the file, before it takes its place.
            std::fs::write(house.folder.path().join("sealing.new"), "half").unwrap();
        }
        house.assert_whole().await;
        // Work goes on meanwhile: what is sealed now is sealed with the new key.
        assert_eq!(house.keys(None).await.unwrap().keyring.current().id(), ring.current().id());

        let rotated = rotation.rotate_file(house.folder.path()).await.unwrap();
        assert!(rotated.finished_earlier, "step {killed_after}");
        assert_eq!((rotated.current, rotated.retired), (ring.current().id(), old.ids()));
        assert_eq!(house.kept().ids(), [ring.current().id()]);
        house.assert_whole().await;
    }
}

#[tokio::test]
async fn a_rotation_does_not_begin_while_something_cannot_be_opened() {
    let house = House::build().await;
    let stranger = Keyring::new(keys::fresh_sealing_key(&house.entropy));
    let mut key = house.provider_keys().await.remove(0);
    key.secret = stranger.seal(&Secret::new("sk".to_owned()), "provider-key:other", [0; 12]).unwrap();
    let id = key.id();
    house.stores.catalog.commit(vec![Write::update(&key.touched(house.clock.now())).unwrap()]).await.unwrap();
    let before = house.kept().ids();
    let error = house.rotation().rotate_file(house.folder.path()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("provider-key:{id}")) && error.contains("sealing-key reset"), "{error}");
    assert_eq!(house.kept().ids(), before);
}

#[tokio::test]
async fn keys_that_somebody_else_keeps_are_rotated_by_giving_both() {
    let house = House::build().await;
    let old = house.kept();
    let both = old.led_by(keys::fresh_sealing_key(&house.entropy));
    house.rotation().rotate_given(&both).await.unwrap();
    assert_eq!(house.kept().ids(), old.ids(), "the file is not touched");
    let alone = both.without_previous().to_text();
    assert!(house.keys(Some(&alone)).await.is_ok());
    assert!(house.keys(None).await.is_err());
}

#[tokio::test]
async fn after_a_lost_key_a_reset_keeps_everything_but_the_secrets() {
    let house = House::build().await;
    std::fs::remove_file(house.folder.path().join("sealing.key")).unwrap();
    let refused = house.keys(None).await.unwrap_err().to_string();
    assert!(refused.contains("sealing-key reset"), "{refused}");
    let reset = house.rotation().reset(house.folder.path(), None).await.unwrap();
    assert_eq!(reset.provider_keys.len(), 2);
    let keys = house.keys(None).await.unwrap();
    let pats = house.pats().await;
    let hash: TokenHash = keys.hasher.hash(reset.owner_token.unwrap().expose());
    assert_eq!((pats.len(), pats[0].token_hash, pats[0].revoked_at), (1, hash, None));
    for key in house.provider_keys().await {
        assert_eq!((key.status, key.masked_key.as_str()), (ProviderKeyStatus::Error, "sk…"));
    }
    let findings = check(&*house.stores.catalog, &keys.keyring).await.unwrap();
    assert!(findings.iter().all(|finding| finding.opens), "{findings:?}");

    let again = house.rotation().reset(house.folder.path(), None).await.unwrap();
    assert!(again.provider_keys.is_empty() && again.owner_token.is_none(), "there is nothing left to reset");
}

#[tokio::test]
async fn the_secret_of_a_webhook_moves_with_a_rotation_and_is_lost_with_the_key() {
    let house = House::build().await;
    let keys = house.keys(None).await.unwrap();
    let now = house.clock.now();
    let head = Head::new(fresh_uuid(&house.entropy, now), house.pats().await[0].head.workspace_id, now);
    let context = Webhook::seal_context(WebhookId::new(head.id));
    let secrets = SigningSecrets::new(SigningSecret::from_bytes([7; 32]));
    let webhook = Webhook {
        secret: keys.keyring.seal(&secrets.to_text(), &context, [9; 12]).unwrap(),
        head,
        url: "https://example.com/hook".to_owned(),
        events: vec![EventType::BudgetExhausted],
        enabled: true,
        disabled_reason: None,
        previous_secret_until: Some(now),
    };
    house.stores.catalog.commit(vec![Write::insert(&webhook).unwrap()]).await.unwrap();
    let kept =
        async || -> Webhook { house.stores.catalog.all(Webhook::KIND).await.unwrap()[0].read().unwrap() };

    let rotated = house.rotation().rotate_file(house.folder.path()).await.unwrap();
    assert_eq!(rotated.values, 4);
    let keys = house.keys(None).await.unwrap();
    let opened = keys.keyring.open(&kept().await.secret, &context).unwrap();
    assert_eq!(SigningSecrets::parse(&opened), Ok(secrets));

    std::fs::remove_file(house.folder.path().join("sealing.key")).unwrap();
    let reset = house.rotation().reset(house.folder.path(), None).await.unwrap();
    assert_eq!(reset.webhooks.len(), 1);
    assert_eq!(reset.webhooks[0].name, "https://example.com/hook");
    let lost = kept().await;
    assert_eq!((lost.enabled, lost.previous_secret_until), (false, None));
    assert!(lost.disabled_reason.unwrap().contains("rotate"));
    let keyring = house.keys(None).await.unwrap().keyring;
    let findings = check(&*house.stores.catalog, &keyring).await.unwrap();
    assert!(findings.iter().all(|finding| finding.opens), "{findings:?}");
}

#[tokio::test]
async fn a_reset_killed_after_it_made_its_key_can_be_run_again() {
    let house = House::build().await;
    keys::make_keyring(house.folder.path(), &house.entropy).unwrap();
    assert!(house.keys(None).await.is_err());
    assert!(house.rotation().reset(house.folder.path(), None).await.unwrap().owner_token.is_some());
    assert!(house.keys(None).await.is_ok());
}
