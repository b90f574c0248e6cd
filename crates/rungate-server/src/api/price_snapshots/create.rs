//! `POST /price-snapshots`

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request as HttpRequest, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use rungate_core::code::Code;
use rungate_core::ports::fresh_uuid;
use rungate_gateway::prices::stored;
use rungate_llm::catalog::{self, Catalogue, Diff, Model};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::view::{DiffView, PriceSnapshotView, name};
use crate::api::auth::Operator;
use crate::api::envelope::Envelope;
use crate::api::error::ApiError;
use crate::api::json::{Checks, Request, parse, read_body};
use crate::api::params::Params;
use crate::api::resources;
use crate::services::Services;

/// The largest body: some ten thousand models.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// A price that went up or down by more than this, in hundredths of a percent of the old one, is pointed out: it is more
/// often a slip than a decision.
const TENFOLD_UP: i64 = 90_000;
const TENFOLD_DOWN: i64 = -9_000;
/// How many models a warning names.
const MAX_NAMED: usize = 20;

/// A price catalogue to be stored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreatePriceSnapshot {
    /// Where it came from: an address or the name of a file.
    source: String,
    /// The catalogue: `snapshotId` and `models`, in order of provider and id.
    #[schema(value_type = Object)]
    #[expect(
        dead_code,
        reason = "read from the bytes of the body, which still have every field as it was sent"
    )]
    catalogue: Value,
}

impl Request for CreatePriceSnapshot {
    fn check(&self, checks: &mut Checks) {
        checks.length("source", &self.source, 1..=500);
    }
}

/// A body whose catalogue has been read.
pub struct Upload {
    source: String,
    catalogue: Catalogue,
}

/// The catalogue in a body, as it stands there: a tree would hide fields that stand twice.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    catalogue: &'a RawValue,
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = ApiError;
    async fn from_request(request: HttpRequest, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, MAX_BODY_BYTES).await?;
        let CreatePriceSnapshot { source, .. } = parse(&bytes)?;
        let wrong = |message: String| ApiError::field("catalogue", "catalogue", message);
        let raw: Raw<'_> = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let catalogue = Catalogue::parse(raw.catalogue.get()).map_err(|error| wrong(error.to_string()))?;
        // Checked with the id that it gets, which is the longer one.
        let catalogue = catalogue.sealed();
        catalog::check(&catalogue).map_err(|faults| wrong(faults.to_string()))?;
        Ok(Self { source, catalogue })
    }
}

/// A price catalogue that was stored, or would be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredView {
    /// What is known of it; null when it was only looked at.
    snapshot: Option<PriceSnapshotView>,
    /// What to look at before requests are priced by it.
    warnings: Vec<String>,
    /// How it differs from the catalogue in force.
    difference: DiffView,
}

/// Store a price catalogue. Requests are not priced by it before it is activated. The same catalogue again: the same
/// answer.
#[utoipa::path(post, path = "/api/v1/price-snapshots", tag = "Prices", request_body = CreatePriceSnapshot,
    params(("dryRun" = Option<bool>, Query, description = "Check it, say what differs, and store nothing")),
    responses((status = 201, body = Envelope<StoredView>), (status = 200, body = Envelope<StoredView>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Operator(caller): Operator,
    params: Params,
    Upload { source, catalogue }: Upload,
) -> Result<Response, ApiError> {
    let dry_run = params.parse::<bool>("dryRun", "must be true or false")?.unwrap_or(false);
    let in_force = services.prices.load_full();
    let found = catalog::diff(&in_force, &catalogue);
    let warnings = warnings(&in_force, &catalogue, &found);
    let difference = DiffView::new(in_force.snapshot_id(), catalogue.snapshot_id(), found, None);
    let already = stored::describe(&*services.catalog, catalogue.snapshot_id()).await?;
    let (status, snapshot) = match already {
        Some(snapshot) => {
            let there = stored::read(&*services.catalog, catalogue.snapshot_id()).await?;
            if there.is_none_or(|there| there.models() != catalogue.models()) {
                let message = "another catalogue has this snapshotId; choose another name for this one";
                return Err(ApiError::new(Code::AlreadyExists, message).at("catalogue.snapshotId"));
            }
            (StatusCode::OK, Some(snapshot))
        }
        None if dry_run => (StatusCode::OK, None),
        None => {
            let now = services.clock.now();
            let id = fresh_uuid(&*services.entropy, now);
            let (snapshot, writes) = stored::write(&catalogue, id, source, Some(caller.pat.id()), now)?;
            resources::commit(&services, writes).await?;
            tracing::info!(snapshot = snapshot.name, source = snapshot.source, "price catalogue stored");
            (StatusCode::CREATED, Some(snapshot))
        }
    };
    let view = |snapshot| PriceSnapshotView::new(snapshot, in_force.snapshot_id());
    let answer = StoredView { snapshot: snapshot.map(view), warnings, difference };
    Ok((status, Json(Envelope::of(answer))).into_response())
}

/// What is allowed, but more often wrong than right.
fn warnings(old: &Catalogue, new: &Catalogue, found: &Diff<'_>) -> Vec<String> {
    let had_a_price = |model: &&Model| !model.prices.is_empty();
    let gone: Vec<String> = found.removed.iter().copied().filter(had_a_price).map(name).collect();
    let lost: Vec<String> = found
        .changed
        .iter()
        .filter(|change| change.loses_its_price())
        .map(|change| name(change.model))
        .collect();
    let far = found.changed.iter().filter(|change| {
        let points = change.fields.iter().filter_map(|field| field.basis_points);
        points.into_iter().any(|points| points >= TENFOLD_UP || points <= TENFOLD_DOWN)
    });
    let far: Vec<String> = far.map(|change| name(change.model)).collect();
    let mut warnings = Vec::new();
    let mut warn = |models: &[String], what: &str| {
        if !models.is_empty() {
            let named = models[..models.len().min(MAX_NAMED)].join(", ");
            let more = if models.len() > MAX_NAMED { ", …" } else { "" };
            warnings.push(format!("{} {what}: {named}{more}", models.len()));
        }
    };
    warn(&lost, "lose their price, so that their costs would be unknown");
    warn(&gone, "that have a price are gone, so that their costs would be unknown");
    warn(&far, "change a price tenfold or more");
    if old.models().len() > 2 * new.models().len() {
        let (had, has) = (old.models().len(), new.models().len());
        warnings.push(format!("it has {has} models, less than half of the {had} in force"));
    }
    warnings
}
