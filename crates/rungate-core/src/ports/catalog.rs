//! The catalog role: resources of the control plane, kept transactionally.
//!
//! A store keeps [`Document`]s and needs to know nothing of what is in them: one table serves all kinds, and a new
//! kind of resource needs no change in any store. [`load`], [`require`] and [`list`] give the typed view.

use async_trait::async_trait;
use uuid::Uuid;

use crate::agent::{Head, Resource, ResourceKind};
use crate::id::WorkspaceId;
use crate::page::{Page, PageRequest};

/// A resource as a store sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its kind.
    pub kind: ResourceKind,
    /// Id, workspace, version, times.
    pub head: Head,
    /// Names unique among this kind over the installation.
    pub unique: Vec<(String, String)>,
    /// Fields lists are filtered by.
    pub facets: Vec<(String, String)>,
    /// What a search looks in.
    pub search: String,
    /// The resource as JSON.
    pub json: String,
}

/// A number that grows with each commit. Readers poll it to see changes of other nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A new resource.
    Insert(Document),
    /// The next version; the stored one must be exactly one lower.
    Update(Document),
    /// Removed, with its unique names.
    Delete {
        /// Its kind.
        kind: ResourceKind,
        /// Its workspace.
        workspace: WorkspaceId,
        /// Its id.
        id: Uuid,
    },
}

/// Why the catalog refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Somebody else changed the resource first.
    #[error("the resource has been changed: it is at another version")]
    VersionConflict,
    /// A unique name is taken; names which.
    #[error("{0} is taken")]
    AlreadyExists(String),
    /// Not there, or in another workspace.
    #[error("no such resource")]
    NotFound,
    /// The store is away or broken.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Locked, full, away: may pass.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Stored data that cannot be read: will not pass by itself.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
}

/// Which resources of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogFilter {
    /// Facets that must all match; the values of one name are joined by OR.
    pub facets: Vec<(String, Vec<String>)>,
    /// Text in the search text, without regard to case.
    pub search: Option<String>,
}

/// Resources of the control plane. Reads of one workspace never show another's.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Carries out all changes or none, and moves the revision on by one.
    async fn commit(&self, writes: Vec<Write>) -> Result<Revision, CatalogError>;

    /// One resource.
    async fn get(
        &self,
        kind: ResourceKind,
        workspace: WorkspaceId,
        id: Uuid,
    ) -> Result<Option<Document>, StoreError>;

    /// One resource by a unique name, whatever its workspace.
    async fn get_unique(
        &self,
        kind: ResourceKind,
        name: &str,
        value: &str,
    ) -> Result<Option<Document>, StoreError>;

    /// A page of one kind, by creation time.
    async fn find(
        &self,
        kind: ResourceKind,
        workspace: WorkspaceId,
        filter: &CatalogFilter,
        page: &PageRequest,
    ) -> Result<Page<Document>, StoreError>;

    /// How many there are.
    async fn count(
        &self,
        kind: ResourceKind,
        workspace: WorkspaceId,
        filter: &CatalogFilter,
    ) -> Result<u64, StoreError>;

    /// Every resource of one kind, of all workspaces: for what each node holds in memory.
    async fn all(&self, kind: ResourceKind) -> Result<Vec<Document>, StoreError>;

    /// The current revision.
    async fn revision(&self) -> Result<Revision, StoreError>;

    /// Returns when another node may have committed something since the last call. A hint for one caller that polls the
    /// revision all the same: it may come late, without reason, or never, as from a store that one node has to itself.
    async fn changed(&self) {
        std::future::pending::<()>().await;
    }
}

impl Document {
    /// The document of a resource.
    pub fn of<R: Resource>(resource: &R) -> Result<Self, StoreError> {
        let owned = |pairs: Vec<(&'static str, String)>| {
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        Ok(Self {
            kind: R::KIND,
            head: resource.head().clone(),
            unique: owned(resource.unique()),
            facets: owned(resource.facets()),
            search: resource.search_text(),
            json: serde_json::to_string(resource).map_err(|error| StoreError::Corrupt(error.to_string()))?,
        })
    }

    /// The resource of a document.
    pub fn read<R: Resource>(&self) -> Result<R, StoreError> {
        serde_json::from_str(&self.json)
            .map_err(|error| StoreError::Corrupt(format!("{} {}: {error}", self.kind.as_str(), self.head.id)))
    }
}

impl Write {
    /// Inserts `resource`.
    pub fn insert<R: Resource>(resource: &R) -> Result<Self, StoreError> {
        Document::of(resource).map(Self::Insert)
    }

    /// Stores `resource` as the next version; see [`Resource::touched`].
    pub fn update<R: Resource>(resource: &R) -> Result<Self, StoreError> {
        Document::of(resource).map(Self::Update)
    }

    /// Deletes `resource`.
    pub fn delete<R: Resource>(resource: &R) -> Self {
        let Head { id, workspace_id, .. } = *resource.head();
        Self::Delete { kind: R::KIND, workspace: workspace_id, id }
    }
}

/// One resource, typed; `None` when it is not in the workspace.
pub async fn load<R: Resource>(
    catalog: &dyn Catalog,
    workspace: WorkspaceId,
    id: Uuid,
) -> Result<Option<R>, StoreError> {
    catalog.get(R::KIND, workspace, id).await?.map(|document| document.read()).transpose()
}

/// One resource, typed; an error when it is not in the workspace.
pub async fn require<R: Resource>(
    catalog: &dyn Catalog,
    workspace: WorkspaceId,
    id: Uuid,
) -> Result<R, CatalogError> {
    load(catalog, workspace, id).await?.ok_or(CatalogError::NotFound)
}

/// A page of resources, typed.
pub async fn list<R: Resource>(
    catalog: &dyn Catalog,
    workspace: WorkspaceId,
    filter: &CatalogFilter,
    page: &PageRequest,
) -> Result<Page<R>, StoreError> {
    let found = catalog.find(R::KIND, workspace, filter, page).await?;
    let items = found.items.iter().map(Document::read).collect::<Result<Vec<R>, _>>()?;
    Ok(Page { items, next: found.next })
}
