//! The state of doxy as JSON: for the live page, `doxy top` and `doxy verify`.

use std::time::{Duration, SystemTime};

use doxy_proxy::{DeniedKind, SocketTotals};
use serde_json::{Value, json};

use crate::admin::board::{Board, Facts, SocketFacts};
use crate::admin::coverage::risks;

/// The most kinds of denials that are shown of a socket.
const MAX_DENIALS: usize = 50;

/// Everything.
pub(super) fn json(board: &Board) -> Value {
    let facts = board.facts();
    let Facts {
        started,
        sandbox,
        reloads,
        sockets,
        logs,
    } = &*facts;
    let totals = board.observer.totals();
    let sockets = sockets.iter().map(|socket| {
        let totals = totals.iter().find(|totals| totals.id == socket.id);
        let denied = board.observer.denied(socket.id);
        of_socket(socket, totals, &denied)
    });
    let dropped: u64 = logs.iter().map(|(_, log)| log.dropped()).sum();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "started": time(*started),
        "now": time(SystemTime::now()),
        "policy_hash": facts.policy_hash(),
        "sandbox": sandbox,
        "user": {
            "uid": rustix::process::geteuid().as_raw(),
            "gid": rustix::process::getegid().as_raw(),
        },
        "reloads": {
            "ok": reloads.done,
            "failed": reloads.failed,
            "last": reloads.last.map(time),
            "last_error": reloads.last_error,
        },
        "log": {"dropped": dropped},
        "sockets": sockets.collect::<Vec<_>>(),
    })
}

/// The state without what always changes.
pub(super) fn without_time(state: &Value) -> Value {
    let mut state = state.clone();
    if let Some(state) = state.as_object_mut() {
        state.remove("now");
    }
    state
}

fn of_socket(socket: &SocketFacts, totals: Option<&SocketTotals>, denied: &[DeniedKind]) -> Value {
    let addresses = socket.addresses.iter().map(|address| {
        json!({
            "address": address.address,
            "kind": address.kind,
            "mode": address.mode.map(|mode| format!("{mode:04o}")),
        })
    });
    let number = |of: fn(&SocketTotals) -> u64| totals.map_or(0, of);
    let requests = |verdict: &str| {
        let requests = totals.iter().flat_map(|totals| &totals.requests);
        let alike = requests.filter(|it| it.verdict == verdict);
        alike.map(|it| it.count).sum::<u64>()
    };
    let errors = totals.iter().flat_map(|totals| &totals.denials);
    let errors = errors.filter(|it| it.reason.starts_with("engine_"));
    let quantile = |share| {
        let time = totals.and_then(|totals| totals.first_byte.quantile(share));
        time.map(|time: Duration| time.as_secs_f64())
    };
    let denials = denied.iter().take(MAX_DENIALS).map(denial);
    let policy = &socket.policy;
    json!({
        "name": socket.name,
        "addresses": addresses.collect::<Vec<_>>(),
        "engine": socket.engine.address().to_string(),
        "policy": {
            "described": policy.described,
            "hash": format!("{:016x}", policy.hash),
            "opens": policy.risk_names(&socket.name),
            "script": policy.policy.has_script(),
        },
        "dry_run": socket.dry_run.is_some_and(|dry_run| !dry_run.is_over()),
        "certificate_ends": socket.certificate_ends.map(time),
        "requests": {
            "allowed": requests("allowed"),
            "denied": requests("denied"),
            "would_deny": requests("would_deny"),
            "refused": requests("refused"),
        },
        "open": {
            "connections": number(|it| it.connections),
            "streams": number(|it| it.streams),
            "tunnels": number(|it| it.tunnels),
        },
        "bytes": {
            "to_engine": number(|it| it.to_engine),
            "to_client": number(|it| it.to_client),
        },
        "engine_connections": {
            "dialled": number(|it| it.dialled),
            "reused": number(|it| it.reused),
            "errors": errors.map(|it| it.count).sum::<u64>(),
        },
        "latency": {"p50": quantile(0.5), "p99": quantile(0.99)},
        "denials": denials.collect::<Vec<_>>(),
    })
}

fn denial(kind: &DeniedKind) -> Value {
    let (method, path) = kind.request.split_once(' ').unwrap_or_default();
    let endpoint = kind.endpoint;
    json!({
        "peer": kind.peer,
        "method": method,
        "path": path,
        "endpoint": endpoint.map(|endpoint| endpoint.template),
        "risks": endpoint.map(risks).unwrap_or_default(),
        "verdict": kind.verdict,
        "reason": kind.reason,
        "rule": kind.rule,
        "count": kind.count,
        "first": time(kind.first),
        "last": time(kind.last),
        "suggestion": kind.suggestion,
    })
}

/// A moment, in UTC.
fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}
