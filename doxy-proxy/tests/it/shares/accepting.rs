//! Accepting: users that may not connect keep nobody out who may.

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
