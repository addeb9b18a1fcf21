//! Accepting: users that may not connect keep nobody out who may.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::process::Signal;

use crate::shares::{as_crowd, start, two_users};
use crate::support::{Client, Fake, Setup};

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";

#[test]
fn a_queue_full_of_strangers_is_emptied_at_once() {
    if !two_users() {
        return;
    }
    let fake = Fake::start();
    let setup = Setup::new().engine(fake.path());
    let doxy = start(setup.args(["--allow-uid", "0", "--access-log", "log"]));
    doxy.process.signal(Signal::STOP);
    let mut strangers = as_crowd(&doxy, |socket| {
        (0..600)
            .map(|_| Client::connect(&socket))
            .collect::<Vec<_>>()
    });
    let mut own = doxy.connect();
    own.send(GET);
    doxy.process.signal(Signal::CONT);
    assert_eq!(own.reply("GET").unwrap().status(), 200);
    // The first ones are told why; closing the others costs a tenth.
    let answered = strangers
        .iter_mut()
        .filter_map(|client| client.reply("GET"))
        .map(|reply| assert_eq!(reply.status(), 403))
        .count();
    assert!((1..=128).contains(&answered), "{answered}");
    doxy.stop();
}

/// How many times a user connects that may.
const CONNECTS: usize = 1_000;

#[test]
fn two_strangers_that_connect_in_a_loop_keep_out_one_in_a_hundred_at_most() {
    static FLOODING: AtomicBool = AtomicBool::new(true);
    if !two_users() {
        return;
    }
    let fake = Fake::start();
    let doxy = start(Setup::new().engine(fake.path()).args(["--allow-uid", "0"]));
    let flood = || {
        // A thread that a thread starts has the same user.
        as_crowd(&doxy, |socket| {
            std::thread::spawn(move || {
                while FLOODING.load(Relaxed) {
                    let _ = UnixStream::connect(&socket);
                }
            })
        })
    };
    let floods = [flood(), flood()];
    let mut kept = doxy.connect();
    let mut failed = 0;
    for _ in 0..CONNECTS {
        // Tries to connect about as often as doxy has a turn, not as often as it fails.
        assert_eq!(kept.ask(GET).status(), 200);
        match Client::connect_now(&doxy.socket()) {
            Some(mut client) => assert_eq!(client.ask(GET).status(), 200),
            None => failed += 1,
        }
    }
    FLOODING.store(false, Relaxed);
    for flood in floods {
        flood.join().unwrap();
    }
    assert!(failed <= CONNECTS / 100, "{failed} of {CONNECTS}");
    assert_eq!(doxy.ask(GET).status(), 200);
    doxy.stop();
}
