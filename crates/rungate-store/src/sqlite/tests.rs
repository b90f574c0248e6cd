//! The suites on SQLite, and what only a data folder has.

use tempfile::TempDir;

use crate::{StoreConfig, Stores};

async fn open() -> (TempDir, Stores) {
    let dir = tempfile::tempdir().unwrap();
    let stores = reopen(&dir).await;
    (dir, stores)
}

async fn reopen(dir: &TempDir) -> Stores {
    crate::open(&StoreConfig::folder(dir.path().join("data"))).await.unwrap()
}

async fn opened() -> Option<(TempDir, Stores)> {
    Some(open().await)
}

mod catalog {
    crate::conformance::catalog::catalog_suite!(super::opened);
}

mod log {
    crate::conformance::log::log_suite!(super::opened);
}

mod folder {
    use std::os::unix::fs::PermissionsExt as _;

    use rungate_core::exchange::ExchangeFilter;
    use rungate_core::page::{Order, PageRequest};
    use rungate_core::ports::StoreError;

    use super::{open, reopen};
    use crate::conformance::fixture::{OURS, any_journal, at, body, closed, exchange, first_day, numbered};
    use crate::sqlite::migrate;
    use crate::{StoreConfig, Stores};

    async fn refused(config: &StoreConfig) -> String {
        match crate::open(config).await {
            Err(error) => error.to_string(),
            Ok(Stores { .. }) => panic!("the store was opened"),
        }
    }

    #[tokio::test]
    async fn a_second_process_is_kept_out_until_the_first_has_closed() {
        let (dir, stores) = open().await;
        let config = StoreConfig::folder(dir.path().join("data"));
        let error = refused(&config).await;
        assert!(error.contains("in use by another process"), "{error}");
        stores.close().await;
        reopen(&dir).await.close().await;
    }

