//! What a first start makes, and what later starts do with it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rungate_core::agent::{Member, Pat, Resource, Scope, Workspace};
use rungate_core::ports::Document;
use rungate_core::secret::Secret;
use rungate_server::boot::{Booted, boot};
use rungate_server::config::{Config, Credentials};

const ONE: &str = "pat_ws0a1b2c_1111111111111111111111111111111111111111111111111111111111111111";
const OTHER: &str = "pat_ws0a1b2c_2222222222222222222222222222222222222222222222222222222222222222";

async fn try_boot(
    data: &Path,
    owner_token: Option<&str>,
    sealing_key: Option<&str>,
) -> Result<Booted, String> {
    let mut config = Config::default();
    data.clone_into(&mut config.store.data);
    let secret = |text: &str| Secret::new(text.to_owned());
    let credentials =
        Credentials { owner_token: owner_token.map(secret), sealing_key: sealing_key.map(secret) };
    boot(&config, &credentials).await.map_err(|error| format!("{error:#}"))
}

/// Boots, looks, and ends; gives the owner's token as stored and as shown.
async fn start(data: &Path, owner_token: Option<&str>) -> (Pat, Option<Secret>) {
    let booted = try_boot(data, owner_token, None).await.unwrap();
    let [pat] = &all::<Pat>(&booted).await[..] else { panic!("not one token") };
    let (pat, shown) = (pat.clone(), booted.fresh_owner_token.clone());
    for token in [shown.as_ref().map(Secret::expose), owner_token].into_iter().flatten() {
        assert_eq!(booted.services.hasher.hash(token), pat.token_hash);
        assert!(booted.services.directories.load().pat(&pat.token_hash).is_some());
    }
    end(booted).await;
    (pat, shown)
}

async fn end(booted: Booted) {
    let Booted { services, stores, telemetry, .. } = booted;
    drop((services, telemetry));
    stores.close().await;
}

async fn all<R: Resource>(booted: &Booted) -> Vec<R> {
    let documents = booted.services.catalog.all(R::KIND).await.unwrap();
    documents.iter().map(Document::read).collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_first_start_makes_a_workspace_an_owner_and_a_token_shown_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (first, shown) = start(&data, None).await;
    assert!(shown.is_some());
    assert!(first.is_owner_token && first.scope() == Some(Scope::Admin));
    let (second, shown) = start(&data, None).await;
    assert!(shown.is_none());
    assert_eq!(first, second);

    let booted = try_boot(&data, None, None).await.unwrap();
    let [workspace] = &all::<Workspace>(&booted).await[..] else { panic!("not one workspace") };
    let [member] = &all::<Member>(&booted).await[..] else { panic!("not one member") };
    assert_eq!((workspace.name.as_str(), workspace.slug.as_str()), ("Default", "default"));
    assert_eq!((first.head.workspace_id, first.member_id), (workspace.id(), member.id()));
    end(booted).await;
}

#[tokio::test]
async fn the_data_folder_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    start(&data, None).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("sealing.key")), 0o600);
}

#[tokio::test]
async fn a_given_owner_token_is_kept_or_replaces_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let (first, shown) = start(folder.path(), Some(ONE)).await;
    assert!(shown.is_none());
    let (again, _) = start(folder.path(), Some(ONE)).await;
    assert_eq!(first, again);
    let (replaced, _) = start(folder.path(), Some(OTHER)).await;
    assert_eq!((replaced.head.id, replaced.head.version), (first.head.id, 2));
    let (kept, shown) = start(folder.path(), None).await;
    assert_eq!((kept, shown), (replaced, None));
    let (back, _) = start(folder.path(), Some(ONE)).await;
    assert_eq!((back.token_hash, back.head.version), (first.token_hash, 3));
}

#[tokio::test]
async fn a_given_owner_token_must_have_its_shape() {
    let folder = tempfile::tempdir().unwrap();
    let error = try_boot(folder.path(), Some("hunter2"), None).await.err().unwrap();
    assert!(error.contains("RUNGATE_OWNER_TOKEN") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_lost_or_wrong_sealing_key_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), None).await;
    let file = folder.path().join("sealing.key");
    let key = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();

    let error = try_boot(folder.path(), None, None).await.err().unwrap();
    assert!(error.contains("sealing.key") && error.contains("RUNGATE_SEALING_KEY"), "{error}");
    assert!(!file.exists(), "a start that is refused makes no new key");
    let error = try_boot(folder.path(), None, Some(&"0b".repeat(32))).await.err().unwrap();
    assert!(error.contains("not the one"), "{error}");
    let error = try_boot(folder.path(), None, Some("short")).await.err().unwrap();
    assert!(error.contains("RUNGATE_SEALING_KEY") && !error.contains("short"), "{error}");

    let booted = try_boot(folder.path(), None, Some(&key)).await.unwrap();
    assert!(!file.exists(), "a key from the environment is written nowhere");
    end(booted).await;
}
