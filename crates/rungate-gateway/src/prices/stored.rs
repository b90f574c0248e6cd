//! Catalogues as the catalog role keeps them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rungate_core::agent::{
    ActivePrices, Head, INSTALLATION, PriceSnapshot, PriceSnapshotData, Resource as _,
};
use rungate_core::id::PatId;
use rungate_core::ports::{self, Catalog, StoreError, Write};
use rungate_core::time::Timestamp;
use rungate_llm::catalog::Catalogue;
use uuid::Uuid;

/// The largest catalogue, as text.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Written once and read rarely, so it may take a moment.
const LEVEL: i32 = 12;

/// Which catalogue was chosen; `None` when nobody has.
pub async fn active(catalog: &dyn Catalog) -> Result<Option<ActivePrices>, StoreError> {
    ports::load(catalog, INSTALLATION, ActivePrices::id()).await
}

/// What is known of a stored catalogue.
pub async fn describe(catalog: &dyn Catalog, id: &str) -> Result<Option<PriceSnapshot>, StoreError> {
    let found = catalog.get_unique(PriceSnapshot::KIND, PriceSnapshot::NAME, id).await?;
    found.map(|document| document.read()).transpose()
}

/// A stored catalogue.
pub async fn read(catalog: &dyn Catalog, id: &str) -> Result<Option<Catalogue>, StoreError> {
    let Some(snapshot) = describe(catalog, id).await? else { return Ok(None) };
    let data = ports::load::<PriceSnapshotData>(catalog, INSTALLATION, snapshot.head.id).await?;
    let damaged = |why: &str| StoreError::Corrupt(format!("price snapshot {id}: {why}"));
    let data = data.ok_or_else(|| damaged("its models are missing"))?;
    let read = tokio::task::spawn_blocking(move || unpack(&data.packed)).await;
    let catalogue = read.map_err(|_| damaged("it cannot be unpacked"))?.map_err(|why| damaged(&why))?;
    // The id ends in the hash of the models, so this also notices models that were changed in place.
    if catalogue.snapshot_id() != id || !catalogue.is_sealed() {
        return Err(damaged("its models are not those that it was stored with"));
    }
    Ok(Some(catalogue))
}

/// What stores `catalogue`.
pub fn write(
    catalogue: &Catalogue,
    id: Uuid,
    source: String,
    stored_by: Option<PatId>,
    now: Timestamp,
) -> Result<(PriceSnapshot, Vec<Write>), StoreError> {
    let head = Head::new(id, INSTALLATION, now);
    let name = catalogue.snapshot_id().to_owned();
    let packed = pack(&catalogue.to_text()).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let data = PriceSnapshotData { head: head.clone(), name: name.clone(), packed };
    let priced = catalogue.models().iter().filter(|model| !model.prices.is_empty()).count();
    let snapshot = PriceSnapshot {
        head,
        name,
        source,
        models: catalogue.models().len() as u64,
        priced: priced as u64,
        stored_by,
    };
    let writes = vec![Write::insert(&snapshot)?, Write::insert(&data)?];
    Ok((snapshot, writes))
}

fn pack(text: &str) -> std::io::Result<String> {
    Ok(STANDARD.encode(zstd::bulk::compress(text.as_bytes(), LEVEL)?))
}

fn unpack(packed: &str) -> Result<Catalogue, String> {
    let bytes = STANDARD.decode(packed).map_err(|error| error.to_string())?;
    let text = zstd::bulk::decompress(&bytes, MAX_BYTES).map_err(|error| error.to_string())?;
    let text = String::from_utf8(text).map_err(|error| error.to_string())?;
    Catalogue::parse(&text).map_err(|error| error.to_string())
}
