//! Who a request is from and what it is called: `x-request-id`, and the client behind trusted proxies.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use rungate_core::id::{ExchangeId, RequestId};
use rungate_core::ports::{Clock, Entropy, fresh_uuid};
use rungate_gateway::arrival::Arrival;

/// The client's own label of a request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The proxies whose word counts.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Believes exactly these.
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client: the connection's other end, or what trusted proxies say. Each proxy appends whom it got the request
    /// from, so the last address that is no trusted proxy is the client; everything before it is the client's own word.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer.to_canonical();
        }
        let mut client = peer.to_canonical();
        for hop in hops(headers).iter().rev() {
            let Some(address) = parse_hop(hop) else { break };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn country(&self, peer: IpAddr, headers: &HeaderMap) -> Option<String> {
        let country = headers.get("cf-ipcountry").filter(|_| self.trusts(peer))?.to_str().ok()?;
        let is_code = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_code.then(|| country.to_ascii_uppercase())
    }
}

/// The addresses that proxies noted, nearest last: `X-Forwarded-For`, else `Forwarded`, else `X-Real-IP`.
fn hops(headers: &HeaderMap) -> Vec<String> {
    let entries = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|entry| entry.trim().to_owned()).collect()
    };
    let forwarded_for = entries("x-forwarded-for");
    if !forwarded_for.is_empty() {
        return forwarded_for;
    }
    let forwarded = entries("forwarded");
    if forwarded.is_empty() {
        return entries("x-real-ip");
    }
    // An element without `for` keeps its place as a hop that cannot be read.
    let parameter = |element: &String| {
        element
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("for"))
            .map_or_else(String::new, |(_, value)| value.trim_matches('"').to_owned())
    };
    forwarded.iter().map(parameter).collect()
}

/// Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:80`.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let unbracketed = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    unbracketed.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// The `x-request-id` of a request; an error when it is malformed or given twice with different values.
fn request_id(headers: &HeaderMap) -> Result<Option<RequestId>, ()> {
    let mut values = headers.get_all(REQUEST_ID).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        return Err(());
    }
    let text = first.to_str().map_err(drop)?;
    RequestId::parse(text).map(Some).map_err(drop)
}

/// Notes the arrival of a request.
pub fn note(
    peer: IpAddr,
    headers: &HeaderMap,
    proxies: &TrustedProxies,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Arrival {
    let (request_id, request_id_malformed) = match request_id(headers) {
        Ok(id) => (id, false),
        Err(()) => (None, true),
    };
    let at = clock.now();
    Arrival {
        id: ExchangeId::new(fresh_uuid(entropy, at)),
        request_id,
        request_id_malformed,
        client_ip: proxies.client(peer, headers),
        country: proxies.country(peer, headers),
        at,
        started: clock.monotonic(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn client(peer: &str, pairs: &[(&'static str, &str)]) -> String {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        proxies.client(peer.parse().unwrap(), &headers(pairs)).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let forged = [("x-forwarded-for", "1.1.1.1")];
        assert_eq!(client("8.8.8.8", &forged), "8.8.8.8");
        assert_eq!(client("10.0.0.1", &forged), "1.1.1.1");
        assert_eq!(client("::ffff:10.0.0.1", &forged), "1.1.1.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 9.9.9.9, 10.0.0.2")]), "9.9.9.9");
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, unknown, 10.0.0.2")]), "10.0.0.2");
        let twice = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "9.9.9.9")];
        assert_eq!(client("10.0.0.1", &twice), "9.9.9.9");
        let forwarded = [("forwarded", "for=6.6.6.6, For=\"[2001:db8::1]:4711\";proto=https, for=10.0.0.3")];
        assert_eq!(client("10.0.0.1", &forwarded), "2001:db8::1");
        assert_eq!(client("fd00::1", &[("x-real-ip", "1.2.3.4")]), "1.2.3.4");
    }

    #[test]
    fn the_country_is_two_letters_of_a_trusted_proxy() {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let country = |peer: &str, value: &str| {
            proxies.country(peer.parse().unwrap(), &headers(&[("cf-ipcountry", value)]))
        };
        assert_eq!(country("10.0.0.1", "de").as_deref(), Some("DE"));
        assert_eq!(country("10.0.0.1", "Germany"), None);
        assert_eq!(country("8.8.8.8", "DE"), None);
    }

    #[test]
    fn w_022_malformed_request_ids_are_told_from_absent_ones() {
        let read = |values: &[&str]| {
            let pairs: Vec<_> = values.iter().map(|value| ("x-request-id", *value)).collect();
            request_id(&headers(&pairs)).map(|id| id.map(|id| id.to_string()))
        };
        assert_eq!(read(&[]), Ok(None));
        let longest = "a".repeat(127);
        assert_eq!(read(&[&longest]), Ok(Some(longest.clone())));
        assert_eq!(read(&["a-1_B", "a-1_B"]), Ok(Some("a-1_B".to_owned())));
        for bad in [&["a", "b"][..], &[""], &["a b"], &["a.b"], &["é"], &["a,a"], &[&"a".repeat(128)]] {
            assert_eq!(read(bad), Err(()), "{bad:?}");
        }
    }
}
