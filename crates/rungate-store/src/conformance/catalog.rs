//! The catalog suite.

use rungate_core::agent::{Head, ResourceKind};
use rungate_core::id::WorkspaceId;
use rungate_core::page::{Order, PageRequest};
use rungate_core::ports::{Catalog, CatalogError, CatalogFilter, Document, Write};
use rungate_core::time::Timestamp;
use uuid::Uuid;

/// The kind of all documents here.
pub(crate) const KIND: ResourceKind = ResourceKind::Agent;

/// Makes a test of each function below.
macro_rules! catalog_suite {
    ($open:path) => {
        $crate::conformance::stamp! { catalog, catalog, $open:
            a_document_comes_back_as_it_was_committed
            w_010_an_update_needs_the_next_version
            a_unique_name_is_taken_once_over_all_workspaces
            a_commit_is_all_or_nothing
            w_007_one_workspace_never_sees_anothers
            w_009_paging_is_stable_while_the_list_grows
            facets_and_search_narrow_a_list
            all_gives_every_workspace
        }
    };
}
pub(crate) use catalog_suite;

/// A workspace.
pub(crate) fn workspace(number: u128) -> WorkspaceId {
    WorkspaceId::new(Uuid::from_u128(number))
}

/// A small document.
pub(crate) fn document(id: u128, owner: u128, at: i64) -> Document {
    Document {
        kind: KIND,
        head: Head::new(Uuid::from_u128(id), workspace(owner), Timestamp::from_micros(at)),
        unique: Vec::new(),
        facets: Vec::new(),
        search: format!("Agent {id}"),
        json: format!("{{\"id\":{id}}}"),
    }
}

/// One with a unique name.
pub(crate) fn named(id: u128, owner: u128, name: &str) -> Document {
    let mut document = document(id, owner, 1);
    document.unique.push(("external_id".to_owned(), name.to_owned()));
    document
}

/// Its next version.
pub(crate) fn next(document: &Document) -> Document {
    let mut next = document.clone();
    next.head.version += 1;
    next
}

async fn found(catalog: &dyn Catalog, owner: u128, filter: &CatalogFilter, page: &PageRequest) -> Vec<u128> {
    let page = catalog.find(KIND, workspace(owner), filter, page).await.unwrap();
    page.items.iter().map(|document| document.head.id.as_u128()).collect()
}

fn page_of(limit: usize) -> PageRequest {
    PageRequest { limit, after: None, order: Order::Desc }
}

pub(crate) async fn a_document_comes_back_as_it_was_committed(catalog: &dyn Catalog) {
    let mut document = named(1, 1, "one");
    document.head.created_at = Timestamp::from_micros(1_234_567);
    document.facets = vec![("status".to_owned(), "active".to_owned())];
    let before = catalog.revision().await.unwrap();
    let after = catalog.commit(vec![Write::Insert(document.clone())]).await.unwrap();
    assert_eq!(after.0, before.0 + 1);
    assert_eq!(catalog.revision().await.unwrap(), after);
    let id = document.head.id;
    assert_eq!(catalog.get(KIND, workspace(1), id).await.unwrap().as_ref(), Some(&document));
    let by_name = catalog.get_unique(KIND, "external_id", "one").await.unwrap();
    assert_eq!(by_name.as_ref(), Some(&document));
    assert_eq!(catalog.get(ResourceKind::Member, workspace(1), id).await.unwrap(), None);
    assert_eq!(catalog.get_unique(ResourceKind::Member, "external_id", "one").await.unwrap(), None);
    assert_eq!(catalog.get_unique(KIND, "slug", "one").await.unwrap(), None);
}

