//! What the first lines of a policy say it opens, against what it opens.

use std::collections::BTreeSet;

use doxy_filter::api::{Api, Body, Endpoint, Risk, endpoints};
use doxy_script::Decision;

use crate::coverage::{ID, opened_by, sample};
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
