//! All metrics as Prometheus reads them (text format 0.0.4).
//!
//! docs/metrics.md lists each with its labels; a test compares the two. No label has a value that a client
//! chooses: sockets and rules are the administrator's, everything else is a closed set.

mod text;

use std::time::{Duration, SystemTime};

use doxy_proxy::{HistogramTotals, SocketTotals};

use crate::admin::board::{Board, Facts, SocketFacts};
use crate::admin::process::Process;
use crate::admin::prometheus::text::{Kind, Text};

/// What stands for a path at which the engine serves nothing.
const NO_ENDPOINT: &str = "none";

/// A socket with what was counted of it.
type Counted<'a> = (&'a SocketFacts, &'a SocketTotals);

/// All metrics.
pub(super) fn text(board: &Board) -> String {
    let facts = board.facts();
    let totals = board.observer.totals();
    let sockets: Vec<Counted<'_>> = facts
        .sockets
        .iter()
        .filter_map(|socket| Some((socket, totals.iter().find(|it| it.id == socket.id)?)))
        .collect();
    let mut text = Text::default();
    requests(&mut text, &sockets);
    denials(&mut text, &sockets);
    times(&mut text, &sockets);
    open(&mut text, &sockets);
    engine(&mut text, &sockets);
    script(&mut text, &sockets);
    shares(&mut text, &sockets);
    admin(&mut text, board);
    configuration(&mut text, &facts);
    process(&mut text, &facts);
    text.finish()
}

