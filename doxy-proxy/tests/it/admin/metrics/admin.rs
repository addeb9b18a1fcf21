//! Who gets no place on the admin side itself.

use crate::support::{Binary, Client, wait};

use super::ledger::{Ledger, sample};
use super::scrape::Scrape;

/// More than a peer has places.
const CROWD: usize = 200;

/// `hanging` is a doxy whose engine does not answer.
pub(super) fn admin(ledger: &mut Ledger<'_>, hanging: &Binary) {
    let ask = |doxy: &Binary, path: &str| {
        let mut client = Client::connect(&doxy.path("admin.sock"));
        client.try_send(format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n").as_bytes());
        client
    };
    for (reason, path) in [
        ("gave_way", "/healthz"),
        ("stream", "/api/events"),
        ("no_place", "/readyz"),
    ] {
        let sample = sample("doxy_admin_refused_total", &[("reason", reason)]);
        let before = Scrape::of(hanging).get(&sample);
        let mut held: Vec<_> = (0..CROWD).map(|_| ask(hanging, path)).collect();
        if reason == "no_place" {
            // Until then there is no place for a scrape either.
            for client in &mut held {
                client.reply("GET");
            }
        }
        wait::until(&sample, || {
            (Scrape::of(hanging).get(&sample) > before).then_some(())
        });
        ledger.seen(&sample);
    }
}
