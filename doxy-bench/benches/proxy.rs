//! Requests through the proxy over real sockets, with engine and client on the same thread. The
//! figures include the system calls of all three, but no waking of another CPU.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "criterion's macros make undocumented items; engine and client know each other"
)]

mod inproc;

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

use crate::inproc::{LARGE, LOOKUP, Request, SCRIPT, Stand};

/// Repeats a request on one connection.
fn ask(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, stand: &Stand, request: &Request) {
    let (mut client, length) = stand.client(request);
    group.bench_function(name, |b| {
        b.iter_custom(|times| {
            stand.run(async {
                let start = Instant::now();
                for _ in 0..times {
                    client.ask(request, length).await;
                }
                start.elapsed()
            })
        });
    });
}

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("proxy");
    let stand = Stand::new(None);
    let ping = Request::new("GET /_ping", "", "200");
    ask(&mut group, "ping", &stand, &ping);
    ask(&mut group, "list_3k", &stand, &Request::list(""));
    ask(
        &mut group,
        "list_3k_chunked",
        &stand,
        &Request::list_chunked(),
    );
    ask(&mut group, "denied", &stand, &Request::denied());
    let scripted = Stand::new(Some(SCRIPT));
    ask(&mut group, "scripted", &scripted, &Request::list(""));
    let owned = Request::owned();
    let open = Stand::new(Some("fn decide(req) { allow() }"));
    ask(&mut group, "without_lookup", &open, &owned);
    let looking = Stand::new(Some(LOOKUP));
    ask(&mut group, "with_lookup", &looking, &owned);
}

/// Each request has a new connection to the proxy; the one to the engine is kept.
fn connections(c: &mut Criterion) {
    let stand = Stand::new(None);
    let request = Request::list("Connection: close\r\n");
    let (mut client, length) = stand.client(&request);
    c.bench_function("proxy/list_3k_close", |b| {
        b.iter_custom(|times| {
            stand.run(async {
                let start = Instant::now();
                for _ in 0..times {
                    client.ask_once(&stand, &request, length).await;
                }
                start.elapsed()
            })
        });
    });
}

fn large(c: &mut Criterion) {
    let mut group = c.benchmark_group("proxy");
    group.throughput(Throughput::Bytes(LARGE as u64));
    group.sample_size(20);
    let stand = Stand::new(None);
    let get = Request::new("GET /v1.41/images/get?names=x", "", "200");
    ask(&mut group, "down_10m", &stand, &get);
    ask(&mut group, "up_10m", &stand, &Request::load());
}

fn tunnel(c: &mut Criterion) {
    let stand = Stand::new(None);
    let (mut client, _) = stand.client(&Request::attach());
    c.bench_function("proxy/tunnel_echo", |b| {
        b.iter_custom(|times| {
            stand.run(async {
                let start = Instant::now();
                for _ in 0..times {
                    client.echo().await;
                }
                start.elapsed()
            })
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(4));
    targets = requests, connections, large, tunnel
}
criterion_main!(benches);
