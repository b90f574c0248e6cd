//! The journal as a whole: what it returns, what it refuses, and what survives damage.

mod crash;
mod drain;
mod fake;
mod full;
mod hold;
mod order;
mod speed;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rungate_core::activity::{AgentStamp, Trust};
use rungate_core::exchange::{Body, Entry, ExchangeRecord, Outcome, Sequence, Sequenced};
use rungate_core::id::{ExchangeId, ExternalId, RunId, TrailId, VirtualKeyId, WorkspaceId, uuid_v7};
use rungate_core::operation::Kind;
use rungate_core::time::Timestamp;
use rungate_core::trail::{End, EndStatus, TrailEntry, What};

use super::{Durability, Journal, JournalConfig};

/// 2026-11-24T00:00:00Z.
const START_MS: i64 = 1_795_478_400_000;

pub(super) fn config(dir: &Path) -> JournalConfig {
    JournalConfig {
        dir: dir.join("journal"),
        durability: Durability::Process,
        max_bytes: 256 << 20,
        segment_bytes: 64 << 10,
    }
}

pub(super) fn open(config: &JournalConfig) -> Arc<Journal> {
    Arc::new(Journal::open(config.clone()).unwrap())
}

/// The number of an exchange decides its id and everything else.
pub(super) fn record(number: u64) -> ExchangeRecord {
    let at = Timestamp::from_millis(START_MS + i64::try_from(number).unwrap());
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let id = uuid_v7(at, random);
    let agent = AgentStamp {
        id: None,
        external_id: ExternalId::parse("agt_support_bot_8f3a").unwrap(),
        name: None,
        trust: Trust::AuthBound,
    };
    ExchangeRecord {
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        virtual_key_label: "support".to_owned(),
        key_prefix: "vk-abcd".to_owned(),
        requested_model: Some("gpt-5-mini".to_owned()),
        ..ExchangeRecord::new(
            ExchangeId::new(id),
            WorkspaceId::new(uuid_v7(at, [1; 10])),
            at,
            Kind::Chat,
            agent,
            VirtualKeyId::new(uuid_v7(at, [2; 10])),
        )
    }
}

pub(super) fn body(bytes: usize) -> Body {
    Body { bytes: Bytes::from(vec![b'b'; bytes]), truncated: false, redacted: false }
}

pub(super) fn opened(number: u64, request_bytes: usize) -> Entry {
    Entry::Opened { record: Arc::new(record(number)), request: Some(body(request_bytes)) }
}

pub(super) fn closed(number: u64, response_bytes: usize) -> Entry {
    let mut record = record(number);
    record.outcome = Outcome::Succeeded;
    record.status = Some(200);
    Entry::Closed { record: Arc::new(record), request: None, response: Some(body(response_bytes)) }
}

/// Everything the journal holds, read in small steps.
pub(super) fn read_all(journal: &Journal) -> Vec<Sequenced> {
    let mut all: Vec<Sequenced> = Vec::new();
    loop {
        let after = all.last().map_or(Sequence(0), |entry| entry.sequence);
        let some = journal.read(after, 16 << 10).unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

pub(super) fn segments(config: &JournalConfig) -> Vec<PathBuf> {
    files(config, |name| Path::new(name).extension().is_some_and(|extension| extension == "seg"))
}

pub(super) fn damaged_files(config: &JournalConfig) -> Vec<PathBuf> {
    files(config, |name| name.starts_with("damaged-"))
}

fn files(config: &JournalConfig, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(&config.dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| wanted(path.file_name().unwrap().to_str().unwrap()))
        .collect();
    found.sort();
    found
}

/// A copy of the folder as a killed process would leave it, while the journal goes on.
pub(super) fn as_if_killed(config: &JournalConfig, to: &Path) -> JournalConfig {
    let dir = to.join("journal");
    std::fs::create_dir_all(&dir).unwrap();
    for path in files(config, |name| name != "lock") {
        std::fs::copy(&path, dir.join(path.file_name().unwrap())).unwrap();
    }
    JournalConfig { dir, ..config.clone() }
}

/// An event of a run; its number decides everything.
pub(super) fn told(number: u64, content_bytes: usize) -> Entry {
    let of = record(number);
    let entry = TrailEntry {
        id: TrailId::new(of.id.uuid()),
        workspace_id: of.workspace_id,
        at: Timestamp::from_micros(of.created_at.micros() + 7),
        run_id: RunId::parse("run_8421").unwrap(),
        trace_id: None,
        session_id: None,
        agent: of.agent,
        virtual_key_id: Some(of.virtual_key_id),
        step_id: None,
        parent_step_id: None,
        tool_call_id: None,
        after_end: false,
        what: What::Ended(End { status: EndStatus::Completed, reason: None, reported_at: None }),
    };
    let content = (content_bytes > 0).then(|| body(content_bytes));
    Entry::Trail { entry: Box::new(entry), content }
}
