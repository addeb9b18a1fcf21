//! Which denials are told, and how often.

use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use super::{Denials, Identity, LastDenial, MAX_KINDS, Request, is_power_of_ten};

struct Connection(Mutex<Option<LastDenial>>);

impl Connection {
    /// What is logged about a denial on this connection, if it is the first of its kind.
    fn first(&self, denials: &Denials, line: &str, uid: u32) -> Option<String> {
        self.first_at(denials, line, uid, None)
    }

    fn first_at(
        &self,
        denials: &Denials,
        line: &str,
        uid: u32,
        place: Option<&str>,
    ) -> Option<String> {
        let (method, path) = line.split_once(' ').unwrap_or_default();
        let request = Request {
            method,
            path,
            query: None,
        };
        let first = denials.count(&request, Identity::User(uid), place, &self.0)?;
        Some(first.request)
    }
}

fn denials() -> Denials {
    Denials::new("/run/doxy.sock".into())
}

fn counts(denials: &Denials) -> Vec<u64> {
    let kinds = denials.kinds();
    let counts = kinds.order.iter().filter_map(|kind| kinds.counts.get(kind));
    counts.map(|seen| seen.count.load(Relaxed)).collect()
}

#[test]
fn the_first_of_each_endpoint_and_peer_is_told_and_all_are_counted() {
    let denials = denials();
    let (one, other) = (Connection(Mutex::default()), Connection(Mutex::default()));
    for (connection, line, uid, told) in [
        (&one, "GET /v1.41/containers/web/export", 1, true),
        (&one, "GET /v1.41/containers/web/export", 1, false),
        (&one, "GET /v1.41/containers/db/export", 1, false),
        (&one, "GET /v1.41/containers/web/export", 1, false),
        // Another endpoint, another method, another peer.
        (&one, "GET /v1.41/containers/web/logs", 1, true),
        (&one, "POST /v1.41/containers/web/export", 1, true),
        (&one, "GET /no/endpoint", 1, false),
        (&other, "GET /v1.41/containers/web/export", 1, false),
        (&other, "GET /v1.41/containers/x/export", 2, true),
    ] {
        let first = connection.first(&denials, line, uid);
        assert_eq!(first.as_deref(), told.then_some(line), "{line} {uid}");
    }
    assert_eq!(counts(&denials), [5, 1, 2, 1]);
}

#[test]
fn another_place_in_the_script_is_told_too() {
    let (denials, connection) = (denials(), Connection(Mutex::default()));
    let line = "POST /v1.41/containers/create";
    for (place, told) in [
        (Some("p.rhai:1:5"), true),
        (Some("p.rhai:1:5"), false),
        // What the connection remembers is not enough.
        (Some("p.rhai:2:5"), true),
        (Some("p.rhai:1:5"), false),
        (None, true),
        (Some("p.rhai:2:5"), false),
    ] {
        let first = connection.first_at(&denials, line, 1, place);
        assert_eq!(first.is_some(), told, "{place:?}");
    }
    assert_eq!(counts(&denials), [3, 2, 1]);
}

#[test]
fn the_oldest_kind_gives_way() {
    let denials = denials();
    let connection = Connection(Mutex::default());
    let first = |uid| connection.first(&denials, "GET /info", uid).is_some();
    for uid in 0..1000 {
        // Another request in between, so that the connection remembers nothing.
        assert!(first(uid), "{uid}");
        connection
            .0
            .lock()
            .unwrap_or_else(|it| it.into_inner())
            .take();
    }
    let told_again = |uid| {
        connection
            .0
            .lock()
            .unwrap_or_else(|it| it.into_inner())
            .take();
        first(uid)
    };
    assert!(!told_again(0));
    assert!(told_again(1000));
    assert!(told_again(0), "the oldest is forgotten");
    assert!(!told_again(2));
    assert_eq!(counts(&denials).len(), MAX_KINDS);
}

#[test]
fn what_is_told_is_on_one_line_and_not_long() {
    let (denials, connection) = (denials(), Connection(Mutex::default()));
    let path = format!("GET /\u{1b}\n{}", "\u{e9}".repeat(5000));
    let told = connection.first(&denials, &path, 0).unwrap_or_default();
    assert!(!told.contains(char::is_control), "{told}");
    assert!(told.ends_with('\u{2026}') || told.len() < 2000, "{told}");
}

#[test]
fn powers_of_ten() {
    let found: Vec<_> = (1..=10_000).filter(|it| is_power_of_ten(*it)).collect();
    assert_eq!(found, [1, 10, 100, 1000, 10_000]);
}
