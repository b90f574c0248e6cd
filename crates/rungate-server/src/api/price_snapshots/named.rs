//! Catalogues by what a request calls them.

use std::sync::Arc;

use rungate_llm::catalog::Catalogue;

use crate::api::error::ApiError;
use crate::services::Services;

/// Names the catalogue that the build carries.
pub const EMBEDDED: &str = "embedded";
/// Names the catalogue in force.
pub const ACTIVE: &str = "active";

/// The catalogue of an id, of `embedded` or of `active`; `None` when there is none.
pub async fn find(services: &Services, name: &str) -> Result<Option<Arc<Catalogue>>, ApiError> {
    match name {
        ACTIVE => Ok(Some(services.prices.load_full())),
        EMBEDDED => Ok(Some(Arc::clone(services.prices.embedded()))),
        id => Ok(services.prices.find(&*services.catalog, id).await?),
    }
}

/// The same; 404 when there is none.
pub async fn require(services: &Services, name: &str) -> Result<Arc<Catalogue>, ApiError> {
    find(services, name).await?.ok_or_else(|| ApiError::not_found("price snapshot"))
}
