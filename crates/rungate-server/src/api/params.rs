//! What the path and the query of a request say.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use rungate_core::code::Code;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::error::ApiError;

/// The query of a request. Unknown parameters are ignored, empty ones count as absent.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// The last value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let hit = |(key, value): &&(String, String)| key == name && !value.is_empty();
        self.0.iter().rev().find(hit).map(|(_, value)| &**value)
    }

    /// Every value of a parameter that may be repeated.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, value)| key == name && !value.is_empty()).map(|(_, value)| &**value)
    }

    /// Every parameter in the order it came, empty ones included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The same without some parameters.
    pub fn without(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect())
    }

    /// A parameter that is read by its type; 400 saying what is `allowed` when it cannot be.
    pub fn parse<T: FromStr>(&self, name: &str, allowed: &str) -> Result<Option<T>, ApiError> {
        let read = |text: &str| text.parse().map_err(|_| ApiError::field(name, "format", allowed));
        self.get(name).map(read).transpose()
    }

    /// Every value of a parameter, each of which must be one of `allowed`.
    pub fn one_of(&self, name: &str, allowed: &[&str]) -> Result<Vec<String>, ApiError> {
        let check = |value: &str| {
            if allowed.contains(&value) {
                return Ok(value.to_owned());
            }
            Err(ApiError::field(name, "one_of", format!("must be one of {}", allowed.join(", "))))
        };
        self.all(name).map(check).collect()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Params {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|_| ApiError::new(Code::InvalidRequest, "the query cannot be read"))
    }
}

/// The `{id}` of a path. Text that is no UUID names nothing, so it is 404.
#[derive(Debug, Clone, Copy)]
pub struct Id(pub Uuid);

/// The `{id}` of a key in a path. Text that is no UUID is 400 `invalid_key_id`.
#[derive(Debug, Clone, Copy)]
pub struct KeyId(pub Uuid);

/// The `{id}` of a path as text, percent-decoded.
#[derive(Debug, Clone)]
pub struct Name(pub String);

async fn path<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, ApiError> {
    let path = Path::<T>::from_request_parts(parts, state).await;
    path.map(|Path(value)| value).map_err(|_| ApiError::not_found("path"))
}

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        path(parts, state).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text: String = path(parts, state).await?;
        text.parse().map(Self).map_err(|_| ApiError::new(Code::NotFound, "not found"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KeyId {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text: String = path(parts, state).await?;
        text.parse().map(Self).map_err(|_| ApiError::new(Code::InvalidKeyId, "a key id is a UUID").at("id"))
    }
}
