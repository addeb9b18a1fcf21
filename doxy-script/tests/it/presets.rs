//! What the first lines of a policy say it opens, against what it opens.

use std::collections::BTreeSet;

use doxy_filter::api::{Api, Body, Endpoint, Risk, endpoint_of, endpoints};
use doxy_script::Decision;

use crate::coverage::{ID, opened_by, sample};
use crate::dangerous::ELSEWHERE;
use crate::policies::{Policy, all};
use crate::support::Ask;

/// A policy that only teaches is no preset.
const NO_PRESET: &str = "tour.rhai";
/// What a script that judges the body, or whose object it is, can keep from its clients.
const KEPT: [Risk; 5] = [
    Risk::HostRoot,
    Risk::FilesIn,
    Risk::FilesOut,
    Risk::Exec,
    Risk::Egress,
];

/// An administrator chooses a preset by this line.
#[test]
fn what_a_preset_opens_is_what_it_says() {
    let mut wrong = Vec::new();
    for policy in all().iter().filter(|policy| policy.name != NO_PRESET) {
        let open = opened_by(policy);
        let endpoints = endpoints().filter(|it| match it.api {
            Api::Docker => open.contains(&format!("{} {}", it.method, it.template)),
            Api::Libpod => opens_libpod(policy, it),
        });
        let (mut least, mut most) = (BTreeSet::new(), BTreeSet::new());
        for endpoint in endpoints {
            let judged = policy.has_script
                && (endpoint.method != "GET" || matches!(endpoint.body, Body::Json(_)));
            for risk in endpoint.risks {
                most.insert(*risk);
                if !(judged && KEPT.contains(risk)) {
                    least.insert(*risk);
                }
            }
        }
        let named = policy.opens.iter().map(|name| Risk::named(name));
        let said: Option<BTreeSet<_>> = named.collect();
        let right = said.is_some_and(|said| said.is_superset(&least) && said.is_subset(&most));
        if !right {
            let spelled = |risks: &BTreeSet<Risk>| {
                let named = Risk::ALL.into_iter().filter(|risk| risks.contains(risk));
                named.map(Risk::name).collect::<Vec<_>>().join(", ")
            };
            wrong.push(format!(
                "{} says {}, but opens {}, at most {}",
                policy.name,
                policy.opens.join(", "),
                spelled(&least),
                spelled(&most)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether an endpoint of Podman's own is open. Scripts have none.
fn opens_libpod(policy: &Policy, endpoint: &Endpoint) -> bool {
    let target = format!("/v5.8.2{}", sample(endpoint, ID));
    let decision = Ask::new(endpoint.method, &target).of(&policy.script, policy.rules.as_ref());
    decision == Decision::Allow
}

/// Of all that the table of the API calls dangerous, and of all attacks, nothing gets through that the first
/// lines of a preset do not name.
#[test]
fn what_gets_through_is_named() {
    let dangerous = [
        Risk::HostRoot,
        Risk::Exec,
        Risk::FilesOut,
        Risk::FilesIn,
        Risk::Secrets,
        Risk::Egress,
    ];
    let bodies = ["", "{}", r#"{"Image":"busybox"}"#, r#"{"Cmd":["sh"]}"#];
    let of_table = endpoints().flat_map(|endpoint| {
        let version = match endpoint.api {
            Api::Docker => "/v1.51",
            Api::Libpod => "/v5.8.2",
        };
        [ID, "web", "registry.example.com"].map(|name| {
            let target = format!("{version}{}", sample(endpoint, name));
            (endpoint.method, target, "")
        })
    });
    let attacks = ELSEWHERE
        .iter()
        .map(|(method, target, body)| (*method, target.replace("NAME", "web"), *body));
    let requests: Vec<_> = of_table.chain(attacks).collect();
    assert!(requests.len() > 600, "{}", requests.len());
    for policy in all().iter().filter(|policy| policy.name != NO_PRESET) {
        for (method, target, body) in &requests {
            let path = target.split('?').next().unwrap_or_default();
            let Some(endpoint) = endpoint_of(method, path) else {
                panic!("{method} {target} is no endpoint");
            };
            let named = |risk: &Risk| policy.opens.iter().any(|name| name == risk.name());
            let risks: Vec<_> = endpoint
                .risks
                .iter()
                .filter(|risk| dangerous.contains(risk) && !named(risk))
                .collect();
            if risks.is_empty() {
                continue;
            }
            for body in bodies.iter().chain([body]) {
                let mut ask = Ask::new(method, target);
                if !body.is_empty() {
                    ask = ask.header("Content-Type", "application/json").body(*body);
                }
                let decision = ask.of(&policy.script, policy.rules.as_ref());
                let through = decision == Decision::Allow;
                assert!(
                    !through,
                    "{}: {method} {target} {body}: {risks:?}",
                    policy.name
                );
            }
        }
    }
}

/// A preset that is not tried against what it must not do is a guess.
#[test]
fn every_preset_has_denials_among_its_cases() {
    for policy in all().iter().filter(|policy| policy.name != NO_PRESET) {
        let denied: Vec<_> = policy.denied().collect();
        assert!(
            denied.len() >= 10,
            "{}: {} denials",
            policy.name,
            denied.len()
        );
        for part in ["/export", "/archive", "/attach/ws", "/top?ps_args"] {
            let allowed_by_original = policy.name == "original.pattern" && part == "/top?ps_args";
            let found = denied.iter().any(|target| target.contains(part));
            assert!(
                found || allowed_by_original,
                "{}: no case denies {part}",
                policy.name
            );
        }
    }
}
