//! The suite of expiry: rows and bodies that go before their day does.

use std::collections::HashSet;
use std::sync::Arc;

use rungate_core::exchange::{
    Dimension, Entry, ExchangeFilter, ExchangeRecord, RebuildMode, Rebuilt, RollupOf, RollupQuery,
};
use rungate_core::id::{AgentId, ExchangeId, VirtualKeyId};
use rungate_core::page::PageRequest;
use rungate_core::ports::{Expired, Expiring, Expiry, Log};
use rungate_core::trail::{Contents, TrailFilter};
use uuid::Uuid;

use super::fixture::{OURS, Random, THEIRS, any_exchange, at, body, exchange, numbered};
use super::trail::two_runs;

fn expiry(what: Expiring) -> Expiry {
    Expiry {
        workspace: OURS,
        key: None,
        agent: None,
        except_keys: Vec::new(),
        except_agents: Vec::new(),
        what,
    }
}

fn whole(record: &ExchangeRecord) -> Entry {
    Entry::Closed {
        record: Arc::new(record.clone()),
        request: Some(body(format!("asked in {}", record.id))),
        response: Some(body(format!("answered in {}", record.id))),
    }
}

/// Some hundred exchanges over three days, of a few agents with a few keys, in two workspaces.
fn exchanges() -> Vec<ExchangeRecord> {
    let mut random = Random::new(11);
    (0..300)
        .map(|number| {
            let workspace = if number % 4 == 0 { THEIRS } else { OURS };
            let mut record = any_exchange(number, workspace, &mut random);
            record.virtual_key_id = VirtualKeyId::new(Uuid::from_u128(u128::from(number % 3)));
            record
        })
        .collect()
}

/// Whether an exchange is one that `expiry` is about.
fn is_due(record: &ExchangeRecord, expiry: &Expiry) -> bool {
    let named = |agent: &AgentId| record.agent.id == Some(*agent);
    record.workspace_id == expiry.workspace
        && expiry.key.is_none_or(|key| record.virtual_key_id == key)
        && expiry.agent.as_ref().is_none_or(named)
        && !expiry.except_keys.contains(&record.virtual_key_id)
        && !expiry.except_agents.iter().any(named)
}

pub(crate) async fn exactly_what_is_due_goes_and_all_else_stays(log: &dyn Log) {
    let records = exchanges();
    log.apply(&numbered(1, records.iter().map(whole))).await.unwrap();
    let (agents, keys): (Vec<AgentId>, Vec<VirtualKeyId>) = (
        records.iter().filter_map(|record| record.agent.id).collect::<HashSet<_>>().into_iter().collect(),
        (0..3).map(|key| VirtualKeyId::new(Uuid::from_u128(key))).collect(),
    );
    let due = [
        Expiry { key: Some(keys[0]), agent: Some(agents[0]), ..expiry(Expiring::Rows) },
        Expiry { agent: Some(agents[1]), except_keys: vec![keys[1]], ..expiry(Expiring::Rows) },
        Expiry {
            except_agents: agents[..2].to_vec(),
            except_keys: keys[1..].to_vec(),
            ..expiry(Expiring::Bodies)
        },
    ];
    let day = at(1, 0).day();
    let expired = log.expire(day, &due).await.unwrap();
    let mut expected = Expired::default();
    for record in &records {
        let of_day = record.id.started_at().unwrap().day() == day;
        let goes = of_day && due[..2].iter().any(|expiry| is_due(record, expiry));
        let loses_bodies = of_day && is_due(record, &due[2]);
        let row = log.get(record.workspace_id, record.id).await.unwrap();
        assert_eq!(row.is_none(), goes, "{record:?}");
        expected.rows += u64::from(goes);
        let Some(row) = row else { continue };
        expected.bodies += u64::from(loses_bodies);
        assert_eq!(row.record, *record);
        assert_eq!((row.has_request_body, row.has_response_body), (!loses_bodies, !loses_bodies));
        let bodies = log.bodies(record.workspace_id, record.id).await.unwrap().unwrap();
        let kept = (!loses_bodies).then(|| body(format!("asked in {}", record.id)));
        assert_eq!(bodies.request, kept);
    }
    assert!(expected.rows > 5 && expected.bodies > 5, "{expected:?}");
    assert_eq!(expired, expected);
    // Lists and searches by property know them no longer either.
    for (key, value) in [("tier", "gold"), ("team", "a")] {
        let filter = ExchangeFilter {
            properties: vec![(key.to_owned(), value.to_owned())],
            ..ExchangeFilter::default()
        };
        let left = log.count(OURS, &filter).await.unwrap();
        let page =
            log.find(OURS, &filter, &PageRequest { limit: 200, ..PageRequest::default() }).await.unwrap();
        assert_eq!(page.items.len() as u64, left.min(200));
    }
}

