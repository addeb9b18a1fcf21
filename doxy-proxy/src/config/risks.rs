//! Which risks a policy opens, and which of them a socket may open.
//!
//! What decides is what `doxy coverage` says. It must never take what it does not know for closed.

use doxy_filter::api::{Api, Endpoint, Risk, endpoints};
use doxy_filter::{Access, Request, Verdict};
use doxy_proxy::Policy;

use crate::config::error::ConfigError;
use crate::config::settings::Setting;

/// What nobody may have over TCP without a certificate, unless the settings accept it.
const AT_THE_DOOR: [Risk; 2] = [Risk::HostRoot, Risk::Exec];
/// The name of an object.
const NAME: &str = "web";

/// A risk, with an endpoint that has it.
pub(super) type Opened = (Risk, &'static Endpoint);

/// Every risk that a policy opens at a socket, the worst first: of all endpoints that `doxy coverage`
/// does not call denied. It takes up to a second.
pub(super) fn of(policy: &Policy, socket: &str) -> Vec<Opened> {
    let coverage = policy.coverage(socket).endpoints.into_iter();
    let reached = coverage.filter(|it| it.access != Access::Denied);
    listed(reached.map(|it| it.endpoint))
}

/// What the rules of a policy open, by samples alone, for a line in the log: it is quick, and may miss
/// what only some names reach.
pub(super) fn in_samples(policy: &Policy) -> Vec<Risk> {
    let allowed = |endpoint: &&'static Endpoint| {
        let method = endpoint.method;
        samples(endpoint).iter().any(|path| {
            let request = Request {
                method,
                path,
                query: None,
            };
            matches!(policy.rules().decide(&request), Verdict::Allow(_))
        })
    };
    let opened = listed(endpoints().filter(|_| policy.asks_rules()).filter(allowed));
    opened.into_iter().map(|(risk, _)| risk).collect()
}

fn listed(opened: impl Iterator<Item = &'static Endpoint>) -> Vec<Opened> {
    let opened: Vec<_> = opened.collect();
    let of = |risk: Risk| {
        let first = opened
            .iter()
            .find(|endpoint| endpoint.risks.contains(&risk));
        first.map(|endpoint| (risk, *endpoint))
    };
    Risk::ALL.into_iter().filter_map(of).collect()
}

/// Paths of an endpoint, with a version and without one.
fn samples(endpoint: &Endpoint) -> [String; 2] {
    let mut path = String::new();
    for piece in endpoint.template.split('{') {
        match piece.split_once('}') {
            Some((_, text)) => path.extend([NAME, text]),
            None => path.push_str(piece),
        }
    }
    let version = match endpoint.api {
        Api::Docker => "/v1.44",
        Api::Libpod => "/v5.0.0",
    };
    [format!("{version}{path}"), path]
}

/// A class of risk by its name.
pub(super) fn class(setting: &Setting) -> Result<Risk, ConfigError> {
    let name = setting.text()?;
    Risk::named(name).ok_or_else(|| {
        let all: Vec<_> = Risk::ALL.into_iter().map(Risk::name).collect();
        setting.wrong(
            "no class of risk",
            format_args!("the classes are {}", all.join(", ")),
        )
    })
}

/// Refuses an address of TCP, without client certificates, whose policy opens what is not accepted.
pub(super) fn check(
    address: &Setting,
    opened: &[Opened],
    accepted: &[Risk],
) -> Result<(), ConfigError> {
    let refused = |(risk, _): &&Opened| AT_THE_DOOR.contains(risk) && !accepted.contains(risk);
    let refused: Vec<_> = opened.iter().filter(refused).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = refused.iter().map(|(risk, _)| risk.name()).collect();
    let each = refused.iter().map(|(risk, endpoint)| {
        let template = endpoint.template.replace(":.*}", "}").replace(":.+}", "}");
        format!("{} ({} {template})", risk.name(), endpoint.method)
    });
    let each: Vec<_> = each.collect();
    Err(address.wrong(
        format_args!(
            "everyone who gets in over TCP would have {}",
            each.join(" and ")
        ),
        format_args!(
            "set tls-client-ca with tls-cert and tls-key, allow less, or accept it: accept-risk {}",
            names.join(",")
        ),
    ))
}
