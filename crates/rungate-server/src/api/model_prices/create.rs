//! `POST /model-prices`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::{Head, PriceOverride};
use rungate_core::ports::{Write, fresh_uuid};
use rungate_core::time::Timestamp;
use rungate_llm::catalog::Price;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::view::ModelPriceView;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, to_json};
use crate::api::error::ApiError;
use crate::api::idempotency::Post;
use crate::api::json::{Checks, Request};
use crate::api::provider_keys::rules;
use crate::services::Services;

/// A new price.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateModelPrice {
    /// The provider's id.
    provider: String,
    /// The model as the provider calls it.
    model: String,
    /// `inputPerMTok`, `outputPerMTok`, `cachedInputPerMTok` …: US dollars as decimal strings.
    #[schema(value_type = Object)]
    prices: Value,
    /// In force from this time on; absent: from now on.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    effective_from: Option<Timestamp>,
}

impl Request for CreateModelPrice {
    fn check(&self, checks: &mut Checks) {
        checks.length("model", &self.model, 1..=200);
        if let Err(error) = price(&self.prices) {
            checks.fail("prices", "price", error);
        }
    }
}

/// The prices in their one spelling, `0.1` rather than `0.10` or `1e-1`.
fn price(prices: &Value) -> Result<Value, String> {
    let price = Price::deserialize(prices).map_err(|error| error.to_string())?;
    serde_json::to_value(price).map_err(|error| error.to_string())
}

/// Set the workspace's own price of a model.
#[utoipa::path(post, path = "/api/v1/model-prices", tag = "Prices", request_body = CreateModelPrice,
    responses((status = 201, body = Envelope<ModelPriceView>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Post { body, once }: Post<CreateModelPrice>,
) -> Result<Response, ApiError> {
    let provider = rules::provider(&body.provider)?;
    let prices = price(&body.prices).map_err(|error| ApiError::field("prices", "price", error))?;
    let now = services.clock.now();
    let price = PriceOverride {
        head: Head::new(fresh_uuid(&*services.entropy, now), caller.workspace, now),
        provider: provider.id.to_owned(),
        model: body.model,
        prices,
        effective_from: body.effective_from.unwrap_or(now),
        deleted_at: None,
    };
    let writes = vec![Write::insert(&price)?];
    let answer = to_json(&Envelope::of(ModelPriceView::from(price)))?;
    once.commit(&services, writes, StatusCode::CREATED, answer).await
}
