//! Resolves a provider's name once and lets only checked addresses through.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

use crate::egress::{EgressError, EgressRules};

/// Resolves names through the system, and refuses the addresses that the rules refuse.
#[derive(Clone)]
pub struct CheckedResolver {
    rules: Arc<EgressRules>,
}

/// Why a name gives no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Every address it has is refused.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// It has none.
    #[error("the name cannot be resolved: {0}")]
    Lookup(#[from] std::io::Error),
}

impl CheckedResolver {
    pub const fn new(rules: Arc<EgressRules>) -> Self {
        Self { rules }
    }
}

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let rules = Arc::clone(&self.rules);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut refused = None;
            let mut allowed = Vec::new();
            for address in found {
                match rules.check_address(name.as_str(), address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match (allowed.is_empty(), refused) {
                (true, Some(error)) => Err(error.into()),
                (true, None) => Err(std::io::Error::new(std::io::ErrorKind::NotFound, "no addresses").into()),
                (false, _) => Ok(allowed.into_iter()),
            }
        })
    }
}
