//! `[server]`

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use crate::config::section::section;
use crate::config::setting::{Size, Whole};

section! {
    /// Where the server listens and how it treats connections.
    Server {
        /// Address and port. Anything but loopback should have TLS, here or in a proxy in front.
        listen: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);
        /// PEM file with the certificate chain; switches TLS on, together with `tls_key`.
        tls_cert: Option<PathBuf> = None;
        /// PEM file with the private key.
        tls_key: Option<PathBuf> = None;
        /// Proxies that are believed when they say who the client is: addresses and networks. From anybody else
        /// `X-Forwarded-For`, `Forwarded`, `X-Real-IP` and `CF-IPCountry` are ignored.
        trusted_proxies: Vec<IpNet> = Vec::new();
        /// Connections at a time; more wait until one is closed.
        max_connections: Whole<1, 1_000_000> = Whole::new(10_000);
        /// Largest head of a request: request line and headers.
        max_header_bytes: Size<8192> = Size::new(64 << 10);
        /// Seconds that a client may take to send the head of a request. An idle connection is closed after it too.
        header_read_timeout_seconds: Whole<1, 3600> = Whole::new(60);
        /// Seconds after which a client that takes nothing of its answer is taken for gone.
        write_timeout_seconds: Whole<1, 3600> = Whole::new(120);
        /// Seconds that requests in flight are given to end when the server is told to stop.
        shutdown_grace_seconds: Whole<0, 3600> = Whole::new(10);
    }
}
