//! The catalog role over tables of one database, shared by nodes.

use async_trait::async_trait;
use deadpool_postgres::Transaction;
use rungate_core::agent::{Head, ResourceKind};
use rungate_core::id::WorkspaceId;
use rungate_core::page::{Page, PageRequest, Position};
use rungate_core::ports::{Catalog, CatalogError, CatalogFilter, Document, Revision, StoreError, Write};
use rungate_core::time::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::bind::{DIALECT, parameters};
use super::error::{OrStoreError, column};
use super::listener::{self, Listener};
use super::migrate;
use super::pool::Pool;
use super::url::DatabaseUrl;
use crate::record::{decode, encode, integer, unsigned};
use crate::sql::{Clause, Value, limit, order_by};
use crate::{filter, sql};

/// Connections for resources: few, since requests read what is held in memory.
const CONNECTIONS: usize = 4;

const COLUMNS: &str = "d.id, d.workspace, d.version, d.created_at, d.updated_at, d.unique_names, d.facets, d.search, \
                       d.json";

/// Resources in one database.
pub(crate) struct PostgresCatalog {
    pool: Pool,
    listener: Listener,
}

impl PostgresCatalog {
    /// Connects and brings the tables up to date.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let pool = Pool::new(url, CONNECTIONS)?;
        migrate::migrate(&mut pool.get().await?, &migrate::CONTROL).await?;
        Ok(Self { pool, listener: Listener::start(url)? })
    }

    /// Ends the connections.
    pub fn close(&self) {
        self.listener.stop();
        self.pool.close();
    }

    async fn documents(
        &self,
        kind: ResourceKind,
        clause: &Clause,
        order: &str,
    ) -> Result<Vec<Document>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM document AS d WHERE {} {order}", clause.text());
        let rows = self.query(&sql, &parameters(clause.values())).await?;
        rows.iter().map(|row| document(kind, row)).collect()
    }

    async fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let connection = self.pool.get().await?;
        let statement = connection.prepare_cached(sql).await.or_store()?;
        connection.query(&statement, values).await.or_store()
    }
}

#[async_trait]
impl Catalog for PostgresCatalog {
    async fn commit(&self, writes: Vec<Write>) -> Result<Revision, CatalogError> {
        let mut connection = self.pool.get().await?;
        let transaction = connection.transaction().await.or_store()?;
        // First of all, and held until the end: commits of all nodes follow one another, so that they neither cross nor
        // become visible out of order.
        let moved = "UPDATE revision SET value = value + 1 RETURNING value";
        let statement = transaction.prepare_cached(moved).await.or_store()?;
        let row = transaction.query_one(&statement, &[]).await.or_store()?;
        let revision = Revision(unsigned(column(&row, 0)?));
        for write in &writes {
            match write {
                Write::Insert(document) => insert(&transaction, document).await?,
                Write::Update(document) => update(&transaction, document).await?,
                Write::Delete { kind, workspace, id } => delete(&transaction, *kind, *workspace, *id).await?,
            }
        }
        execute(&transaction, listener::NOTIFY, &[]).await?;
        transaction.commit().await.or_store()?;
        Ok(revision)
    }

    async fn get(
        &self,
        kind: ResourceKind,
        workspace: WorkspaceId,
        id: Uuid,
    ) -> Result<Option<Document>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM document AS d WHERE d.kind = $1 AND d.id = $2 AND d.workspace = $3"
        );
        let rows = self.query(&sql, &[&kind.as_str(), &id, &workspace.uuid()]).await?;
        rows.first().map(|row| document(kind, row)).transpose()
    }

    async fn get_unique(
        &self,
        kind: ResourceKind,
        name: &str,
        value: &str,
    ) -> Result<Option<Document>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM unique_name AS u JOIN document AS d ON d.kind = u.kind AND d.id = u.id \
             WHERE u.kind = $1 AND u.name = $2 AND u.value = $3"
        );
        let rows = self.query(&sql, &[&kind.as_str(), &name, &value]).await?;
        rows.first().map(|row| document(kind, row)).transpose()
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
        let mut items = self.documents(kind, &clause, &order).await?;
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
        let sql = format!("SELECT count(*) FROM document AS d WHERE {}", clause.text());
        let rows = self.query(&sql, &parameters(clause.values())).await?;
        rows.first().map_or(Ok(0), |row| column(row, 0).map(unsigned))
    }

    async fn all(&self, kind: ResourceKind) -> Result<Vec<Document>, StoreError> {
        let mut clause = Clause::new(&DIALECT);
        clause.compare("d.kind", "=", kind.as_str());
        self.documents(kind, &clause, "ORDER BY d.id").await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        let rows = self.query("SELECT value FROM revision", &[]).await?;
        let row = rows.first().ok_or_else(|| StoreError::Corrupt("the revision is gone".to_owned()))?;
        Ok(Revision(unsigned(column(row, 0)?)))
    }

    async fn changed(&self) {
        self.listener.heard().await;
    }
}

