//! Which days have partitions; makes and drops them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use deadpool_postgres::GenericClient;
use rungate_core::exchange::ExchangeRecord;
use rungate_core::id::ExchangeId;
use rungate_core::page::Order;
use rungate_core::ports::{Dropped, StoreError};
use rungate_core::time::{Day, Timestamp};

use super::super::error::{OrStoreError, column};
use super::super::pool::{Connection, Pool};
use crate::record;

/// The partition of open exchanges.
pub(crate) const OPEN: i32 = -1;

/// The last day a partition is named after, 9999-12-29; later ones share it.
const LAST: Day = Day::from_days(2_932_894);

/// One node at a time makes or drops partitions; the number only has to be ours.
const LOCK: i64 = 0x7275_6e67_6174_6532;

/// A statement looks into so many days at most, so that it locks and plans only a few tables.
const LONGEST_SPAN: usize = 32;

/// The tables with a partition per day, and what goes with each in `day`.
const ROWS: [&str; 3] = ["exchange", "property", "trail"];
const BODIES: [&str; 1] = ["body"];

/// The day whose partitions a record lies in.
pub(crate) fn day_of(record: &ExchangeRecord) -> Day {
    named(record::partition(record))
}

/// The day whose partitions an id lies in; `None` when the id does not say.
pub(crate) fn day_of_id(id: ExchangeId) -> Option<Day> {
    record::partition_of_id(id).map(named)
}

/// The day as partitions are named after it.
pub(crate) fn named(day: Day) -> Day {
    Day::from_days(day.days().clamp(0, LAST.days()))
}

/// The days that have partitions.
#[derive(Debug, Default)]
pub(crate) struct Days {
    parts: BTreeMap<Day, Parts>,
}

/// What a day has partitions of.
#[derive(Debug, Clone, Copy)]
struct Parts {
    rows: bool,
    bodies: bool,
}

/// Days that one statement looks into, and the open exchanges of their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// First and last day, both inclusive; absent when there are none.
    pub days: Option<(Day, Day)>,
    /// Open exchanges from this time on.
    pub from: Option<Timestamp>,
    /// Open exchanges before this time.
    pub to: Option<Timestamp>,
}

impl Days {
    /// Reads the list.
    pub async fn read(client: &impl GenericClient) -> Result<Self, StoreError> {
        let statement = client
            .prepare_cached("SELECT day, rows, bodies FROM day WHERE rows OR bodies")
            .await
            .or_store()?;
        let mut days = Self::default();
        for row in client.query(&statement, &[]).await.or_store()? {
            let parts = Parts { rows: column(&row, 1)?, bodies: column(&row, 2)? };
            days.parts.insert(Day::from_days(column(&row, 0)?), parts);
        }
        Ok(days)
    }

    /// Whether the bodies of a day are there.
    pub fn has_bodies(&self, day: Day) -> bool {
        self.parts.get(&day).is_some_and(|parts| parts.bodies)
    }

    /// Those that have rows, oldest first.
    pub fn with_rows(&self) -> impl DoubleEndedIterator<Item = Day> + '_ {
        self.parts.iter().filter(|(_, parts)| parts.rows).map(|(day, _)| *day)
    }

    /// The days within `from` and `to`, both inclusive, cut into spans in the order of a list. The first are short, since
    /// most lists end in them. Open exchanges of any time are in one of them.
    pub fn spans(&self, from: Option<Day>, to: Option<Day>, order: Order) -> Vec<Span> {
        let within = |day: &Day| from.is_none_or(|from| from <= *day) && to.is_none_or(|to| *day <= to);
        let mut days: Vec<Day> = self.with_rows().filter(within).collect();
        if order == Order::Desc {
            days.reverse();
        }
        let mut spans = Vec::new();
        let (mut rest, mut length) = (&days[..], 1);
        while let Some((first, _)) = rest.split_first() {
            let (span, behind) = rest.split_at(length.min(rest.len()));
            let last = span[span.len() - 1];
            spans.push(Span { days: Some(((*first).min(last), (*first).max(last))), from: None, to: None });
            (rest, length) = (behind, (length * 2).min(LONGEST_SPAN));
        }
        if spans.is_empty() {
            spans.push(Span { days: None, from: None, to: None });
        }
        for place in 1..spans.len() {
            // The spans meet where the later of two begins.
            let (earlier, later) = if order == Order::Desc { (place, place - 1) } else { (place - 1, place) };
            let meet = spans[later].days.map(|(first, _)| first.start());
            spans[later].from = meet;
            spans[earlier].to = meet;
        }
        spans
    }
}

impl Span {
    /// One day and all open exchanges.
    pub const fn of(day: Day) -> Self {
        Self { days: Some((day, day)), from: None, to: None }
    }

    /// What stands before a query, so that it sees of `exchange` and `property` only this span.
    pub fn with(&self) -> String {
        let mut open = format!("day = {OPEN}");
        if let Some(from) = self.from {
            let _ = write!(open, " AND created_at >= {}", from.micros());
        }
        if let Some(to) = self.to {
            let _ = write!(open, " AND created_at < {}", to.micros());
        }
        let days = match self.days {
            None => "FALSE".to_owned(),
            Some((first, last)) if first == last => format!("day = {}", first.days()),
            Some((first, last)) => format!("day BETWEEN {} AND {}", first.days(), last.days()),
        };
        format!(
            "WITH exchange AS NOT MATERIALIZED (SELECT * FROM exchange WHERE {days} OR ({open})), \
             property AS NOT MATERIALIZED (SELECT * FROM property WHERE {days}) "
        )
    }
}

