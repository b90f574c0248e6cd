//! The suites on PostgreSQL, and what only a server has. Skipped where there is none; see the testkit.

use std::sync::Arc;

use rungate_core::ports::{Catalog, StoreError};
use rungate_testkit::TestDatabase;

use super::DatabaseUrl;
use super::catalog::PostgresCatalog;

/// The catalog alone.
struct Roles {
    catalog: Arc<PostgresCatalog>,
}

impl Roles {
    #[expect(clippy::unused_async, reason = "the suites wait for it")]
    async fn close(self) {
        self.catalog.close();
    }
}

fn url(text: &str) -> DatabaseUrl {
    DatabaseUrl::parse(text).unwrap()
}

async fn node(database: &TestDatabase) -> Roles {
    Roles { catalog: Arc::new(PostgresCatalog::open(&url(&database.url())).await.unwrap()) }
}

async fn open() -> Option<(TestDatabase, Roles)> {
    let database = TestDatabase::create()?;
    let roles = node(&database).await;
    Some((database, roles))
}

mod catalog {
    crate::conformance::catalog::catalog_suite!(super::open);
}

mod nodes {
    use std::time::Duration;

    use rungate_core::ports::{CatalogError, Revision, Write};
    use tokio::time::timeout;

    use super::*;
    use crate::conformance::catalog::{KIND, document, named, next, workspace};

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_commit_is_heard_of_and_seen_by_the_other_node() {
        let Some((database, one)) = open().await else { return };
        let two = node(&database).await;
        // The hint that it has begun to listen.
        timeout(SOON, two.catalog.changed()).await.unwrap();
        let revision = one.catalog.commit(vec![Write::Insert(document(1, 1, 1))]).await.unwrap();
        timeout(SOON, two.catalog.changed()).await.unwrap();
        assert_eq!(two.catalog.revision().await.unwrap(), revision);
        assert_eq!(two.catalog.all(KIND).await.unwrap(), [document(1, 1, 1)]);
    }

