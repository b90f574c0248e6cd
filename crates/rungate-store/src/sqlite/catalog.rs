//! The catalog role over `control.db`.

use std::sync::Arc;

use async_trait::async_trait;
use rungate_core::agent::{Head, ResourceKind};
use rungate_core::id::WorkspaceId;
use rungate_core::page::{Page, PageRequest, Position};
use rungate_core::ports::{Catalog, CatalogError, CatalogFilter, Document, Revision, StoreError, Write};
use rungate_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::bind::{self, DIALECT, blob};
use super::error::OrStoreError;
use super::file::{self, Access};
use super::folder::Folder;
use super::migrate;
use super::pool::Pool;
use super::worker::Worker;
use crate::record::{decode, encode, integer, unsigned};
use crate::sql::{Clause, Value, limit, order_by};
use crate::{filter, sql};

/// Connections that read.
const READERS: usize = 2;

const COLUMNS: &str = "d.id, d.workspace, d.version, d.created_at, d.updated_at, d.unique_names, d.facets, d.search, \
                       d.json";

/// Resources in `control.db`.
pub(crate) struct SqliteCatalog {
    writer: Worker<Connection>,
    readers: Pool<Connection>,
}

impl SqliteCatalog {
    /// Opens or makes the file.
    pub fn open(folder: &Arc<Folder>) -> Result<Self, StoreError> {
        let path = folder.control();
        let connection = file::open(&path, migrate::CONTROL, Access::Write)?;
        let readers = (0..READERS)
            .map(|_| file::open(&path, migrate::CONTROL, Access::Read))
            .collect::<Result<_, _>>()?;
        let locked = Arc::clone(folder);
        let end = move |connection: Connection| {
            file::checkpoint(&connection);
            drop(connection);
            drop(locked);
        };
        Ok(Self { writer: Worker::start("store-catalog", connection, end)?, readers: Pool::new(readers) })
    }

    /// Ends the readers and the writer.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.stop().await;
    }
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn commit(&self, writes: Vec<Write>) -> Result<Revision, CatalogError> {
        self.writer.run(move |connection| commit(connection, &writes)).await
    }

    async fn get(
        &self,
        kind: ResourceKind,
        workspace: WorkspaceId,
        id: Uuid,
    ) -> Result<Option<Document>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM document AS d WHERE d.kind = ?1 AND d.id = ?2 AND d.workspace = ?3"
        );
        self.readers
            .run(move |connection, _| {
                let mut statement = connection.prepare_cached(&sql).or_store()?;
                let values = params![kind.as_str(), blob(id), blob(workspace.uuid())];
                let found = statement.query_row(values, Stored::read).optional().or_store()?;
                found.map(|stored| stored.document(kind)).transpose()
            })
            .await
    }

    async fn get_unique(
        &self,
        kind: ResourceKind,
        name: &str,
        value: &str,
    ) -> Result<Option<Document>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM unique_name AS u JOIN document AS d ON d.kind = u.kind AND d.id = u.id \
             WHERE u.kind = ?1 AND u.name = ?2 AND u.value = ?3"
        );
        let (name, value) = (name.to_owned(), value.to_owned());
        self.readers
            .run(move |connection, _| {
                let mut statement = connection.prepare_cached(&sql).or_store()?;
                let values = params![kind.as_str(), name, value];
                let found = statement.query_row(values, Stored::read).optional().or_store()?;
                found.map(|stored| stored.document(kind)).transpose()
            })
            .await
    }

    async fn find(
        &self,
        kind: ResourceKind,
        workspace: WorkspaceId,
        filter: &CatalogFilter,
        page: &PageRequest,
    ) -> Result<Page<Document>, StoreError> {
        let mut clause = filter::documents(&DIALECT, kind.as_str(), workspace, filter);
        if let Some(position) = &page.after {
            let id = sql::position_uuid(position)?;
            clause.after("d.created_at", "d.id", position, Value::Uuid(id), page.order);
        }
        let limit = limit(page);
        let order = order_by("d.created_at", "d.id", page.order, limit + 1);
        let mut items = self.documents(kind, clause, order).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items
            .last()
            .filter(|_| more)
            .map(|last| Position { at: last.head.created_at.micros(), id: last.head.id.to_string() });
        Ok(Page { items, next })
    }

    async fn count(
        &self,
        kind: ResourceKind,
        workspace: WorkspaceId,
        filter: &CatalogFilter,
    ) -> Result<u64, StoreError> {
        let clause = filter::documents(&DIALECT, kind.as_str(), workspace, filter);
        self.readers
            .run(move |connection, _| {
                let sql = format!("SELECT count(*) FROM document AS d WHERE {}", clause.text());
                let mut statement = connection.prepare_cached(&sql).or_store()?;
                let values = rusqlite::params_from_iter(clause.values());
                statement.query_row(values, |row| row.get(0)).or_store().map(unsigned)
            })
            .await
    }

    async fn all(&self, kind: ResourceKind) -> Result<Vec<Document>, StoreError> {
        let mut clause = Clause::new(&DIALECT);
        clause.compare("d.kind", "=", kind.as_str());
        self.documents(kind, clause, "ORDER BY d.id".to_owned()).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.readers.run(|connection, _| revision(connection)).await
    }
}

