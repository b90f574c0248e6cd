//! Where the gateway may connect to: every address a tenant can choose passes through here.
//!
//! A name is resolved once, every address it has is checked, and the connection is made to a checked address, so
//! that a name that changes its address between check and use gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use ipnet::IpNet;

/// The operator's exceptions: hosts and networks that are otherwise refused.
#[derive(Debug, Clone, Default)]
pub struct EgressRules {
    hosts: Vec<String>,
    networks: Vec<IpNet>,
}

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// Not an absolute URL.
    #[error("not an absolute http or https URL")]
    NotAUrl,
    /// `http` to a host that is not allow-listed.
    #[error("http is only allowed to hosts that the operator allows (egress.allow); use https")]
    PlainHttp,
    /// `user:password@` in the URL.
    #[error("a user name or password in a URL is not allowed")]
    UserInfo,
    /// `?…`: paths are put behind the URL.
    #[error("a query is not allowed")]
    Query,
    /// `.` or `..` in the path, also percent-encoded.
    #[error("dot segments in a path are not allowed")]
    DotSegment,
    /// The address is in a range that is refused.
    #[error("{0} is a private or reserved address; the operator can open it with egress.allow")]
    Address(IpAddr),
}

impl EgressRules {
    /// Reads the operator's list: host names, addresses and CIDR networks. The error is the entry that is none.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, String> {
        let mut rules = Self::default();
        for entry in entries {
            let entry = entry.as_ref().trim();
            if let Ok(network) = entry.parse::<IpNet>() {
                rules.networks.push(network);
            } else if let Ok(address) = entry.parse::<IpAddr>() {
                rules.networks.push(IpNet::from(address));
            } else if is_host_name(entry) {
                rules.hosts.push(entry.to_ascii_lowercase());
            } else {
                return Err(entry.to_owned());
            }
        }
        Ok(rules)
    }

    /// Checks a URL that paths are put behind, as it is saved: as [`EgressRules::check_target`], and that it has no query.
    pub fn check_url(&self, url: &str) -> Result<Uri, EgressError> {
        let uri = self.check_target(url)?;
        if uri.query().is_some() { Err(EgressError::Query) } else { Ok(uri) }
    }

    /// Checks a URL that is called as it is: its form, and its address when it is a literal one. It may have a query.
    pub fn check_target(&self, url: &str) -> Result<Uri, EgressError> {
        if url.contains('#')
            || url.chars().any(|character| character.is_control() || character.is_whitespace())
        {
            return Err(EgressError::NotAUrl);
        }
        let uri: Uri = url.parse().map_err(|_| EgressError::NotAUrl)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(EgressError::NotAUrl);
        };
        if authority.as_str().contains('@') {
            return Err(EgressError::UserInfo);
        }
        if authority.port().is_none() && authority.as_str() != authority.host() {
            return Err(EgressError::NotAUrl);
        }
        let dots = |segment: &str| {
            let segment = segment.to_ascii_lowercase().replace("%2e", ".");
            segment == "." || segment == ".."
        };
        if uri.path().split('/').any(dots) {
            return Err(EgressError::DotSegment);
        }
        let host = host_of(&uri).ok_or(EgressError::NotAUrl)?;
        let literal: Option<IpAddr> = host.parse().ok();
        if let Some(address) = literal {
            self.check_address(&host, address)?;
        }
        match scheme {
            "https" => Ok(uri),
            "http" if self.allows_plain(&host, literal) => Ok(uri),
            "http" => Err(EgressError::PlainHttp),
            _ => Err(EgressError::NotAUrl),
        }
    }

    /// Checks an address that `host` resolved to, right before the connection is made.
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), EgressError> {
        let address = unmapped(address);
        if is_public(address) || self.opens(host, address) {
            return Ok(());
        }
        Err(EgressError::Address(address))
    }

    /// Whether the operator opened this host or address.
    fn opens(&self, host: &str, address: IpAddr) -> bool {
        self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
            || self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether a host may be spoken to without TLS: it is on the list itself, or `localhost` where the list opens
    /// loopback.
    fn allows_plain(&self, host: &str, literal: Option<IpAddr>) -> bool {
        let loopback =
            || self.networks.iter().any(|network| network.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        match literal {
            Some(address) => self.opens(host, unmapped(address)),
            None => {
                self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
                    || (host.eq_ignore_ascii_case("localhost") && loopback())
            }
        }
    }
}

/// The host of a URL without brackets.
pub fn host_of(uri: &Uri) -> Option<String> {
    let host = uri.host()?;
    Some(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

fn is_host_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

/// An IPv4 address written as IPv6 (mapped, or NAT64's well-known prefix) is judged as the IPv4 address it reaches.
fn unmapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    let segments = v6.segments();
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [a, b] = segments[6].to_be_bytes();
        let [c, d] = segments[7].to_be_bytes();
        return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    }
    address
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Refused: the special-purpose registry of RFC 6890 as far as it is not globally reachable.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocol = a == 192 && b == 0 && c == 0;
    let relay = a == 192 && b == 88 && c == 99;
    let benchmark = a == 198 && (18..20).contains(&b);
    !(a == 0
        || a >= 240
        || shared
        || protocol
        || relay
        || benchmark
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

/// Only global unicast, without documentation, 6to4 and Teredo (which can hide a private IPv4 address).
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let global = segments[0] & 0xe000 == 0x2000;
    let documentation =
        (segments[0] == 0x2001 && segments[1] == 0xdb8) || (segments[0] == 0x3fff && segments[1] < 0x1000);
    let special = segments[0] == 0x2001 && segments[1] < 0x200;
    let six_to_four = segments[0] == 0x2002;
    global && !documentation && !special && !six_to_four
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_and_reserved_addresses_are_refused() {
        let rules = EgressRules::default();
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(rules.check_address("x", address.parse().unwrap()).is_err(), "{address}");
        }
        for address in ["1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(rules.check_address("x", address.parse().unwrap()).is_ok(), "{address}");
        }
    }

    #[test]
    fn the_operator_opens_exactly_what_is_listed() {
        let rules = EgressRules::parse(&["127.0.0.0/8", "gpu.internal"]).unwrap();
        assert!(rules.check_url("http://127.0.0.1:11434/v1").is_ok());
        assert!(rules.check_url("http://localhost:11434").is_ok());
        assert!(rules.check_url("http://gpu.internal:8000").is_ok());
        assert!(rules.check_address("gpu.internal", "10.1.2.3".parse().unwrap()).is_ok());
        assert!(rules.check_address("other.internal", "10.1.2.3".parse().unwrap()).is_err());
        assert_eq!(
            rules.check_url("http://10.0.0.1"),
            Err(EgressError::Address("10.0.0.1".parse().unwrap()))
        );
        assert_eq!(EgressRules::parse(&["not a host"]).unwrap_err(), "not a host");
    }

    #[test]
    fn the_form_of_a_url_is_checked() {
        let rules = EgressRules::default();
        for url in
            ["https://api.example.com/v1", "https://api.example.com:8443", "https://[2606:4700::1]:8443/v1"]
        {
            assert!(rules.check_url(url).is_ok(), "{url}");
        }
        for (url, error) in [
            ("http://api.example.com", EgressError::PlainHttp),
            ("https://u:p@api.example.com", EgressError::UserInfo),
            ("https://api.example.com/a/%2E%2e/b", EgressError::DotSegment),
            ("https://api.example.com/#x", EgressError::NotAUrl),
            ("https://api.example.com/v1?key=x", EgressError::Query),
            ("https://api.example.com:99999/v1", EgressError::NotAUrl),
            ("ftp://api.example.com", EgressError::NotAUrl),
            ("/v1", EgressError::NotAUrl),
            ("", EgressError::NotAUrl),
        ] {
            assert_eq!(rules.check_url(url).unwrap_err(), error, "{url}");
            let as_target = rules.check_target(url).err();
            assert_eq!(as_target, Some(error).filter(|error| *error != EgressError::Query), "{url}");
        }
    }
}