pub(crate) async fn w_010_an_update_needs_the_next_version(catalog: &dyn Catalog) {
    let first = document(1, 1, 1);
    let unknown = catalog.commit(vec![Write::Update(next(&first))]).await;
    assert!(matches!(unknown, Err(CatalogError::NotFound)), "{unknown:?}");
    catalog.commit(vec![Write::Insert(first.clone())]).await.unwrap();
    let again = catalog.commit(vec![Write::Insert(first.clone())]).await;
    assert!(matches!(again, Err(CatalogError::AlreadyExists(ref name)) if name == "id"), "{again:?}");
    for stale in [first.clone(), next(&next(&first))] {
        let refused = catalog.commit(vec![Write::Update(stale)]).await;
        assert!(matches!(refused, Err(CatalogError::VersionConflict)), "{refused:?}");
    }
    catalog.commit(vec![Write::Update(next(&first))]).await.unwrap();
    let mut foreign = next(&next(&first));
    foreign.head.workspace_id = workspace(2);
    let refused = catalog.commit(vec![Write::Update(foreign)]).await;
    assert!(matches!(refused, Err(CatalogError::NotFound)), "{refused:?}");
    let stored = catalog.get(KIND, workspace(1), first.head.id).await.unwrap().unwrap();
    assert_eq!(stored.head.version, 2);
}

pub(crate) async fn a_unique_name_is_taken_once_over_all_workspaces(catalog: &dyn Catalog) {
    let first = named(1, 1, "same");
    catalog.commit(vec![Write::Insert(first.clone())]).await.unwrap();
    let taken = catalog.commit(vec![Write::Insert(named(2, 2, "same"))]).await;
    assert!(
        matches!(taken, Err(CatalogError::AlreadyExists(ref name)) if name == "external_id"),
        "{taken:?}"
    );
    assert_eq!(catalog.get(KIND, workspace(2), Uuid::from_u128(2)).await.unwrap(), None);

    // An update keeps its own name, and gives one up for others.
    let mut renamed = next(&first);
    catalog.commit(vec![Write::Update(renamed.clone())]).await.unwrap();
    renamed = next(&renamed);
    renamed.unique[0].1 = "other".to_owned();
    catalog.commit(vec![Write::Update(renamed), Write::Insert(named(2, 2, "same"))]).await.unwrap();
    let owner = catalog.get_unique(KIND, "external_id", "same").await.unwrap().unwrap();
    assert_eq!(owner.head.id.as_u128(), 2);

    // A delete frees the name.
    let delete = Write::Delete { kind: KIND, workspace: workspace(2), id: Uuid::from_u128(2) };
    catalog.commit(vec![delete, Write::Insert(named(3, 3, "same"))]).await.unwrap();
    let owner = catalog.get_unique(KIND, "external_id", "same").await.unwrap().unwrap();
    assert_eq!(owner.head.id.as_u128(), 3);
}

pub(crate) async fn a_commit_is_all_or_nothing(catalog: &dyn Catalog) {
    catalog.commit(vec![Write::Insert(named(1, 1, "one"))]).await.unwrap();
    let before = catalog.revision().await.unwrap();
    let refused = catalog
        .commit(vec![
            Write::Insert(named(2, 1, "two")),
            Write::Delete { kind: KIND, workspace: workspace(1), id: Uuid::from_u128(1) },
            Write::Insert(named(3, 1, "two")),
        ])
        .await;
    assert!(matches!(refused, Err(CatalogError::AlreadyExists(_))), "{refused:?}");
    assert_eq!(catalog.revision().await.unwrap(), before);
    assert_eq!(found(catalog, 1, &CatalogFilter::default(), &page_of(10)).await, [1]);
    assert_eq!(catalog.get_unique(KIND, "external_id", "two").await.unwrap(), None);
}

pub(crate) async fn w_007_one_workspace_never_sees_anothers(catalog: &dyn Catalog) {
    catalog.commit(vec![Write::Insert(document(1, 1, 1)), Write::Insert(document(2, 2, 1))]).await.unwrap();
    let filter = CatalogFilter::default();
    assert_eq!(found(catalog, 1, &filter, &page_of(10)).await, [1]);
    assert_eq!(found(catalog, 2, &filter, &page_of(10)).await, [2]);
    assert_eq!(catalog.count(KIND, workspace(1), &filter).await.unwrap(), 1);
    assert_eq!(catalog.get(KIND, workspace(1), Uuid::from_u128(2)).await.unwrap(), None);
    let delete = Write::Delete { kind: KIND, workspace: workspace(1), id: Uuid::from_u128(2) };
    assert!(matches!(catalog.commit(vec![delete]).await, Err(CatalogError::NotFound)));
    assert_eq!(found(catalog, 2, &filter, &page_of(10)).await, [2]);
}

