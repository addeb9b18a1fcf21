//! The endpoint to which a real engine routes a request, compared with the one that doxy judged.
//!
//! Each family of endpoints has responses of its own, which identify the handler. Unusual targets
//! go directly to the engine, and through two doxies for each family: one allows only that family,
//! the other denies only that family. If the first lets a request pass, no other family's handler
//! may respond to it. If this family's handler responds to a request, the second must refuse it.
//! Only GET is used, for endpoints that neither change anything nor wait.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{TestError, TestRunner};

use super::jobs::Pair;
use crate::support::{self, Client, Reply, wire};

const CASES: u32 = 1000;

/// The families, with a rule for the paths that the engine routes to each.
const FAMILIES: [(&str, &str); 8] = [
    ("info", "/(v[0-9.]+/)?info"),
    ("version", "/(v[0-9.]+/)?version"),
    ("ping", "/(v[0-9.]+/)?_ping"),
    ("container", "/(v[0-9.]+/)?containers/.*/json"),
    ("image", "/(v[0-9.]+/)?images/.*/json"),
    ("network", "/(v[0-9.]+/)?networks/.+"),
    ("volume", "/(v[0-9.]+/)?volumes/.*"),
    (
        "swarm",
        "/(v[0-9.]+/)?(swarm|nodes|services|tasks|secrets|configs)(/.*)?",
    ),
];

/// The handler that a response comes from, if any.
fn handler(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(&reply.body);
    let has = |words: &str| body.contains(words);
    let of = match reply.status() {
        301 => "redirect",
        400 if has("client version") => "no version",
        400 if body.trim() == "400 Bad Request" => "no request",
        400 if has("invalid URL escape") || has("invalid semicolon") => "no query",
        404 if has("page not found") => "nothing",
        404 if has("No such container") => "some container's",
        400 if has("invalid reference format") => "some image's",
        404 if has("o such image") => "some image's",
        404 if has("no such volume") => "volume",
        404 if has("network ") && has("not found") => "network",
        200 if has("\"ServerVersion\"") => "info",
        200 if has("\"ApiVersion\"") => "version",
        200 if body == "OK" => "ping",
        200 if body.starts_with("{\"Volumes\"") => "volumes",
        200 if body.starts_with('{') && has("\"Mountpoint\"") && has("\"Scope\"") => "volume",
        200 if body.starts_with('{') && has("\"HostConfig\"") && has("\"State\"") => "container",
        200 if body.starts_with('{') && has("\"RootFS\"") => "image",
        503 if has("swarm manager") => "swarm",
        406 if has("swarm manager") => "swarm",
        _ => "",
    };
    if of.is_empty() {
        format!("{} {:.120}", reply.head, body)
    } else {
        of.to_owned()
    }
}

/// Whether doxy made the response: it has these messages and no `Server` header.
fn refused(reply: &Reply) -> bool {
    matches!(reply.status(), 301 | 400 | 403)
        && reply.header("server").is_empty()
        && [
            "malformed request: ",
            "' is not allowed.",
            "repeated slashes",
        ]
        .iter()
        .any(|words| String::from_utf8_lossy(&reply.body).contains(words))
}

/// One byte for each character, so that bytes that are not UTF-8 can be written as text here.
fn bytes(target: &str) -> Vec<u8> {
    let bytes = target.chars().map(|c| u8::try_from(c).unwrap_or(b'?'));
    bytes.collect()
}