    #[tokio::test]
    async fn everything_is_there_after_a_restart_and_readable_by_the_owner_alone() {
        let (dir, stores) = open().await;
        let journal = numbered(1, any_journal(5, OURS, 60));
        stores.log.apply(&journal).await.unwrap();
        let before =
            stores.log.find(OURS, &ExchangeFilter::default(), &PageRequest::default()).await.unwrap();
        let log = std::sync::Arc::clone(&stores.log);
        stores.close().await;
        assert!(matches!(log.pending().await, Err(StoreError::Unavailable(_))));
        assert!(matches!(log.apply(&journal).await, Err(StoreError::Unavailable(_))));

        let stores = reopen(&dir).await;
        assert_eq!(stores.log.applied().await.unwrap(), journal[journal.len() - 1].sequence);
        let after = stores.log.find(OURS, &ExchangeFilter::default(), &PageRequest::default()).await.unwrap();
        assert_eq!(after, before);
        let data = dir.path().join("data");
        let mut files = 0;
        for folder in [data.clone(), data.join("log")] {
            assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
            for entry in folder.read_dir().unwrap().map(Result::unwrap) {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                let expected = if entry.path().is_dir() { 0o700 } else { 0o600 };
                assert_eq!(mode, expected, "{:?}", entry.path());
                files += 1;
            }
        }
        assert!(files > 10, "{files} files");
        stores.close().await;
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused() {
        let (dir, stores) = open().await;
        stores.log.apply(&numbered(1, [closed(&exchange(1, OURS, at(0, 0)))])).await.unwrap();
        stores.close().await;
        let config = StoreConfig::folder(dir.path().join("data"));
        // Far above any number there will be soon.
        let step = "INSERT INTO migration VALUES (99, '0099_later', 1); PRAGMA user_version = 99";
        let day = format!("log/rows-{}.db", first_day());
        rusqlite::Connection::open(config.dir.join(&day)).unwrap().execute_batch(step).unwrap();
        let stores = reopen(&dir).await;
        // A day is opened when it is needed; it is no damage, so that nothing is moved aside.
        let newer = exchange(2, OURS, at(0, 0));
        let error = stores.log.apply(&numbered(2, [closed(&newer)])).await.unwrap_err().to_string();
        assert!(error.contains("newer than this version") && error.contains(&day), "{error}");
        let error = stores.log.get(OURS, newer.id).await.unwrap_err().to_string();
        assert!(error.contains("newer than this version"), "{error}");
        stores.close().await;
        let schemas = [("control.db", migrate::CONTROL.len()), ("log/views.db", migrate::VIEWS.len())];
        for (file, steps) in schemas {
            rusqlite::Connection::open(config.dir.join(file)).unwrap().execute_batch(step).unwrap();
            let error = refused(&config).await;
            assert!(error.contains("newer than this version") && error.contains(file), "{error}");
            let undo = format!("DELETE FROM migration WHERE number = 99; PRAGMA user_version = {steps}");
            rusqlite::Connection::open(config.dir.join(file)).unwrap().execute_batch(&undo).unwrap();
        }
        reopen(&dir).await.close().await;
    }

    #[tokio::test]
    async fn a_damaged_day_stops_neither_the_other_days_nor_the_journal() {
        let (dir, stores) = open().await;
        let records = [0, 1, 2].map(|day| {
            let mut record = exchange(1, OURS, at(day, 0));
            record.request_id = Some(rungate_core::id::RequestId::parse(&format!("req-{day}")).unwrap());
            record
        });
        stores.log.apply(&numbered(1, records.iter().map(closed))).await.unwrap();
        stores.close().await;
        let day = dir.path().join("data/log").join(format!("rows-{}.db", first_day().plus(1)));
        std::fs::write(&day, b"this is no database, and has been none for a long time").unwrap();

        let stores = reopen(&dir).await;
        let log = &stores.log;
        let unavailable = log.get(OURS, records[1].id).await;
        assert!(matches!(unavailable, Err(StoreError::Unavailable(_))), "{unavailable:?}");
        assert_eq!(log.get(OURS, records[0].id).await.unwrap().unwrap().record, records[0]);
        assert_eq!(
            log.by_request_id(OURS, records[0].request_id.as_ref().unwrap(), 5).await.unwrap().len(),
            1
        );
        let in_the_damaged = log.by_request_id(OURS, records[1].request_id.as_ref().unwrap(), 5).await;
        assert!(matches!(in_the_damaged, Err(StoreError::Unavailable(_))), "{in_the_damaged:?}");
        let page = PageRequest { limit: 1, after: None, order: Order::Desc };
        let newest = log
            .find(OURS, &ExchangeFilter { from: Some(at(2, 0)), ..ExchangeFilter::default() }, &page)
            .await;
        assert_eq!(newest.unwrap().items.len(), 1);

        let late = exchange(9, OURS, at(1, 5));
        log.apply(&numbered(4, [closed(&late), closed(&exchange(9, OURS, at(2, 5)))])).await.unwrap();
        assert_eq!(log.get(OURS, late.id).await.unwrap().unwrap().record, late);
        assert_eq!(log.get(OURS, records[1].id).await.unwrap(), None);
        assert_eq!(log.count(OURS, &ExchangeFilter::default()).await.unwrap(), 4);
        let aside = day.with_extension("db.damaged");
        assert!(aside.exists());
        log.retain(first_day().plus(2), first_day(), first_day()).await.unwrap();
        assert!(!aside.exists());
        stores.close().await;
    }

    #[tokio::test]
    async fn rows_without_their_segment_say_so() {
        let (dir, stores) = open().await;
        let record = exchange(1, OURS, at(0, 0));
        let entry = rungate_core::exchange::Entry::Closed {
            record: std::sync::Arc::new(record.clone()),
            request: Some(body("asked")),
            response: None,
        };
        stores.log.apply(&numbered(1, [entry])).await.unwrap();
        stores.close().await;
        std::fs::remove_file(dir.path().join("data/log").join(format!("bodies-{}.seg", first_day())))
            .unwrap();
        let stores = reopen(&dir).await;
        assert!(!stores.log.get(OURS, record.id).await.unwrap().unwrap().has_request_body);
        assert_eq!(stores.log.bodies(OURS, record.id).await.unwrap().unwrap().request, None);
        stores.close().await;
    }
}
