//! Rules: the cost of a verdict by the number of rules, and the cost of loading them.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros make undocumented items; rules made here can be parsed"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use doxy_filter::{Request, RuleSet, Verdict, canonical_path};

fn decide(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    for count in [1, 10, 100, 1000, 10_000] {
        let rules = RuleSet::parse("bench", doxy_bench::rules(count).as_bytes()).unwrap();
        for (name, path) in doxy_bench::paths(count) {
            group.bench_with_input(BenchmarkId::new(name, count), &path, |b, path| {
                let request = Request {
                    method: "GET",
                    path,
                    query: None,
                };
                b.iter(|| rules.decide(black_box(&request)));
            });
        }
    }
    let rules = RuleSet::embedded().unwrap();
    for path in ["/_ping", "/v1.41/containers/json", "/v1.41/secrets"] {
        group.bench_with_input(BenchmarkId::new("defaults", path), path, |b, path| {
            let request = Request {
                method: "GET",
                path,
                query: None,
            };
            b.iter(|| rules.decide(black_box(&request)));
        });
    }
}

fn path(c: &mut Criterion) {
    let mut group = c.benchmark_group("canonical_path");
    for (name, path) in [
        ("plain", "/v1.41/containers/4e9f0e1f3bbd44b0d9b1/json"),
        (
            "encoded",
            "/v1.41/images/reg%3A5000%2Fteam%2Fapp%3A1.2/json",
        ),
        ("refused", "/v1.41/containers/x/../json"),
    ] {
        group.bench_function(name, |b| b.iter(|| canonical_path(black_box(path)).is_ok()));
    }
}

/// What every request costs: canonical path and verdict.
fn verdict(c: &mut Criterion) {
    let mut group = c.benchmark_group("verdict");
    let default = RuleSet::embedded().unwrap();
    let thousand = RuleSet::parse("bench", doxy_bench::rules(1000).as_bytes()).unwrap();
    for (name, rules, path) in [
        (
            "allowed",
            &default,
            "/v1.41/containers/4e9f0e1f3bbd44b0/json",
        ),
        (
            "allowed_encoded",
            &default,
            "/v1.41/containers/4e9f%30e1f3bbd44b0/json",
        ),
        ("denied", &default, "/v1.41/secrets"),
        (
            "last_of_1000",
            &thousand,
            "/v1.41/containers/job999-a1/json",
        ),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let path = canonical_path(black_box(path)).unwrap();
                let request = Request {
                    method: "GET",
                    path: &path,
                    query: None,
                };
                matches!(rules.decide(&request), Verdict::Allow(_))
            });
        });
    }
}

fn load(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    group.sample_size(10);
    for count in [10, 1000] {
        let text = doxy_bench::rules(count);
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| RuleSet::parse("bench", black_box(text.as_bytes())).unwrap());
        });
    }
}

criterion_group!(benches, decide, path, verdict, load);
criterion_main!(benches);
