//! `doxy top --once`: what a running doxy does now, in a terminal or for a script.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::Value;

use crate::cli::print::{is_json, on_one_line};
use crate::cli::{admin, print};
use crate::config::{ConfigError, Source};
use crate::startup::{Failure, runtime};
use crate::tools::admin_client::Asks;
use crate::tools::top;

/// How many kinds of denials are printed for people.
const MAX_DENIALS: usize = 20;

const ASKS: Asks = Asks {
    tool: "doxy-top",
    time: Duration::from_secs(5),
};

const AFTER: &str = "\
The figures are those of the live page. They come from the admin side of a running doxy, which has one
if it was started with --admin-listen. It is looked at twice, a second apart, for the rates; the other
figures count from the start. Latency is the time to the first byte of the answer.

--format json prints one object: what /api/status answers, with `per_second` in each socket
(`requests`, `to_engine`, `to_client`; null if the socket is new).

Examples:
  doxy top --once --config /etc/doxy.toml
  doxy top --once --admin tcp://127.0.0.1:9380
  doxy top --once --format json | jq '.sockets[] | {name, denied: .requests.denied}'

Exit codes: 0 done, 1 the admin side does not answer, 2 wrong arguments or settings.";

pub(super) fn command() -> Command {
    Command::new("top")
        .about("Print what a running doxy does now")
        .after_help(AFTER)
        .next_help_heading("Top")
        .args([
            Arg::new("once")
                .long("once")
                .required(true)
                .action(ArgAction::SetTrue)
                .help("Print the figures and end; a view that stays comes in a later version"),
            admin::option(),
            print::format(),
        ])
}

pub(super) fn run(matches: &ArgMatches, source: Source) -> Result<u8, Failure> {
    let Some(address) = admin::address(matches, &source)? else {
        return Err(ConfigError::new(
            "--admin",
            "nothing says where the admin side is",
            "give its address, or the configuration of the doxy that has admin-listen",
        )
        .into());
    };
    let client = admin::client(address, &source, ASKS)?;
    let runtime = runtime()?;
    let status = runtime.block_on(top::status(&client));
    // The lookup of a name may still run.
    runtime.shutdown_background();
    let status = status?;
    print::result(&match is_json(matches) {
        true => format!("{status:#}\n"),
        false => text(&status),
    })?;
    Ok(0)
}

fn text(status: &Value) -> String {
    let none = vec![];
    let sockets = status["sockets"].as_array().unwrap_or(&none);
    let mut text = String::new();
    let mut line = |words: &str| {
        text.push_str(words.trim_end());
        text.push('\n');
    };
    line(&format!(
        "doxy {}, process {}, since {}, policies {}",
        word(&status["version"]),
        word(&status["pid"]),
        word(&status["started"]),
        word(&status["policy_hash"])
    ));
    if let Some(error) = status
        .pointer("/reloads/last_error")
        .and_then(Value::as_str)
    {
        line(&format!("not reloaded: {}", on_one_line(error)));
    }
    if let Some(dropped @ 1..) = status.pointer("/log/dropped").and_then(Value::as_u64) {
        line(&format!(
            "lines of the log that could not be written: {dropped}"
        ));
    }
    line("");
    table(&mut line, sockets);
    let mut denials: Vec<_> = sockets
        .iter()
        .flat_map(|socket| {
            let denials = socket["denials"].as_array().into_iter().flatten();
            denials.map(move |denial| (denial["last"].as_str(), socket, denial))
        })
        .collect();
    denials.sort_by(|(one, ..), (other, ..)| other.cmp(one));
    if !denials.is_empty() {
        line("");
        line("denied lately");
    }
    for (last, socket, denial) in denials.iter().take(MAX_DENIALS) {
        let (last, socket) = (last.unwrap_or("-"), word(&socket["name"]));
        let of = |key: &str| word(&denial[key]);
        let by = match &*of("rule") {
            "" => String::new(),
            rule => format!(", {rule}"),
        };
        line(&format!(
            "{}  {:>6}  {socket}: {} {} to {} ({}: {}{by})",
            on_one_line(last),
            of("count"),
            of("method"),
            of("path"),
            of("peer"),
            of("verdict"),
            of("reason"),
        ));
        if let Some(rule) = denial["suggestion"].as_str() {
            line(&format!("{:22}would allow it: {}", "", on_one_line(rule)));
        }
    }
    if let Some(more @ 1..) = denials.len().checked_sub(MAX_DENIALS) {
        line(&format!("and {more} more kinds; --format json has them"));
    }
    text
}

