//! Credentials: any will do, but some words in a key are refused.

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use crate::refusal::Refusal;
use crate::route::Dialect;

/// Refuses a missing key, and keys that contain `invalid` (401), `forbidden` (403) or `nofunds` (429 or 402).
pub(crate) fn check(headers: &HeaderMap, dialect: Dialect) -> Result<(), Refusal> {
    let key = key(headers).unwrap_or_default();
    match dialect {
        _ if key.contains("forbidden") => {
            let message = "Country, region, or territory not supported";
            Err(Refusal::new(StatusCode::FORBIDDEN, message)
                .with_code("unsupported_country_region_territory"))
        }
        Dialect::OpenAi if key.is_empty() => {
            let message =
                "You didn't provide an API key. Provide it as a bearer token in the Authorization header.";
            Err(Refusal::new(StatusCode::UNAUTHORIZED, message))
        }
        Dialect::OpenAi if key.contains("invalid") => Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            format!("Incorrect API key provided: {}.", part_of(key)),
        )),
        Dialect::OpenAi if key.contains("nofunds") => {
            let message = "You exceeded your current quota, please check your plan and billing details.";
            Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, message).with_code("insufficient_quota"))
        }
        Dialect::Anthropic if key.is_empty() => {
            Err(Refusal::new(StatusCode::UNAUTHORIZED, "x-api-key header is required"))
        }
        Dialect::Anthropic if key.contains("invalid") => {
            Err(Refusal::new(StatusCode::UNAUTHORIZED, format!("invalid x-api-key: {}", part_of(key))))
        }
        Dialect::Anthropic if key.contains("nofunds") => {
            let message =
                "Your credit balance is too low to access the API. Go to Plans & Billing to add credits.";
            Err(Refusal::new(StatusCode::PAYMENT_REQUIRED, message))
        }
        _ => Ok(()),
    }
}

fn key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    bearer.or_else(|| headers.get("x-api-key")?.to_str().ok())
}

/// The start and end of a key. Real providers repeat as much, and the gateway must not let it through.
fn part_of(key: &str) -> String {
    let start: String = key.chars().take(8).collect();
    let end: String = key.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    format!("{start}********{end}")
}