pub(crate) async fn w_009_paging_is_stable_while_the_list_grows(catalog: &dyn Catalog) {
    // Three documents share each time, so that ties are broken by id.
    let insert = |id: u128| {
        let third = i64::try_from(id / 3).unwrap();
        Write::Insert(document(id, 1, third))
    };
    catalog.commit((1..=20).map(insert).collect()).await.unwrap();
    for order in [Order::Desc, Order::Asc] {
        let mut request = PageRequest { limit: 3, after: None, order };
        let mut seen = Vec::new();
        let mut newer = 1_000 + catalog.count(KIND, workspace(1), &CatalogFilter::default()).await.unwrap();
        loop {
            let page = catalog.find(KIND, workspace(1), &CatalogFilter::default(), &request).await.unwrap();
            seen.extend(page.items.iter().map(|document| document.head.id.as_u128()));
            if order == Order::Desc {
                newer += 1;
                catalog.commit(vec![insert(u128::from(newer))]).await.unwrap();
            }
            match page.next {
                Some(next) => request.after = Some(next),
                None => break,
            }
        }
        let mut expected: Vec<u128> = (1..=20).collect();
        if order == Order::Desc {
            expected.reverse();
        }
        seen.retain(|id| *id <= 20);
        assert_eq!(seen, expected, "{order:?}");
    }
}

pub(crate) async fn facets_and_search_narrow_a_list(catalog: &dyn Catalog) {
    let with = |id: u128, facets: &[(&str, &str)], search: &str| {
        let mut document = document(id, 1, i64::try_from(id).unwrap());
        document.facets =
            facets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        search.clone_into(&mut document.search);
        Write::Insert(document)
    };
    catalog
        .commit(vec![
            with(1, &[("status", "active"), ("env", "prod")], "Support Bot"),
            with(2, &[("status", "inactive"), ("env", "prod")], "50%_off Ärger"),
            with(3, &[("status", "archived"), ("env", "dev")], "support desk"),
        ])
        .await
        .unwrap();
    let facets = |facets: &[(&str, &[&str])]| CatalogFilter {
        facets: facets
            .iter()
            .map(|(name, values)| {
                ((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
            })
            .collect(),
        search: None,
    };
    let search = |text: &str| CatalogFilter { facets: Vec::new(), search: Some(text.to_owned()) };
    for (filter, expected) in [
        (facets(&[("status", &["active", "archived"])]), vec![3, 1]),
        (facets(&[("status", &["active", "archived"]), ("env", &["prod"])]), vec![1]),
        (facets(&[("env", &["staging"])]), vec![]),
        (facets(&[("env", &[])]), vec![3, 2, 1]),
        (search("SUPPORT"), vec![3, 1]),
        (search("0%_O"), vec![2]),
        (search("ärger"), vec![2]),
        (search("%"), vec![2]),
        (search(""), vec![3, 2, 1]),
    ] {
        assert_eq!(found(catalog, 1, &filter, &page_of(10)).await, expected, "{filter:?}");
        let count = catalog.count(KIND, workspace(1), &filter).await.unwrap();
        assert_eq!(count, expected.len() as u64, "{filter:?}");
    }
}

pub(crate) async fn all_gives_every_workspace(catalog: &dyn Catalog) {
    let writes = (1..=300).map(|id| Write::Insert(document(id, id % 7, 1))).collect();
    catalog.commit(writes).await.unwrap();
    assert_eq!(catalog.all(KIND).await.unwrap().len(), 300);
    assert_eq!(catalog.all(ResourceKind::Member).await.unwrap(), []);
    // A page never has more than 200.
    assert!(found(catalog, 1, &CatalogFilter::default(), &page_of(100_000)).await.len() <= 200);
}