fn requests(text: &mut Text, sockets: &[Counted<'_>]) {
    text.metric(
        "doxy_requests_total",
        Kind::Counter,
        "Requests that have ended, by endpoint, verdict and class of status.",
    );
    for (socket, totals) in sockets {
        for total in &totals.requests {
            let endpoint = total.endpoint.map_or(NO_ENDPOINT, |it| it.template);
            let labels = [
                ("socket", &*socket.name),
                ("endpoint", endpoint),
                ("method", total.method),
                ("verdict", total.verdict),
                ("status", total.status),
            ];
            text.number(&labels, total.count);
        }
    }
    text.metric(
        "doxy_requests_ended_total",
        Kind::Counter,
        "Requests that have ended, by how they ended.",
    );
    for (socket, totals) in sockets {
        for (outcome, count) in &totals.outcomes {
            text.number(&[("socket", &socket.name), ("outcome", outcome)], *count);
        }
    }
}

fn denials(text: &mut Text, sockets: &[Counted<'_>]) {
    text.metric(
        "doxy_denials_total",
        Kind::Counter,
        "Requests that doxy answered itself, or would have in a dry run, by reason and rule.",
    );
    for (socket, totals) in sockets {
        for total in &totals.denials {
            let labels = [
                ("socket", &*socket.name),
                ("verdict", total.verdict),
                ("reason", total.reason),
                ("rule", &*total.rule),
            ];
            text.number(&labels, total.count);
        }
    }
}

fn times(text: &mut Text, sockets: &[Counted<'_>]) {
    type Times = fn(&SocketTotals) -> &HistogramTotals;
    let first_byte: Times = |totals| &totals.first_byte;
    let judging: Times = |totals| &totals.judging;
    for (name, help, of) in [
        (
            "doxy_first_byte_seconds",
            "From the end of a request's head to the first byte of the engine's response.",
            first_byte,
        ),
        (
            "doxy_judging_seconds",
            "Of that, what doxy took before it forwarded the request.",
            judging,
        ),
    ] {
        text.metric(name, Kind::Histogram, help);
        for (socket, totals) in sockets {
            text.histogram(&[("socket", &socket.name)], of(totals));
        }
    }
}

fn open(text: &mut Text, sockets: &[Counted<'_>]) {
    type Number = fn(&SocketTotals) -> u64;
    let gauges: [(&str, &str, Number); 3] = [
        (
            "doxy_connections",
            "Connections of clients that are open.",
            |it| it.connections,
        ),
        (
            "doxy_streams",
            "Responses whose body is not through.",
            |it| it.streams,
        ),
        (
            "doxy_tunnels",
            "Upgraded connections: exec, attach, sessions of BuildKit.",
            |it| it.tunnels,
        ),
    ];
    for (name, help, of) in gauges {
        text.metric(name, Kind::Gauge, help);
        for (socket, totals) in sockets {
            text.number(&[("socket", &socket.name)], of(totals));
        }
    }
    text.metric(
        "doxy_bytes_total",
        Kind::Counter,
        "Bytes of bodies and upgraded connections that doxy has passed on.",
    );
    for (socket, totals) in sockets {
        let directions = [
            ("to_engine", totals.to_engine),
            ("to_client", totals.to_client),
        ];
        for (direction, bytes) in directions {
            text.number(&[("socket", &socket.name), ("direction", direction)], bytes);
        }
    }
}

fn engine(text: &mut Text, sockets: &[Counted<'_>]) {
    text.metric(
        "doxy_engine_connections_total",
        Kind::Counter,
        "How requests got a connection to the engine: a new one, or one that was kept.",
    );
    for (socket, totals) in sockets {
        let kinds = [("dialled", totals.dialled), ("reused", totals.reused)];
        for (kind, count) in kinds {
            text.number(&[("socket", &socket.name), ("kind", kind)], count);
        }
    }
    text.metric(
        "doxy_engine_errors_total",
        Kind::Counter,
        "Requests to which the engine gave no response, or not all of it.",
    );
    for (socket, totals) in sockets {
        let of_reason = |reason: &str| {
            let denials = totals.denials.iter().filter(|it| it.reason == reason);
            denials.map(|it| it.count).sum::<u64>()
        };
        let broke_off = totals
            .outcomes
            .iter()
            .find(|(outcome, _)| *outcome == "engine_gone");
        let reasons = [
            ("unreachable", of_reason("engine_unreachable")),
            ("timeout", of_reason("engine_timeout")),
            ("failed", of_reason("engine_failed")),
            ("broke_off", broke_off.map_or(0, |(_, count)| *count)),
        ];
        for (reason, count) in reasons {
            text.number(&[("socket", &socket.name), ("reason", reason)], count);
        }
    }
}

fn script(text: &mut Text, sockets: &[Counted<'_>]) {
    let has_script = |(socket, _): &&Counted<'_>| socket.policy.policy.has_script();
    let sockets: Vec<_> = sockets.iter().filter(has_script).collect();
    text.metric(
        "doxy_script_seconds",
        Kind::Histogram,
        "What a call of the policy script took.",
    );
    for (socket, totals) in &sockets {
        text.histogram(&[("socket", &socket.name)], &totals.script.calls);
    }
    text.metric(
        "doxy_script_failures_total",
        Kind::Counter,
        "Calls of the policy script that failed: by an error in it, or at a limit.",
    );
    for (socket, totals) in &sockets {
        let script = &totals.script;
        let errors = script.failures.saturating_sub(script.limits);
        for (kind, count) in [("error", errors), ("limit", script.limits)] {
            text.number(&[("socket", &socket.name), ("kind", kind)], count);
        }
    }
    text.metric(
        "doxy_lookups_total",
        Kind::Counter,
        "What the policy script asked the engine.",
    );
    for (socket, totals) in &sockets {
        let script = &totals.script;
        let answered = script.lookups.saturating_sub(script.failed_lookups);
        for (result, count) in [("answered", answered), ("failed", script.failed_lookups)] {
            text.number(&[("socket", &socket.name), ("result", result)], count);
        }
    }
}

fn shares(text: &mut Text, sockets: &[Counted<'_>]) {
    text.metric(
        "doxy_shares_refused_total",
        Kind::Counter,
        "What a peer was refused because it, or all together, had their share.",
    );
    for (socket, totals) in sockets {
        for total in &totals.shares {
            let labels = [
                ("socket", &*socket.name),
                ("share", total.share),
                ("peer", total.peer),
            ];
            text.number(&labels, total.count);
        }
    }
    text.metric(
        "doxy_connections_unanswered_total",
        Kind::Counter,
        "Connections that were closed without an answer, because too many were turned away at once.",
    );
    for (socket, totals) in sockets {
        text.number(&[("socket", &socket.name)], totals.unanswered);
    }
    text.metric(
        "doxy_tls_handshakes_failed_total",
        Kind::Counter,
        "TLS handshakes that failed.",
    );
    for (socket, totals) in sockets {
        text.number(&[("socket", &socket.name)], totals.failed_handshakes);
    }
}

fn admin(text: &mut Text, board: &Board) {
    text.metric(
        "doxy_admin_refused_total",
        Kind::Counter,
        "Connections of the admin side that were closed, and live pages refused, for want of a place.",
    );
    for (reason, count) in board.refusals.totals() {
        text.number(&[("reason", reason)], count);
    }
}

fn configuration(text: &mut Text, facts: &Facts) {
    text.metric(
        "doxy_policy_info",
        Kind::Gauge,
        "The policy in force: equal hashes are equal policies, on every host.",
    );
    for socket in &facts.sockets {
        let hash = format!("{:016x}", socket.policy.hash);
        text.number(&[("socket", &socket.name), ("hash", &hash)], 1);
    }
    text.metric(
        "doxy_dry_run",
        Kind::Gauge,
        "1 while denials are only recorded, and forwarded.",
    );
    for socket in &facts.sockets {
        let on = socket.dry_run.is_some_and(|dry_run| !dry_run.is_over());
        text.number(&[("socket", &socket.name)], u64::from(on));
    }
    text.metric(
        "doxy_certificate_end_time_seconds",
        Kind::Gauge,
        "When the certificate ends that clients see.",
    );
    for socket in &facts.sockets {
        if let Some(end) = socket.certificate_ends {
            text.seconds(&[("socket", &socket.name)], since_1970(end).as_secs_f64());
        }
    }
    text.metric(
        "doxy_reloads_total",
        Kind::Counter,
        "Reloads of the configuration; one that fails leaves the old one in force.",
    );
    let reloads = &facts.reloads;
    for (result, count) in [("ok", reloads.done), ("failed", reloads.failed)] {
        text.number(&[("result", result)], count);
    }
    text.metric(
        "doxy_last_reload_time_seconds",
        Kind::Gauge,
        "When the configuration was reloaded last, whatever came of it; 0 if it never was.",
    );
    let last = reloads.last.map_or(Duration::ZERO, since_1970);
    text.seconds(&[], last.as_secs_f64());
    text.metric(
        "doxy_last_reload_ok",
        Kind::Gauge,
        "0 if the last reload failed: what is in force is not what is configured.",
    );
    text.number(&[], u64::from(reloads.last_error.is_none()));
    text.metric(
        "doxy_log_lines_dropped_total",
        Kind::Counter,
        "Records that an access log could not take.",
    );
    for (log, open) in &facts.logs {
        text.number(&[("log", log)], open.dropped());
    }
}

fn process(text: &mut Text, facts: &Facts) {
    let process = Process::now();
    let version = env!("CARGO_PKG_VERSION");
    text.metric("doxy_build_info", Kind::Gauge, "This doxy.");
    text.number(&[("version", version)], 1);
    text.metric(
        "process_cpu_seconds_total",
        Kind::Counter,
        "Time of all threads, in seconds.",
    );
    text.seconds(&[], process.cpu);
    let numbers = [
        (
            "process_resident_memory_bytes",
            "Memory in use.",
            Some(process.resident),
        ),
        (
            "process_virtual_memory_bytes",
            "Addresses in use.",
            Some(process.virtual_memory),
        ),
        ("process_threads", "Threads.", Some(process.threads)),
        (
            "process_open_fds",
            "Open files and sockets.",
            process.open_files,
        ),
        (
            "process_max_fds",
            "How many files and sockets may be open.",
            process.max_files,
        ),
    ];
    for (name, help, value) in numbers {
        if let Some(value) = value {
            text.metric(name, Kind::Gauge, help);
            text.number(&[], value);
        }
    }
    text.metric(
        "process_start_time_seconds",
        Kind::Gauge,
        "When doxy started.",
    );
    text.seconds(&[], since_1970(facts.started).as_secs_f64());
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