impl SqliteCatalog {
    async fn documents(
        &self,
        kind: ResourceKind,
        clause: Clause,
        order: String,
    ) -> Result<Vec<Document>, StoreError> {
        self.readers
            .run(move |connection, _| {
                let sql = format!("SELECT {COLUMNS} FROM document AS d WHERE {} {order}", clause.text());
                let mut statement = connection.prepare_cached(&sql).or_store()?;
                let values = rusqlite::params_from_iter(clause.values());
                let rows = statement.query_map(values, Stored::read).or_store()?;
                rows.map(|row| row.or_store()?.document(kind)).collect()
            })
            .await
    }
}

/// The columns of a document as they are kept.
struct Stored {
    head: Head,
    unique: String,
    facets: String,
    search: String,
    json: String,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            head: Head {
                id: bind::uuid(row, 0)?,
                workspace_id: WorkspaceId::new(bind::uuid(row, 1)?),
                version: unsigned(row.get(2)?),
                created_at: Timestamp::from_micros(row.get(3)?),
                updated_at: Timestamp::from_micros(row.get(4)?),
            },
            unique: row.get(5)?,
            facets: row.get(6)?,
            search: row.get(7)?,
            json: row.get(8)?,
        })
    }

    fn document(self, kind: ResourceKind) -> Result<Document, StoreError> {
        Ok(Document {
            kind,
            head: self.head,
            unique: decode(&self.unique)?,
            facets: decode(&self.facets)?,
            search: self.search,
            json: self.json,
        })
    }
}

fn commit(connection: &mut Connection, writes: &[Write]) -> Result<Revision, CatalogError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
    for write in writes {
        match write {
            Write::Insert(document) => insert(&transaction, document)?,
            Write::Update(document) => update(&transaction, document)?,
            Write::Delete { kind, workspace, id } => delete(&transaction, *kind, *workspace, *id)?,
        }
    }
    transaction.execute("UPDATE revision SET value = value + 1", []).or_store()?;
    let revision = revision(&transaction)?;
    transaction.commit().or_store()?;
    Ok(revision)
}

fn insert(transaction: &Transaction<'_>, document: &Document) -> Result<(), CatalogError> {
    let Document { kind, head, unique, facets, search, json } = document;
    let mut statement = transaction
        .prepare_cached(
            "INSERT INTO document (kind, id, workspace, version, created_at, updated_at, unique_names, facets, search, \
             search_lower, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
        )
        .or_store()?;
    let values = params![
        kind.as_str(),
        blob(head.id),
        blob(head.workspace_id.uuid()),
        integer(head.version),
        head.created_at.micros(),
        head.updated_at.micros(),
        encode(unique)?,
        encode(facets)?,
        search,
        search.to_lowercase(),
        json,
    ];
    if statement.execute(values).or_store()? == 0 {
        return Err(CatalogError::AlreadyExists("id".to_owned()));
    }
    add_names(transaction, document)
}

