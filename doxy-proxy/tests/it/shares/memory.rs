//! The memory of heads: what is documented, and given back.

use crate::shares::{start, two_users};
use crate::support::{Fake, Setup, wait};

/// The largest head, in KiB, and as much again for what else a connection has.
const HEAD_KIB: u64 = 128;
const ELSE_KIB: u64 = 8;
const COUNT: u64 = 300;
/// What may stay, and what measuring may miss by.
const SLACK_KIB: u64 = 4 * 1024;

#[test]
fn large_heads_take_no_more_than_documented_and_give_it_back() {
    if !two_users() {
        return;
    }
    let fake = Fake::start();
    let doxy = start(Setup::new().engine(fake.path()));
    let resident = || doxy.process.kib("smaps_rollup", "Rss:");
    let get = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";
    assert_eq!(doxy.ask(get).status(), 200);
    let before = resident();
    let line = format!(
        "GET /info HTTP/1.1\r\nHost: d\r\nX: {}",
        "x".repeat(128 * 1024 - 64)
    );
    for ends in [false, true] {
        let mut clients: Vec<_> = (0..COUNT).map(|_| doxy.connect()).collect();
        for client in &mut clients {
            client.send(&line);
        }
        let least = before + COUNT * (HEAD_KIB - ELSE_KIB);
        wait::until("all heads are read", || (resident() >= least).then_some(()));
        let most = before + COUNT * (HEAD_KIB + ELSE_KIB) + SLACK_KIB;
        assert!(resident() <= most, "{} KiB, {before} before", resident());
        // Answered or cut off, and the connection may stay.
        if ends {
            for client in &mut clients {
                assert_eq!(client.ask("\r\n\r\n").status(), 200);
            }
        } else {
            clients.clear();
        }
        wait::until("the memory is given back", || {
            (resident() <= before + SLACK_KIB).then_some(())
        });
    }
    doxy.stop();
}