pub(crate) async fn bodies_go_before_their_rows_and_sums_stay(log: &dyn Log) {
    let records: Vec<ExchangeRecord> = (1..40).map(|number| exchange(number, OURS, at(0, 5))).collect();
    let entries = records.iter().map(whole).chain(two_runs());
    log.apply(&numbered(1, entries)).await.unwrap();
    let sums = RollupQuery::ever(RollupOf::each(Dimension::Agent));
    let before = log.rollup(OURS, &sums).await.unwrap();
    let day = at(0, 0).day();
    let told = TrailFilter { to: Some(at(1, 0)), ..TrailFilter::default() };
    let page = PageRequest { limit: 200, ..PageRequest::default() };
    let trail = || log.trail(OURS, &told, Contents::Read, &page);
    let of_day = trail().await.unwrap().items.len() as u64;
    let with_content = trail().await.unwrap().items.iter().filter(|row| row.has_content).count() as u64;
    assert!(of_day > 3);

    let expired = log.expire(day, &[expiry(Expiring::Bodies)]).await.unwrap();
    assert_eq!(expired, Expired { rows: 0, bodies: 39 + with_content });
    assert!(trail().await.unwrap().items.iter().all(|row| row.content.is_none()));
    let rebuilt = log.rebuild_rollups(day, RebuildMode::Check).await.unwrap();
    assert_eq!((rebuilt.exchanges, rebuilt.differed), (39, 0));

    let expired = log.expire(day, &[expiry(Expiring::Rows)]).await.unwrap();
    assert_eq!(expired, Expired { rows: 39 + of_day, bodies: 0 });
    assert_eq!(log.count(OURS, &ExchangeFilter::default()).await.unwrap(), 0);
    assert_eq!(trail().await.unwrap().items, []);
    assert_eq!(log.rollup(OURS, &sums).await.unwrap(), before);
    assert_eq!(log.rebuild_rollups(day, RebuildMode::Mend).await.unwrap(), Rebuilt::default());
    assert_eq!(log.rollup(OURS, &sums).await.unwrap(), before);
}

pub(crate) async fn a_day_that_is_held_to_its_terms_is_left_alone_until_they_change(log: &dyn Log) {
    let record = exchange(1, OURS, at(0, 5));
    log.apply(&numbered(1, [whole(&record)])).await.unwrap();
    let day = at(0, 0).day();
    let bodies = [expiry(Expiring::Bodies)];
    assert_eq!(log.expire(day, &bodies).await.unwrap().bodies, 1);
    // It came after the day was held to its terms; nobody looks.
    let late = exchange(2, OURS, at(0, 6));
    log.apply(&numbered(2, [whole(&late)])).await.unwrap();
    assert_eq!(log.expire(day, &bodies).await.unwrap(), Expired::default());
    let rows = [expiry(Expiring::Rows)];
    assert_eq!(log.expire(day, &rows).await.unwrap().rows, 2);
    assert_eq!(log.get(OURS, ExchangeId::new(late.id.uuid())).await.unwrap(), None);
    // A day that is not there.
    assert_eq!(log.expire(at(9, 0).day(), &rows).await.unwrap(), Expired::default());
}
