//! What peers were refused because they, or all together, had their share.

use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use rustls::version::TLS13;

use crate::support::files::chmod;
use crate::support::{Client, Need, needs, wait};

use super::ledger::{Ledger, denial, more, sample};
use super::scrape::Scrape;
use super::setting::{BODY, Setting};

/// One more of this share that a peer of this kind was refused.
fn refused(socket: &str, share: &str, peer: &str) -> (String, f64) {
    let labels = [("socket", socket), ("share", share), ("peer", peer)];
    (sample("doxy_shares_refused_total", &labels), 1.0)
}

pub(super) fn shares(ledger: &mut Ledger<'_>, setting: &Setting) {
    let limit = |socket| denial(&format!("{socket} refused connection_limit"), "");
    let get = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";
    // A request in progress is not ended for another.
    let begin = move |mut client: Client| {
        client.send(&get[..get.len() - 2]);
        client
    };
    let cut = |socket| [denial(&format!("{socket} refused malformed"), "")];
    let first = begin(setting.connect("small"));
    let user = [refused("small", "connections", "user"), limit("small")];
    ledger.moves(&user, || setting.connect("small").ask(get));
    let unknown = [refused("small", "connections", "unknown"), limit("small")];
    if needs(Need::Root) {
        chmod(setting.doxy.folder(), 0o755);
        let path = setting.doxy.path("small.sock");
        let first = ledger.moves(&unknown, || {
            let asking = std::thread::spawn(move || {
                // Users have a share each, so it takes this one two.
                let nobody = Some(rustix::process::Uid::from_raw(65_534));
                rustix::thread::set_thread_res_uid(None, nobody, None).unwrap();
                let first = begin(Client::connect(&path));
                assert_eq!(Client::connect(&path).ask(get).status(), 503);
                first
            });
            asking.join().unwrap()
        });
        ledger.moves(&cut("small"), || drop(first));
    } else {
        ledger.seen(&unknown[0].0);
    }
    ledger.moves(&cut("small"), || drop(first));
    let first = begin(Client::connect_tcp(setting.tcp));
    let address = [refused("tcp", "connections", "address"), limit("tcp")];
    ledger.moves(&address, || Client::connect_tcp(setting.tcp).ask(get));
    ledger.moves(&cut("tcp"), || drop(first));

    // A body that is on its way holds all the memory that it will take.
    let create =
        format!("POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: {BODY}\r\n\r\n");
    let secure = || {
        let tls = setting.certificates.connection(Some("client"), &[&TLS13]);
        Client::connect_tcp(setting.tls).secured(tls).unwrap()
    };
    for peer in ["user", "certificate"] {
        let connect = || match peer {
            "user" => setting.connect("script"),
            _ => secure(),
        };
        let calls = [more("doxy_script_seconds_count script", 1.0)];
        let held = ledger.moves(&calls, || {
            let mut client = connect();
            client.send(&create);
            client.send("{");
            client
        });
        let failed = denial("script denied script_failed", "policy.rhai");
        let samples = [refused("script", "memory", peer), failed.clone()];
        ledger.moves(&samples, || {
            let mut client = connect();
            client.send(&create);
            client.reply("POST").unwrap()
        });
        ledger.moves(&[failed], || drop(held));
    }
}

/// More strangers than get an answer, all at once: those that get none are counted too, whoever closes
/// them.
pub(super) fn crowd(ledger: &mut Ledger<'_>, setting: &Setting) {
    const STRANGERS: u32 = 600;
    let unanswered = more("doxy_connections_unanswered_total closed", 0.0).0;
    let answered = denial("closed refused peer_not_allowed", "").0;
    let count = || {
        let scrape = Scrape::of(&setting.doxy);
        [&unanswered, &answered].map(|sample| scrape.get(sample))
    };
    let before = count();
    setting.doxy.process.signal(Signal::STOP);
    let path = setting.doxy.path("closed.sock");
    let strangers = (0..STRANGERS).map(|_| UnixStream::connect(&path).unwrap());
    let strangers: Vec<_> = strangers.collect();
    setting.doxy.process.signal(Signal::CONT);
    wait::until("all strangers are counted", || {
        let now = count();
        let all = now.iter().sum::<f64>() - before.iter().sum::<f64>();
        assert!(all <= f64::from(STRANGERS), "{before:?} {now:?}");
        (all == f64::from(STRANGERS) && now[0] > before[0]).then_some(())
    });
    ledger.seen(&unanswered);
    drop(strangers);
}