    #[tokio::test]
    async fn concurrent_commits_of_two_nodes_each_get_their_own_revision_and_are_whole_in_it() {
        let Some((database, one)) = open().await else { return };
        let two = node(&database).await;
        let commits = (0..40_u128).map(|number| {
            let catalog = Arc::clone(if number % 2 == 0 { &one.catalog } else { &two.catalog });
            tokio::spawn(async move {
                // In rising and falling order, so that row locks alone would cross.
                let mut pair = vec![document(2 * number, 1, 1), document(2 * number + 1, 1, 1)];
                if number % 3 == 0 {
                    pair.reverse();
                }
                let revision = catalog.commit(pair.into_iter().map(Write::Insert).collect()).await.unwrap();
                let seen = catalog.all(KIND).await.unwrap().len();
                assert!(seen as u64 >= 2 * revision.0 && seen % 2 == 0, "{seen} at {revision:?}");
                revision
            })
        });
        let mut revisions = Vec::new();
        for commit in commits.collect::<Vec<_>>() {
            revisions.push(commit.await.unwrap());
        }
        revisions.sort();
        assert_eq!(revisions, (1..=40).map(Revision).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn of_concurrent_updates_and_names_one_wins() {
        let Some((database, one)) = open().await else { return };
        let two = node(&database).await;
        one.catalog.commit(vec![Write::Insert(document(1, 1, 1))]).await.unwrap();
        let update = || vec![Write::Update(next(&document(1, 1, 1)))];
        let (a, b) = tokio::join!(one.catalog.commit(update()), two.catalog.commit(update()));
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        assert!(matches!(a.and(b), Err(CatalogError::VersionConflict)));
        let (a, b) = tokio::join!(
            one.catalog.commit(vec![Write::Insert(named(2, 1, "same"))]),
            two.catalog.commit(vec![Write::Insert(named(3, 1, "same"))])
        );
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        assert!(matches!(a.and(b), Err(CatalogError::AlreadyExists(_))));
        // What was refused has moved nothing.
        assert_eq!(one.catalog.revision().await.unwrap(), Revision(3));
        assert_eq!(two.catalog.find_count().await, 2);
    }

    #[tokio::test]
    async fn two_nodes_may_start_on_an_empty_database_at_once() {
        let Some(database) = TestDatabase::create() else { return };
        let nodes = (0..4).map(|_| {
            let url = url(&database.url());
            tokio::spawn(async move { PostgresCatalog::open(&url).await.map(|catalog| catalog.close()) })
        });
        for opened in nodes.collect::<Vec<_>>() {
            opened.await.unwrap().unwrap();
        }
        assert_eq!(database.sql("SELECT count(*) FROM migration WHERE role = 'control'"), "1");
    }

    #[tokio::test]
    async fn a_listener_that_was_cut_off_listens_again_and_says_so() {
        let Some((database, one)) = open().await else { return };
        timeout(SOON, one.catalog.changed()).await.unwrap();
        database.cut_connections();
        // Heard without a commit: something may have been missed.
        timeout(SOON, one.catalog.changed()).await.unwrap();
        database.sql("NOTIFY rungate_catalog");
        timeout(SOON, one.catalog.changed()).await.unwrap();
    }

    impl PostgresCatalog {
        async fn find_count(&self) -> u64 {
            self.count(KIND, workspace(1), &rungate_core::ports::CatalogFilter::default()).await.unwrap()
        }
    }
}

mod server {
    use rungate_core::ports::Write;
    use rungate_testkit::TestCluster;

    use super::*;
    use crate::conformance::catalog::{KIND, document};

    async fn refused(address: &str) -> String {
        match PostgresCatalog::open(&url(address)).await {
            Err(StoreError::Unavailable(reason)) => reason,
            Err(StoreError::Corrupt(reason)) => panic!("damaged: {reason}"),
            Ok(_) => panic!("opened"),
        }
    }

    #[tokio::test]
    async fn a_lost_connection_is_unavailable_once_and_then_made_again() {
        let Some((database, roles)) = open().await else { return };
        let catalog = &roles.catalog;
        catalog.commit(vec![Write::Insert(document(1, 1, 1))]).await.unwrap();
        // In the middle of a commit: it waits for the row that another session holds.
        let held = tokio::task::spawn_blocking({
            let url = database.url();
            move || {
                let hold = "BEGIN; SELECT value FROM revision FOR UPDATE; SELECT pg_sleep(60)";
                rungate_testkit::psql(&url, hold)
            }
        });
        let waiting = || {
            database.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")
        };
        while waiting() == "0" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let commit = tokio::spawn({
            let catalog = Arc::clone(catalog);
            async move { catalog.commit(vec![Write::Insert(document(2, 1, 1))]).await }
        });
        let locked = || {
            database.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        };
        while locked() == "0" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        database.cut_connections();
        let lost = commit.await.unwrap();
        assert!(
            matches!(&lost, Err(rungate_core::ports::CatalogError::Store(StoreError::Unavailable(_)))),
            "{lost:?}"
        );
        assert!(held.await.unwrap().is_err());
        catalog.commit(vec![Write::Insert(document(3, 1, 1))]).await.unwrap();
        assert_eq!(catalog.all(KIND).await.unwrap(), [document(1, 1, 1), document(3, 1, 1)]);
    }

    #[tokio::test]
    async fn a_server_that_was_away_is_used_again_once_it_is_back() {
        let Some(mut cluster) = TestCluster::start() else { return };
        let catalog = PostgresCatalog::open(&url(&cluster.url())).await.unwrap();
        catalog.commit(vec![Write::Insert(document(1, 1, 1))]).await.unwrap();
        cluster.stop();
        for _ in 0..3 {
            let away = catalog.all(KIND).await;
            assert!(matches!(&away, Err(StoreError::Unavailable(_))), "{away:?}");
        }
        let refused = refused(&cluster.url()).await;
        assert!(refused.contains("refused"), "{refused}");
        cluster.resume();
        assert_eq!(catalog.all(KIND).await.unwrap(), [document(1, 1, 1)]);
        tokio::time::timeout(std::time::Duration::from_secs(20), catalog.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn tls_is_used_and_certificates_are_checked_as_asked_for() {
        let Some((cluster, [authority, other])) = TestCluster::start_with_tls() else { return };
        let with = |parameters: &str| format!("{}?{parameters}", cluster.url());
        let file = |path: &std::path::Path| path.display().to_string();
        for parameters in [
            String::new(),
            "sslmode=require".to_owned(),
            format!("sslmode=verify-full&sslrootcert={}", file(&authority)),
        ] {
            let catalog = PostgresCatalog::open(&url(&with(&parameters))).await;
            assert!(catalog.is_ok(), "{parameters}: {:?}", catalog.err());
        }
        let encrypted = rungate_testkit::psql(
            &with("sslmode=require"),
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE backend_type = 'client backend'",
        );
        assert_eq!(encrypted.as_deref(), Ok("t"));
        let plain = refused(&with("sslmode=disable")).await;
        assert!(plain.contains("no encryption"), "{plain}");
        let stranger = refused(&with(&format!("sslmode=verify-full&sslrootcert={}", file(&other)))).await;
        assert!(stranger.contains("certificate"), "{stranger}");
        let elsewhere = cluster.url().replace("127.0.0.1", "localhost");
        let parameters = format!("sslmode=verify-full&sslrootcert={}", file(&authority));
        let misnamed = refused(&format!("{elsewhere}?{parameters}")).await;
        assert!(misnamed.contains("certificate"), "the certificate names 127.0.0.1 alone: {misnamed}");
    }

    #[tokio::test]
    async fn a_newer_schema_and_a_foreign_one_are_refused() {
        let Some((database, roles)) = open().await else { return };
        roles.close().await;
        database.sql("INSERT INTO migration VALUES ('control', 99, '0099_later', 1)");
        let error = refused(&database.url()).await;
        assert!(error.contains("newer than this version"), "{error}");
        database.sql("DELETE FROM migration WHERE number = 99; UPDATE migration SET checksum = 1");
        let error = refused(&database.url()).await;
        assert!(error.contains("differs"), "{error}");
    }

    #[tokio::test]
    async fn a_wrong_password_and_missing_rights_are_said_without_the_password() {
        let Some(database) = TestDatabase::create() else { return };
        let user = format!("user_of_{}", database.name());
        database.sql(&format!("CREATE ROLE {user} LOGIN PASSWORD 'right-one'"));
        let wrong = refused(&database.url_as(&user, "wr%40ng-one")).await;
        assert!(wrong.contains("password authentication failed"), "{wrong}");
        assert!(!wrong.contains("ng-one"), "{wrong}");
        let unprivileged = refused(&database.url_as(&user, "right-one")).await;
        assert!(unprivileged.contains("permission denied"), "{unprivileged}");
        assert!(unprivileged.contains("owner"), "{unprivileged}");
        database.sql(&format!("DROP ROLE {user}"));
        let absent = refused(&format!("{}_absent", database.url())).await;
        assert!(absent.contains("does not exist"), "{absent}");
    }
}
