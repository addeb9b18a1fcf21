//! Whoever looks at doxy never holds up serving.

use std::io::Read as _;

use super::{get, with_admin};
use crate::support::{Client, Fake, Setup, wait};

/// More than any page or scraper sends at a time.
const CROWD: usize = 1000;
const EVENTS: &str = "GET /api/events HTTP/1.1\r\nHost: d\r\n\r\n";

#[test]
fn scrapers_that_stall_hold_up_nobody() {
    let fake = Fake::start();
    let doxy = with_admin(Setup::new().engine(fake.path())).start();
    // They ask again and again, and never read.
    let ask = "GET /metrics HTTP/1.1\r\nHost: d\r\n\r\n".repeat(CROWD);
    let mut stalled = vec![];
    for _ in 0..8 {
        let client = Client::connect(&doxy.path("admin.sock"));
        client.offer(ask.as_bytes(), || {});
        stalled.push(client);
    }
    for _ in 0..100 {
        assert_eq!(
            doxy.ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n").status(),
            200
        );
    }
    assert_eq!(get(&doxy, "/healthz").status(), 200);
    doxy.stop();
}

#[test]
fn a_thousand_pages_hold_up_nobody() {
    let fake = Fake::start();
    let doxy = with_admin(Setup::new().engine(fake.path())).start();
    let mut pages = vec![];
    for _ in 0..CROWD {
        let mut page = Client::connect(&doxy.path("admin.sock"));
        page.try_send(EVENTS.as_bytes());
        pages.push(page);
    }
    for _ in 0..100 {
        assert_eq!(
            doxy.ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n").status(),
            200
        );
    }
    // Pages that are too many have been turned away, so that a scraper still finds a place.
    wait::until("a scraper finds a place", || {
        let mut scraper = Client::connect(&doxy.path("admin.sock"));
        let sent =
            scraper.try_send(b"GET /metrics HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
        let reply = sent.then(|| scraper.reply("GET")).flatten()?;
        (reply.status() == 200).then_some(())
    });
    drop(pages);
    doxy.stop();
}

#[test]
fn events_come_at_once_and_with_each_change() {
    let fake = Fake::start();
    let doxy = with_admin(Setup::new().engine(fake.path())).start();
    let mut page = Client::connect(&doxy.path("admin.sock"));
    page.send(EVENTS);
    page.until(b"event: status\ndata: {");
    page.until(b"\n\n");
    doxy.ask("GET /nothing HTTP/1.1\r\nHost: d\r\n\r\n");
    let event = page.until(b"\"path\":\"/nothing\"");
    assert!(!event.is_empty());
    // A page that goes away ends the looking; another one begins it anew.
    drop(page);
    let mut page = Client::connect(&doxy.path("admin.sock"));
    page.send(EVENTS);
    page.until(b"event: status\ndata: {");
    doxy.stop();
}

#[test]
fn what_is_no_http_is_closed() {
    let doxy = with_admin(Setup::new()).start();
    let mut stream = std::os::unix::net::UnixStream::connect(doxy.path("admin.sock")).unwrap();
    std::io::Write::write_all(&mut stream, b"\x16\x03\x01garbage\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert!(
        said.is_empty() || said.starts_with(b"HTTP/1.1 400"),
        "{said:?}"
    );
    let long = format!("GET /{} HTTP/1.1\r\nHost: d\r\n\r\n", "x".repeat(100_000));
    let mut client = Client::connect(&doxy.path("admin.sock"));
    client.try_send(long.as_bytes());
    if let Some(reply) = client.reply("GET") {
        assert!((400..500).contains(&reply.status()), "{reply:?}");
    }
    assert_eq!(get(&doxy, "/healthz").status(), 200);
    doxy.stop();
}
