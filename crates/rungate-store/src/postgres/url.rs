//! The address of a database: read once, and shown without its password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Longest wait for one address to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After so long without an answer to what was sent, a connection counts as lost.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);
const KEEPALIVES_IDLE: Duration = Duration::from_secs(30);

/// Where a PostgreSQL database is and how it is connected to. Never shows the password.
#[derive(Clone)]
pub struct DatabaseUrl {
    config: Config,
    tls: TlsMode,
    root_certificate: Option<PathBuf>,
}

/// How far the server's certificate is looked at; the meanings are those of `sslmode` everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS where the server has it; its certificate is not checked.
    Prefer,
    /// TLS or nothing; the certificate is not checked.
    Require,
    /// TLS or nothing; the certificate must be from a trusted authority and for this host.
    VerifyFull,
}

impl DatabaseUrl {
    /// What may be given, for people.
    pub const ALLOWED: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE, with ?sslmode=disable, prefer, require or \
         verify-full where wanted; characters such as @ : / ? # % in the password as %40 and the like";

    /// Reads an address; `None` when it is none. The reason is not told, since it may hold a piece of the password.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return None;
        }
        let (address, parameters) = text.split_once('?').unwrap_or((text, ""));
        let mut tls = TlsMode::Prefer;
        let mut root_certificate = None;
        let mut others = Vec::new();
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=')? {
                ("sslmode", mode) => tls = TlsMode::parse(mode)?,
                ("sslrootcert", path) => root_certificate = Some(PathBuf::from(path)),
                _ => others.push(parameter),
            }
        }
        let address =
            if others.is_empty() { address.to_owned() } else { format!("{address}?{}", others.join("&")) };
        let mut config = Config::from_str(&address).ok()?;
        if config.get_hosts().is_empty() || config.get_user().is_none() || config.get_dbname().is_none() {
            return None;
        }
        config.ssl_mode(match tls {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyFull => SslMode::Require,
        });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config.tcp_user_timeout(TCP_USER_TIMEOUT).keepalives_idle(KEEPALIVES_IDLE);
        if config.get_application_name().is_none() {
            config.application_name("rungate");
        }
        Some(Self { config, tls, root_certificate })
    }

    /// The settings of a connection, with session parameters of ours behind those of the address.
    pub(crate) fn config(&self, parameters: &[(&str, &str)]) -> Config {
        let mut options = self.config.get_options().unwrap_or_default().to_owned();
        for (name, value) in parameters {
            // What the address says comes last and wins.
            options = format!("-c {name}={value} {options}");
        }
        let mut config = self.config.clone();
        config.options(options.trim_end());
        config
    }

    /// How far the certificate is looked at.
    pub(crate) fn tls(&self) -> TlsMode {
        self.tls
    }

    /// The file of trusted authorities, in place of the system's.
    pub(crate) fn root_certificate(&self) -> Option<&PathBuf> {
        self.root_certificate.as_ref()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        write!(f, "postgres://{}@", config.get_user().unwrap_or_default())?;
        for (index, host) in config.get_hosts().iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
            if let Some(port) = config.get_ports().get(index).or_else(|| config.get_ports().first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({:?})", self.tls)
    }
}

impl TlsMode {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_the_password() {
        let url = DatabaseUrl::parse("postgres://rungate:s%40cret@db.internal:6432/log?sslmode=verify-full")
            .unwrap();
        assert_eq!(url.to_string(), "postgres://rungate@db.internal:6432/log");
        assert_eq!(url.tls(), TlsMode::VerifyFull);
        assert_eq!(url.config.get_password(), Some(&b"s@cret"[..]));
        assert!(!format!("{url:?} {:?}", url.config(&[])).contains("cret"));
        let several = DatabaseUrl::parse("postgresql://u@a:1,b:2/d?target_session_attrs=read-write").unwrap();
        assert_eq!(several.to_string(), "postgres://u@a:1,b:2/d");
        assert_eq!(several.tls(), TlsMode::Prefer);
    }

    #[test]
    fn what_is_no_address_of_a_database_is_refused() {
        for bad in [
            "",
            "mysql://u@h/d",
            "postgres://",
            "postgres://u@h",
            "postgres://h/d",
            "postgres://u:p@h:port/d",
            "postgres://u@h/d?sslmode=verify-ca",
            "postgres://u@h/d?sslmode",
            "postgres://u@h/d?colour=red",
        ] {
            assert!(DatabaseUrl::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn session_parameters_of_the_address_win() {
        let url = DatabaseUrl::parse("postgres://u@h/d?options=-c%20statement_timeout%3D5s").unwrap();
        let config = url.config(&[("statement_timeout", "30s"), ("lock_timeout", "10s")]);
        assert_eq!(
            config.get_options(),
            Some("-c lock_timeout=10s -c statement_timeout=30s -c statement_timeout=5s")
        );
    }
}
