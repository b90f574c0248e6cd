//! Why the server did not give what was asked for, in words for the person at the terminal.

use std::time::Duration;

/// Why the server did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be used.
    #[error("`{0}` is no address of a server; it looks like http://127.0.0.1:8787")]
    BadUrl(String),
    /// The machine's certificates cannot be read.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// Somebody listens there, but no secure connection came about.
    #[error(
        "no secure connection to {url}: {reason}; does the server speak https, with a certificate this machine trusts?"
    )]
    Untrusted {
        /// The server.
        url: String,
        /// What was wrong.
        reason: String,
    },
    /// Nobody listens there.
    #[error(
        "no server answers at {url} ({reason}); start it with `rungate serve`, or say where it runs with --url or RUNGATE_URL"
    )]
    NotRunning {
        /// The server.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// It listens, but does not answer.
    #[error("{url} did not answer within {} s", .limit.as_secs())]
    TimedOut {
        /// The server.
        url: String,
        /// How long it had.
        limit: Duration,
    },
    /// The connection ended within the answer.
    #[error("the connection to {url} broke: {reason}")]
    Broken {
        /// The server.
        url: String,
        /// Why.
        reason: String,
    },
    /// An answer that is not the API's.
    #[error("{url} answered {status} in a form that is not Rungate's; is it a Rungate server?")]
    Foreign {
        /// The server.
        url: String,
        /// The status.
        status: u16,
    },
    /// A row whose fields are not as this version knows them.
    #[error("an answer cannot be read: {0}; is the server of another version than this command?")]
    Unreadable(String),
    /// No token was given.
    #[error(
        "a token is needed: pass --token or set RUNGATE_TOKEN. The owner token was shown at the server's first start; \
         `rungate owner-token reset` replaces a lost one"
    )]
    NoToken,
    /// The token was not accepted.
    #[error(
        "the server does not accept this token ({0}); check --token and RUNGATE_TOKEN. `rungate owner-token reset` \
         replaces a lost owner token"
    )]
    Unauthorized(String),
    /// Any other error of the API.
    #[error("the server refused ({code}): {message}")]
    Refused {
        /// The status.
        status: u16,
        /// The symbolic code.
        code: String,
        /// What the server said.
        message: String,
    },
}

impl ClientError {
    /// Whether what was asked for is not there.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// What lies at the bottom of an error.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Whether a handshake failed. An `io::Error` hides what it wraps from `source`, also another one.
pub(super) fn is_of_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|mut cause| {
        while let Some(wrapped) = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            cause = wrapped;
        }
        cause.is::<rustls::Error>()
    })
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |cause| cause.source())
}