fn document(kind: ResourceKind, row: &Row) -> Result<Document, StoreError> {
    Ok(Document {
        kind,
        head: Head {
            id: column(row, 0)?,
            workspace_id: WorkspaceId::new(column(row, 1)?),
            version: unsigned(column(row, 2)?),
            created_at: Timestamp::from_micros(column(row, 3)?),
            updated_at: Timestamp::from_micros(column(row, 4)?),
        },
        unique: decode(column(row, 5)?)?,
        facets: decode(column(row, 6)?)?,
        search: column(row, 7)?,
        json: column(row, 8)?,
    })
}

async fn execute(
    transaction: &Transaction<'_>,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<u64, StoreError> {
    let statement = transaction.prepare_cached(sql).await.or_store()?;
    transaction.execute(&statement, values).await.or_store()
}

async fn insert(transaction: &Transaction<'_>, document: &Document) -> Result<(), CatalogError> {
    let Document { kind, head, unique, facets, search, json } = document;
    let inserted = execute(
        transaction,
        "INSERT INTO document (kind, id, workspace, version, created_at, updated_at, unique_names, facets, search, \
         search_lower, json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        &[
            &kind.as_str(),
            &head.id,
            &head.workspace_id.uuid(),
            &integer(head.version),
            &head.created_at.micros(),
            &head.updated_at.micros(),
            &encode(unique)?,
            &encode(facets)?,
            search,
            &search.to_lowercase(),
            json,
        ],
    )
    .await?;
    if inserted == 0 {
        return Err(CatalogError::AlreadyExists("id".to_owned()));
    }
    add_names(transaction, document).await
}

async fn update(transaction: &Transaction<'_>, document: &Document) -> Result<(), CatalogError> {
    let Document { kind, head, unique, facets, search, json } = document;
    let sql = "SELECT version FROM document WHERE kind = $1 AND id = $2 AND workspace = $3";
    let statement = transaction.prepare_cached(sql).await.or_store()?;
    let key: [&(dyn ToSql + Sync); 3] = [&kind.as_str(), &head.id, &head.workspace_id.uuid()];
    let stored: i64 = match transaction.query_opt(&statement, &key).await.or_store()? {
        None => return Err(CatalogError::NotFound),
        Some(row) => column(&row, 0)?,
    };
    if unsigned(stored).checked_add(1) != Some(head.version) {
        return Err(CatalogError::VersionConflict);
    }
    execute(
        transaction,
        "UPDATE document SET version = $3, updated_at = $4, unique_names = $5, facets = $6, search = $7, \
         search_lower = $8, json = $9 WHERE kind = $1 AND id = $2",
        &[
            &kind.as_str(),
            &head.id,
            &integer(head.version),
            &head.updated_at.micros(),
            &encode(unique)?,
            &encode(facets)?,
            search,
            &search.to_lowercase(),
            json,
        ],
    )
    .await?;
    remove_names(transaction, *kind, head.id).await?;
    add_names(transaction, document).await
}

async fn delete(
    transaction: &Transaction<'_>,
    kind: ResourceKind,
    workspace: WorkspaceId,
    id: Uuid,
) -> Result<(), CatalogError> {
    let sql = "DELETE FROM document WHERE kind = $1 AND id = $2 AND workspace = $3";
    if execute(transaction, sql, &[&kind.as_str(), &id, &workspace.uuid()]).await? == 0 {
        return Err(CatalogError::NotFound);
    }
    Ok(remove_names(transaction, kind, id).await?)
}

/// Takes the unique names and notes the facets of a document.
async fn add_names(transaction: &Transaction<'_>, document: &Document) -> Result<(), CatalogError> {
    let (kind, id) = (document.kind.as_str(), document.head.id);
    let take = "INSERT INTO unique_name AS u (kind, name, value, id) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (kind, name, value) DO UPDATE SET id = excluded.id WHERE u.id = excluded.id";
    for (name, value) in &document.unique {
        if execute(transaction, take, &[&kind, name, value, &id]).await? == 0 {
            return Err(CatalogError::AlreadyExists(name.clone()));
        }
    }
    let note = "INSERT INTO facet (kind, id, name, value) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    for (name, value) in &document.facets {
        execute(transaction, note, &[&kind, &id, name, value]).await?;
    }
    Ok(())
}

async fn remove_names(transaction: &Transaction<'_>, kind: ResourceKind, id: Uuid) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM unique_name WHERE kind = $1 AND id = $2",
        "DELETE FROM facet WHERE kind = $1 AND id = $2",
    ] {
        execute(transaction, sql, &[&kind.as_str(), &id]).await?;
    }
    Ok(())
}