fn update(transaction: &Transaction<'_>, document: &Document) -> Result<(), CatalogError> {
    let Document { kind, head, unique, facets, search, json } = document;
    let stored: Option<i64> = transaction
        .prepare_cached("SELECT version FROM document WHERE kind = ?1 AND id = ?2 AND workspace = ?3")
        .or_store()?
        .query_row(params![kind.as_str(), blob(head.id), blob(head.workspace_id.uuid())], |row| row.get(0))
        .optional()
        .or_store()?;
    match stored {
        None => return Err(CatalogError::NotFound),
        Some(version) if unsigned(version).checked_add(1) != Some(head.version) => {
            return Err(CatalogError::VersionConflict);
        }
        Some(_) => {}
    }
    let mut statement = transaction
        .prepare_cached(
            "UPDATE document SET version = ?3, updated_at = ?4, unique_names = ?5, facets = ?6, search = ?7, \
             search_lower = ?8, json = ?9 WHERE kind = ?1 AND id = ?2",
        )
        .or_store()?;
    let values = params![
        kind.as_str(),
        blob(head.id),
        integer(head.version),
        head.updated_at.micros(),
        encode(unique)?,
        encode(facets)?,
        search,
        search.to_lowercase(),
        json,
    ];
    statement.execute(values).or_store()?;
    remove_names(transaction, *kind, head.id)?;
    add_names(transaction, document)
}

fn delete(
    transaction: &Transaction<'_>,
    kind: ResourceKind,
    workspace: WorkspaceId,
    id: Uuid,
) -> Result<(), CatalogError> {
    let deleted = transaction
        .prepare_cached("DELETE FROM document WHERE kind = ?1 AND id = ?2 AND workspace = ?3")
        .or_store()?
        .execute(params![kind.as_str(), blob(id), blob(workspace.uuid())])
        .or_store()?;
    if deleted == 0 {
        return Err(CatalogError::NotFound);
    }
    Ok(remove_names(transaction, kind, id)?)
}

/// Takes the unique names and notes the facets of a document.
fn add_names(transaction: &Transaction<'_>, document: &Document) -> Result<(), CatalogError> {
    let (kind, id) = (document.kind.as_str(), blob(document.head.id));
    let mut take = transaction
        .prepare_cached(
            "INSERT INTO unique_name (kind, name, value, id) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO UPDATE SET id = id WHERE id = excluded.id",
        )
        .or_store()?;
    for (name, value) in &document.unique {
        if take.execute(params![kind, name, value, id]).or_store()? == 0 {
            return Err(CatalogError::AlreadyExists(name.clone()));
        }
    }
    let mut note = transaction
        .prepare_cached("INSERT OR IGNORE INTO facet (kind, id, name, value) VALUES (?1, ?2, ?3, ?4)")
        .or_store()?;
    for (name, value) in &document.facets {
        note.execute(params![kind, id, name, value]).or_store()?;
    }
    Ok(())
}

fn remove_names(transaction: &Transaction<'_>, kind: ResourceKind, id: Uuid) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM unique_name WHERE kind = ?1 AND id = ?2",
        "DELETE FROM facet WHERE kind = ?1 AND id = ?2",
    ] {
        let mut statement = transaction.prepare_cached(sql).or_store()?;
        statement.execute(params![kind.as_str(), blob(id)]).or_store()?;
    }
    Ok(())
}

fn revision(connection: &Connection) -> Result<Revision, StoreError> {
    let value = connection.query_row("SELECT value FROM revision", [], |row| row.get(0)).or_store()?;
    Ok(Revision(unsigned(value)))
}