/// One row for each socket; numbers are aligned at their ends.
fn table(line: &mut impl FnMut(&str), sockets: &[Value]) {
    let head = [
        "socket",
        "req/s",
        "allowed",
        "denied",
        "would deny",
        "refused",
        "conns",
        "streams",
        "tunnels",
        "to client",
        "to engine",
        "errors",
        "p50",
        "p99",
        "policy",
    ];
    let rows: Vec<[String; 15]> = sockets.iter().map(row).collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        let widths = cells.map(|cell| cell.chars().count());
        widths
            .chain(head.get(at).map(|name| name.len()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    for row in [head.map(str::to_owned)].iter().chain(&rows) {
        let mut words = String::new();
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a string cannot fail.
            let _ = match at == 0 || at == head.len() - 1 {
                true => write!(words, "{cell:<width$}  "),
                false => write!(words, "{cell:>width$}  "),
            };
        }
        line(&words);
    }
}

fn row(socket: &Value) -> [String; 15] {
    let count = |at: &str| word(socket.pointer(at).unwrap_or(&Value::Null));
    let size = |at: &str| size(socket.pointer(at).and_then(Value::as_u64));
    let time = |at: &str| time(socket.pointer(at).and_then(Value::as_f64));
    let rate = socket
        .pointer("/per_second/requests")
        .and_then(Value::as_f64);
    let dry_run = match &socket["dry_run"] {
        Value::Null | Value::Bool(false) => "",
        _ => " (dry run)",
    };
    [
        count("/name"),
        rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}")),
        count("/requests/allowed"),
        count("/requests/denied"),
        count("/requests/would_deny"),
        count("/requests/refused"),
        count("/open/connections"),
        count("/open/streams"),
        count("/open/tunnels"),
        size("/bytes/to_client"),
        size("/bytes/to_engine"),
        count("/engine_connections/errors"),
        time("/latency/p50"),
        time("/latency/p99"),
        format!("{}{dry_run}", count("/policy/described")),
    ]
}

/// A text or a number, harmless for a terminal.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => on_one_line(text),
        Value::Number(number) => number.to_string(),
        _ => "-".to_owned(),
    }
}

fn size(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else {
        return "-".to_owned();
    };
    let (mut size, mut unit) = (bytes as f64, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if size < 1000.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    match unit == "B" || size >= 10.0 {
        true => format!("{size:.0} {unit}"),
        false => format!("{size:.1} {unit}"),
    }
}

fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(time) if time < 0.000_999_5 => format!("{:.0} µs", time * 1e6),
        Some(time) if time < 0.009_95 => format!("{:.1} ms", time * 1e3),
        Some(time) if time < 0.999_5 => format!("{:.0} ms", time * 1e3),
        Some(time) => format!("{time:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{size, time};

    #[test]
    fn sizes_and_times_are_short() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KiB"),
            (10_240, "10 KiB"),
            (5_000_000, "4.8 MiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(size(Some(bytes)), expected);
        }
        for (seconds, expected) in [
            (0.0, "0 µs"),
            (0.000_42, "420 µs"),
            (0.0012, "1.2 ms"),
            (0.034, "34 ms"),
            (1.31, "1.3 s"),
        ] {
            assert_eq!(time(Some(seconds)), expected);
        }
        assert_eq!((size(None), time(None)), ("-".to_owned(), "-".to_owned()));
    }
}
