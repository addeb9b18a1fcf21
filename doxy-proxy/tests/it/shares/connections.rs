//! Connections: who gets one when there are none left, and who loses one.

use std::io::Write as _;

use crate::shares::{as_crowd, start, two_users};
use crate::support::{Binary, Client, Fake, Setup, wait};

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";
/// Is never answered.
const EVENTS: &str = "GET /events HTTP/1.1\r\nHost: d\r\n\r\n";

/// An engine that keeps `/events` waiting.
fn engine() -> Fake {
    Fake::with(|request, stream| {
        let answer: &[u8] = match request.target() {
            "/events" => b"",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
        };
        stream.write_all(answer).is_ok()
    })
}

#[track_caller]
fn doxy(fake: &Fake, limit: &str, threads: &str) -> Binary {
    let setup = Setup::new().engine(fake.path()).rules("/info\n/events\n");
    start(setup.args(["--max-connections", limit, "--threads", threads]))
}

/// Connections of the crowd, which have sent this.
fn crowd(doxy: &Binary, count: usize, sends: &'static str) -> Vec<Client> {
    as_crowd(doxy, move |socket| {
        let connect = |_| {
            let mut client = Client::connect(&socket);
            client.send(sends);
            client
        };
        (0..count).map(connect).collect()
    })
}

#[test]
fn idle_connections_of_one_user_are_nobody_elses_503() {
    if !two_users() {
        return;
    }
    for threads in ["1", "3"] {
        let fake = engine();
        let doxy = doxy(&fake, "20", threads);
        let mut busy = crowd(&doxy, 4, EVENTS);
        fake.wait_for(4);
        let mut idle = crowd(&doxy, 16, GET);
        for client in &mut idle {
            assert_eq!(client.reply("GET").unwrap().status(), 200);
        }
        // Its own user gets no further one.
        let mut more = crowd(&doxy, 1, "");
        assert_eq!(more[0].reply("GET").unwrap().status(), 503);
        // Another one gets as many as the crowd keeps.
        let mut own: Vec<_> = (0..10).map(|_| doxy.connect()).collect();
        for client in &mut own {
            assert_eq!(client.ask(GET).status(), 200);
        }
        assert_eq!(doxy.ask(GET).status(), 503);
        // Ten idle ones are closed; each request in progress goes on.
        wait::until("ten connections are closed", || {
            let ended = idle.iter().filter(|client| client.has_ended()).count();
            (ended == 10).then_some(())
        });
        for client in idle.iter_mut().filter(|client| !client.has_ended()) {
            assert_eq!(client.ask(GET).status(), 200);
        }
        fake.cut();
        for client in &mut busy {
            assert_eq!(client.reply("GET").unwrap().status(), 502);
        }
        doxy.stop();
    }
}

#[test]
fn a_tenth_is_kept_for_users_that_have_no_connection() {
    if !two_users() {
        return;
    }
    let fake = engine();
    let doxy = doxy(&fake, "20", "1");
    let busy = crowd(&doxy, 20, EVENTS);
    fake.wait_for(20);
    // There is nothing idle to close.
    let mut one = doxy.connect();
    assert_eq!(one.ask(GET).status(), 200);
    // Who has one gets a second only when somebody else has more than that.
    assert_eq!(doxy.ask(GET).status(), 503);
    assert_eq!(one.ask(GET).status(), 200);
    drop(one);
    drop(busy);
    doxy.stop();
}

#[test]
fn a_request_that_is_on_its_way_is_served() {
    if !two_users() {
        return;
    }
    let fake = engine();
    let doxy = doxy(&fake, "20", "1");
    let mut crowd = crowd(&doxy, 20, GET);
    for client in &mut crowd {
        assert_eq!(client.reply("GET").unwrap().status(), 200);
    }
    // doxy learns of the new connections and of the requests at the same time.
    doxy.process.signal(rustix::process::Signal::STOP);
    let mut own: Vec<_> = (0..2).map(|_| doxy.connect()).collect();
    for client in &mut own {
        client.send(GET);
    }
    for client in &mut crowd {
        client.send(GET);
    }
    doxy.process.signal(rustix::process::Signal::CONT);
    // Whether an idle connection made room before its request was read is doxy's to choose.
    let statuses: Vec<_> = own
        .iter_mut()
        .map(|client| client.reply("GET").unwrap().status())
        .collect();
    assert!(
        statuses.contains(&200) && statuses.iter().all(|status| [200, 503].contains(status)),
        "{statuses:?}"
    );
    for client in &mut crowd {
        assert_eq!(client.reply("GET").unwrap().status(), 200);
    }
    doxy.stop();
}