/// Makes the partitions of rows for `days`, and those of bodies for `body_days`, as far as they are missing. Other nodes
/// may do the same at the same time.
pub(crate) async fn make(
    connection: &mut Connection,
    days: &[Day],
    body_days: &[Day],
) -> Result<(), StoreError> {
    let transaction = connection.transaction().await.or_store()?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.or_store()?;
    for (tables, days, set) in [(&ROWS[..], days, "rows"), (&BODIES[..], body_days, "bodies")] {
        for day in days {
            for table in tables {
                make_partition(&transaction, table, *day).await?;
            }
            let sql = format!(
                "INSERT INTO day (day, {set}) VALUES ($1, true) ON CONFLICT (day) DO UPDATE SET {set} = true"
            );
            transaction.execute(&sql, &[&day.days()]).await.or_store()?;
        }
    }
    transaction.commit().await.or_store()
}

/// Attached and not made in place, which would wait for every reader of the table and hold up the next ones.
pub(crate) async fn make_partition(
    client: &impl GenericClient,
    table: &str,
    day: Day,
) -> Result<(), StoreError> {
    let name = partition(table, day);
    let row = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&name]).await.or_store()?;
    if column(&row, 0)? {
        return Ok(());
    }
    let (first, end) = (day.days(), day.plus(1).days());
    let options = if table == "body" { "" } else { " WITH (autovacuum_vacuum_insert_scale_factor = 0.5)" };
    let sql = format!(
        "CREATE TABLE {name} (LIKE {table} INCLUDING ALL){options}; \
         ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})"
    );
    client.batch_execute(&sql).await.or_store()
}

/// The name of a table's partition of a day.
pub(crate) fn partition(table: &str, day: Day) -> String {
    format!("{table}_{}", day.to_string().replace('-', ""))
}

/// Drops the partitions of rows before `rows_before` and of bodies before `bodies_before`.
pub(crate) async fn drop_before(
    pool: &Pool,
    rows_before: Day,
    bodies_before: Day,
) -> Result<Dropped, StoreError> {
    // The lock is the session's, since a partition is detached outside transactions; so the session ends here, however
    // this ends. Other nodes have the same days to drop.
    let lent = pool.lend().await?;
    let client = lent.connection()?;
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.or_store()?;
    let row_days = drop_tables(client, &ROWS, "rows", rows_before).await?;
    // Bodies without rows can be reached by nobody.
    let body_days = drop_tables(client, &BODIES, "bodies", bodies_before.max(rows_before)).await?;
    Ok(Dropped { row_days, body_days })
}

async fn drop_tables(
    client: &impl GenericClient,
    tables: &[&str],
    set: &str,
    before: Day,
) -> Result<u64, StoreError> {
    let days = format!("SELECT day FROM day WHERE {set} AND day < $1 ORDER BY day");
    let mut dropped = 0;
    for row in client.query(&days, &[&before.days()]).await.or_store()? {
        let day: i32 = column(&row, 0)?;
        for table in tables {
            drop_partition(client, table, Day::from_days(day)).await?;
        }
        // Last: as long as it is listed, the next try finds what is left.
        let sql = format!("UPDATE day SET {set} = false WHERE day = $1");
        client.execute(&sql, &[&day]).await.or_store()?;
        dropped += 1;
    }
    client.execute("DELETE FROM day WHERE NOT rows AND NOT bodies", &[]).await.or_store()?;
    Ok(dropped)
}

/// Detached first, while readers and writers go on; a table that nobody can reach any longer is then dropped at once.
async fn drop_partition(client: &impl GenericClient, table: &str, day: Day) -> Result<(), StoreError> {
    let name = partition(table, day);
    let attached = "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass($1) AND inhparent = to_regclass($2)";
    let detach = match client.query_opt(attached, &[&name, &table]).await.or_store()? {
        None => None,
        Some(row) if column(&row, 0)? => Some("FINALIZE"),
        Some(_) => Some("CONCURRENTLY"),
    };
    if let Some(how) = detach {
        client
            .batch_execute(&format!("ALTER TABLE {table} DETACH PARTITION {name} {how}"))
            .await
            .or_store()?;
    }
    client.batch_execute(&format!("DROP TABLE IF EXISTS {name}")).await.or_store()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: impl IntoIterator<Item = i32>) -> Days {
        let parts = Parts { rows: true, bodies: false };
        Days { parts: days.into_iter().map(|day| (Day::from_days(day), parts)).collect() }
    }

    #[test]
    fn spans_cover_each_day_once_and_every_time() {
        for (count, order) in [(0, Order::Asc), (1, Order::Desc), (7, Order::Asc), (100, Order::Desc)] {
            let spans = days((0..count).map(|day| day * 2)).spans(None, None, order);
            let covered: i32 = spans
                .iter()
                .filter_map(|span| span.days)
                .map(|(first, last)| (last.days() - first.days()) / 2 + 1)
                .sum();
            assert_eq!(covered, count);
            let (newest, oldest) = if order == Order::Desc {
                (&spans[0], &spans[spans.len() - 1])
            } else {
                (&spans[spans.len() - 1], &spans[0])
            };
            assert_eq!((newest.to, oldest.from), (None, None));
            for pair in spans.windows(2) {
                let (later, earlier) =
                    if order == Order::Desc { (&pair[0], &pair[1]) } else { (&pair[1], &pair[0]) };
                assert!(later.from.is_some() && later.from == earlier.to);
            }
        }
    }

    #[test]
    fn spans_are_short_first_and_keep_to_the_days_asked_for() {
        let spans = days(0..20).spans(Some(Day::from_days(3)), Some(Day::from_days(12)), Order::Desc);
        let days: Vec<_> = spans.iter().filter_map(|span| span.days).collect();
        let expected = [(12, 12), (10, 11), (6, 9), (3, 5)];
        assert_eq!(days, expected.map(|(first, last)| (Day::from_days(first), Day::from_days(last))));
    }
}
