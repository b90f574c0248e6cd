//! `ip_allowlist`: from which addresses requests may come.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use crate::code::Code;
use crate::policy::config::{ConfigError, bounded, read};
use crate::policy::facts::{Facts, Judgement};
use crate::policy::rule_types::{Guard, Rule};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    cidrs: Vec<String>,
}

#[derive(Debug)]
struct IpAllowlist(Vec<IpNet>);

pub(super) fn compile(config: &Value) -> Result<Rule, ConfigError> {
    let Config { cidrs } = read(config)?;
    bounded("cidrs", &cidrs)?;
    if cidrs.is_empty() {
        return Err(ConfigError::at("cidrs", "must name at least one network"));
    }
    let net = |(index, text): (usize, &String)| {
        let refuse = |reason: &str| ConfigError::at(format!("cidrs[{index}]"), reason);
        let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let net = parsed.map_err(|_| refuse("not a network such as 10.0.0.0/8 or 2001:db8::/32"))?;
        match net {
            IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => {
                Err(refuse("a mapped IPv4 network: write it as IPv4"))
            }
            net if net.addr() != net.network() => Err(refuse("has bits below its prefix length")),
            net => Ok(net),
        }
    };
    let nets = cidrs.iter().enumerate().map(net).collect::<Result<_, _>>()?;
    Ok(Rule::Guard(Box::new(IpAllowlist(nets))))
}

impl Guard for IpAllowlist {
    fn judge(&self, facts: &Facts<'_>) -> Judgement {
        let ip = facts.client_ip.map(|ip| ip.to_canonical());
        if ip.is_some_and(|ip| self.0.iter().any(|net| net.contains(&ip))) {
            return Judgement::allow();
        }
        Judgement::deny(Code::IpNotAllowed, "the client's address is not in an allowed network")
    }
}