#[track_caller]
fn ask(socket: &std::path::Path, target: &str) -> Reply {
    let mut raw = b"GET ".to_vec();
    raw.extend(bytes(target));
    raw.extend_from_slice(b" HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
    let mut client = Client::connect(socket);
    client.send(raw);
    client.reply("GET").expect("an answer")
}

const VERSIONS: [&str; 24] = [
    "",
    "",
    "",
    "/v1.41",
    "/v1.41",
    "/v1.41",
    "/v1.24",
    "/v01.41",
    "/v1.041",
    "/v1.41.0",
    "/v1.24.99999999999999999999",
    "/v1.999",
    "/v1.",
    "/v.",
    "/v",
    "/v1",
    "/vABC",
    "/V1.41",
    "/v1%2e41",
    "/v%31.41",
    "/v1.41%2f",
    "/v1.41/v1.41",
    "/v1.4\u{b9}",
    "http://x/v1.41",
];

/// `$C`, `$I` and `$V` stand for a container, an image and a volume that exist.
const PATHS: [&str; 38] = [
    "/info",
    "/version",
    "/_ping",
    "/containers/json",
    "/containers/$C/json",
    "/containers/$C/json",
    "/containers/$C/changes",
    "/containers/$C/logs",
    "/containers/$C/archive",
    "/containers/$C",
    "/containers/json/json",
    "/containers/nosuch/json",
    "/containers/a/b/json",
    "/containers/nosuch/attach/ws",
    "/containers/nosuch/export",
    "/containers/nosuch/export/json",
    "/containers/nosuch/json/export",
    "/containers/create/json",
    "/images/json",
    "/images/$I/json",
    "/images/$I/json",
    "/images/$I/history",
    "/images/nosuch/json",
    "/images/reg:5000/team/app:1.2@sha256:00/json",
    "/images/nosuch/get",
    "/images/json/json",
    "/networks",
    "/networks/",
    "/networks/nosuch",
    "/networks/a/b",
    "/volumes",
    "/volumes/",
    "/volumes/$V",
    "/volumes/nosuch/x",
    "/secrets",
    "/configs/x",
    "/swarm/unlockkey",
    "/nodes",
];

/// Pieces to insert.
const PIECES: [&str; 34] = [
    "/",
    "//",
    "/.",
    "/./",
    "/..",
    "/../",
    "/x/../",
    "%2f",
    "%2F",
    "%2e",
    "%2e%2e%2f",
    "%252f",
    "%",
    "%zz",
    "%00",
    "%0a",
    "%20",
    "%3f",
    "%23",
    "%25",
    "%5c",
    "\\",
    ";x",
    "#x",
    "?x",
    "?x=/info",
    "+",
    "%c3%a9",
    "%ff",
    "%c0%af",
    "\u{e9}",
    "json",
    "/json",
    "/info",
];

#[derive(Debug, Clone)]
enum Change {
    Insert(&'static str),
    /// A character is percent-encoded.
    Encode(bool),
    /// All slashes but the first are percent-encoded.
    Slashes,
    Remove,
    Case,
    End(&'static str),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => select(&PIECES[..]).prop_map(Change::Insert),
        5 => any::<bool>().prop_map(Change::Encode),
        1 => Just(Change::Slashes),
        1 => Just(Change::Remove),
        1 => Just(Change::Case),
        2 => select(&PIECES[..]).prop_map(Change::End),
    ]
}

/// A target with placeholders for names, and the changes to make.
type Plan = (&'static str, &'static str, Vec<(Index, Change)>);

fn plans() -> impl Strategy<Value = Plan> {
    let changes = prop::collection::vec((any::<Index>(), change()), 0..3);
    (select(&VERSIONS[..]), select(&PATHS[..]), changes)
}

fn target((version, path, changes): &Plan, names: &[(&str, &str)]) -> String {
    let mut path = (*path).to_owned();
    for (sign, name) in names {
        path = path.replace(sign, name);
    }
    let mut target: Vec<char> = format!("{version}{path}").chars().collect();
    for (at, change) in changes {
        let at = at.index(target.len().max(1)).min(target.len());
        match change {
            Change::Insert(piece) => drop(target.splice(at..at, piece.chars())),
            Change::Encode(upper) => {
                let Some(c) = target.get(at).copied().filter(|c| c.is_ascii() && at > 0) else {
                    continue;
                };
                let code = u32::from(c);
                let code = if *upper {
                    format!("%{code:02X}")
                } else {
                    format!("%{code:02x}")
                };
                target.splice(at..=at, code.chars());
            }
            Change::Slashes => {
                let (first, rest) = target.split_at(target.len().min(1));
                let rest: String = rest.iter().collect();
                target = first
                    .iter()
                    .copied()
                    .chain(rest.replace('/', "%2f").chars())
                    .collect();
            }
            Change::Remove if at < target.len() => drop(target.remove(at)),
            Change::Case if at < target.len() => {
                let c = target[at];
                target[at] = if c.is_ascii_lowercase() {
                    c.to_ascii_uppercase()
                } else {
                    c.to_ascii_lowercase()
                };
            }
            Change::Remove | Change::Case => {}
            Change::End(piece) => target.extend(piece.chars()),
        }
    }
    target.into_iter().collect()
}

struct Judges {
    family: &'static str,
    allows: support::Doxy,
    denies: support::Doxy,
}

#[test]
fn the_engine_routes_a_request_to_the_endpoint_that_doxy_judged() {
    let Some(pair) = Pair::find() else { return };
    let engine = &*pair.engine.socket;
    let (container, volume) = (pair.cat(), pair.engine.volume());
    let names = [
        ("$C", &*container.name),
        ("$I", &*pair.image.name),
        ("$V", &*volume.name),
    ];
    let judges = FAMILIES.map(|(family, rule)| Judges {
        family,
        allows: support::Doxy::with(engine, rule),
        denies: support::Doxy::with(engine, &format!("/.*\n!{rule}")),
    });
    let (passed, held) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let check = |plan: Plan| {
        let target = target(&plan, &names);
        let directly = ask(engine, &target);
        let of = handler(&directly);
        // If the engine names an object that it did not find, the path as doxy reads it contains
        // that name.
        let path = target.strip_prefix("http://x").unwrap_or(&target);
        let path = String::from_utf8(bytes(path.split('?').next().unwrap_or_default()));
        let path = path.ok().and_then(|path| wire::decoded(&path));
        if let (Some(path), Some(name)) = (&path, not_found(&directly)) {
            prop_assert!(
                path.contains(&name),
                "{target:?}: the engine looked for {name:?}"
            );
        }
        for judge in &judges {
            let through = ask(judge.allows.path(), &target);
            if !refused(&through) {
                passed.fetch_add(1, Ordering::Relaxed);
                let by = handler(&through);
                // doxy forwards only the path of an absolute target; the engine may refuse the
                // whole.
                let same = by == of || !target.starts_with('/') && of == "no request";
                prop_assert!(same, "{target:?}: {by} instead of {of}");
                let harmless = ["no version", "nothing", "no request", "no query"].contains(&&*by)
                    || by
                        .strip_prefix("some ")
                        .is_some_and(|kind| kind.starts_with(judge.family));
                prop_assert!(
                    harmless || by == judge.family,
                    "{target:?} passed as {}, and this answered it: {by}",
                    judge.family
                );
            }
            if of == judge.family {
                held.fetch_add(1, Ordering::Relaxed);
                let through = ask(judge.denies.path(), &target);
                prop_assert!(refused(&through), "{target:?} got past the denial of {of}");
            }
        }
        Ok(())
    };
    let config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    match TestRunner::new(config).run(&plans(), check) {
        Ok(()) => {}
        Err(TestError::Fail(reason, plan)) => panic!("{reason}\n{plan:?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    let (passed, held) = (passed.into_inner(), held.into_inner());
    eprintln!("{passed} passed, {held} were held back");
    assert!(
        passed > 50 && held > 50,
        "{passed} passed, {held} were held back"
    );
}

/// The name of the missing object, as the engine read it.
fn not_found(reply: &Reply) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(&reply.body).ok()?;
    let message = json["message"].as_str()?;
    let container = message.strip_prefix("No such container: ");
    let network = message
        .strip_prefix("network ")
        .and_then(|rest| rest.strip_suffix(" not found"));
    container.or(network).map(str::to_owned)
}
