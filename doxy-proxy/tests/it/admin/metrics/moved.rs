//! Each metric moves by what it counts, by a request or an event of its own.

use crate::admin::with_admin;
use crate::support::{Client, Setup, sockets, wait};

use super::admin::admin;
use super::ledger::{Ledger, denial, more, request, sample};
use super::process::{configuration, process};
use super::scrape::Scrape;
use super::setting::{DENY_PLACE, DENY_RULE, Setting};
use super::shares::{crowd, shares};

/// What no test can bring about: a fault of doxy's, and requests that end with the process.
const NEVER: [(&str, &str); 2] = [("reason", "internal"), ("outcome", "cut")];

#[test]
fn each_metric_moves_by_what_it_counts() {
    // An engine that does not accept is given up after ten seconds: meanwhile everything else is tried.
    let setup = with_admin(Setup::new().rules("/info"));
    let _full = sockets::full(&setup.path("engine.sock"));
    let waiting = setup.start();
    let mut client = waiting.connect();
    client.send("GET /info HTTP/1.1\r\nHost: d\r\n\r\n");

    let setting = Setting::start();
    let mut ledger = Ledger::new(&setting.doxy);
    connections(&mut ledger, &setting);
    requests(&mut ledger, &setting);
    streams(&mut ledger, &setting);
    denials(&mut ledger, &setting);
    refusals(&mut ledger, &setting);
    engine(&mut ledger, &setting);
    script(&mut ledger, &setting);
    shares(&mut ledger, &setting);
    crowd(&mut ledger, &setting);
    configuration(&mut ledger, &setting);
    process(&mut ledger);

    assert_eq!(client.reply("GET").unwrap().status(), 504);
    for (sample, _) in [
        more("doxy_engine_errors_total doxy.sock reason timeout", 1.0),
        denial("doxy.sock allowed engine_timeout", ""),
    ] {
        wait::until(&sample, || {
            (Scrape::of(&waiting).get(&sample) == 1.0).then_some(())
        });
        ledger.seen(&sample);
    }
    admin(&mut ledger, &waiting);
    ledger.is_complete(&NEVER);
    waiting.stop();
    setting.doxy.stop();
}

fn connections(ledger: &mut Ledger<'_>, setting: &Setting) {
    let open = |by| [more("doxy_connections gone", by)];
    let client = ledger.moves(&open(1.0), || setting.connect("gone"));
    ledger.moves(&open(-1.0), || drop(client));
}

fn requests(ledger: &mut Ledger<'_>, setting: &Setting) {
    let mut connected = "dialled";
    for method in [
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "other",
    ] {
        // The engine has a route for every path with OPTIONS.
        let endpoint = match method {
            "OPTIONS" => "/{anyroute:.*}",
            _ => "none",
        };
        let samples = [
            request(&format!("web {endpoint} {method} allowed 2xx")),
            more("doxy_requests_ended_total web outcome complete", 1.0),
            more("doxy_first_byte_seconds_count web", 1.0),
            more("doxy_judging_seconds_count web", 1.0),
            more(
                &format!("doxy_engine_connections_total web kind {connected}"),
                1.0,
            ),
        ];
        let sent = if method == "other" { "BREW" } else { method };
        ledger.moves(&samples, || setting.ask("web", &format!("{sent} /any")));
        connected = "reused";
    }
    for (path, endpoint, status) in [
        ("/missing", "none", "4xx"),
        ("/fails", "none", "5xx"),
        ("/unchanged", "none", "3xx"),
        ("/info", "/info", "2xx"),
    ] {
        let sample = request(&format!("web {endpoint} GET allowed {status}"));
        ledger.moves(&[sample], || setting.ask("web", &format!("GET {path}")));
    }
    let samples = [
        request("web /build POST allowed 2xx"),
        more("doxy_bytes_total web direction to_engine", 5.0),
    ];
    ledger.moves(&samples, || {
        let head = "POST /build HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\n";
        setting.connect("web").ask(format!("{head}hello"))
    });
    let gone = [
        request("web none GET allowed none"),
        more("doxy_requests_ended_total web outcome client_gone", 1.0),
    ];
    ledger.moves(&gone, || {
        let count = setting.fake.requests().len();
        let mut client = setting.connect("web");
        client.send("GET /slow HTTP/1.1\r\nHost: d\r\n\r\n");
        setting.fake.wait_for(count + 1);
    });
    let log = sample("doxy_log_lines_dropped_total", &[("log", "/dev/full")]);
    ledger.moves(&[(log, 1.0)], || setting.ask("lossy", "GET /info"));
}

fn streams(ledger: &mut Ledger<'_>, setting: &Setting) {
    // Its bytes are counted while it is open.
    let begins = [
        more("doxy_streams web", 1.0),
        // Five, and five that frame them.
        more("doxy_bytes_total web direction to_client", 10.0),
    ];
    let mut client = ledger.moves(&begins, || {
        let mut client = setting.connect("web");
        client.send("GET /events HTTP/1.1\r\nHost: d\r\n\r\n");
        client
    });
    let ends = [
        more("doxy_streams web", -1.0),
        request("web /events GET allowed 2xx"),
    ];
    ledger.moves(&ends, || {
        setting.end.send(()).unwrap();
        assert_eq!(client.reply("GET").unwrap().body, b"hello");
    });

    let attach = "POST /containers/x/attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n\
                  Upgrade: tcp\r\nContent-Length: 0\r\n\r\n";
    let mut client = ledger.moves(&[more("doxy_tunnels web", 1.0)], || {
        let mut client = setting.connect("web");
        client.send(attach);
        client.until(b"\r\n\r\n");
        client
    });
    let bytes = [
        more("doxy_bytes_total web direction to_engine", 4.0),
        more("doxy_bytes_total web direction to_client", 4.0),
    ];
    ledger.moves(&bytes, || {
        client.send("ping");
        assert_eq!(client.take(4), b"ping");
    });
    let ends = [
        more("doxy_tunnels web", -1.0),
        request("web /containers/{name:.*}/attach POST allowed 1xx"),
        more("doxy_requests_ended_total web outcome tunnel", 1.0),
    ];
    ledger.moves(&ends, || client.end());
}

fn denials(ledger: &mut Ledger<'_>, setting: &Setting) {
    for (socket, line, counted, reason, rule) in [
        ("read", "DELETE /info", "none DELETE denied", "method", ""),
        ("read", "GET /x", "none GET denied", "path", ""),
        (
            "web",
            "POST /info",
            "none POST denied",
            "method_on_path",
            "",
        ),
        (
            "web",
            "GET /secrets",
            "/secrets GET denied",
            "deny_rule",
            DENY_RULE,
        ),
        (
            "script",
            "GET /deny",
            "none GET denied",
            "script",
            DENY_PLACE,
        ),
        (
            "script",
            "GET /fail",
            "none GET denied",
            "script_failed",
            "policy.rhai",
        ),
    ] {
        let samples = [
            denial(&format!("{socket} denied {reason}"), rule),
            request(&format!("{socket} {counted} 4xx")),
        ];
        ledger.moves(&samples, || setting.ask(socket, line));
    }
    let body = [
        denial("script denied body_not_allowed", ""),
        request("script /containers/{name:.*}/start POST denied 4xx"),
    ];
    ledger.moves(&body, || {
        let head = "POST /containers/x/start HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n";
        setting.connect("script").ask(format!("{head}{{}}"))
    });
    let would = [
        denial("dry would_deny path", ""),
        request("dry none GET would_deny 2xx"),
    ];
    ledger.moves(&would, || setting.ask("dry", "GET /x"));
}

fn refusals(ledger: &mut Ledger<'_>, setting: &Setting) {
    let head = "GET /info HTTP/1.1\r\nHost: d\r\n";
    let large = format!("{head}X: {}\r\n\r\n", "x".repeat(256 << 10));
    let form = "POST /build HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\nx";
    for (socket, sent, counted, reason) in [
        (
            "web",
            "GET info HTTP/1.1\r\nHost: d\r\n\r\n",
            "none GET refused 4xx",
            "malformed",
        ),
        ("web", &large, "none other refused 4xx", "head_too_large"),
        ("late", "GET", "none other refused 4xx", "head_timeout"),
        ("web", form, "none POST refused 4xx", "form_body"),
        (
            "web",
            "GET //info HTTP/1.1\r\nHost: d\r\n\r\n",
            "none GET refused 3xx",
            "redirected",
        ),
        (
            "closed",
            "GET /info HTTP/1.1\r\nHost: d\r\n\r\n",
            "none other refused 4xx",
            "peer_not_allowed",
        ),
    ] {
        let samples = [
            denial(&format!("{socket} refused {reason}"), ""),
            request(&format!("{socket} {counted}")),
        ];
        ledger.moves(&samples, || {
            let mut client = setting.connect(socket);
            // It is answered before it has sent everything.
            client.try_send(sent.as_bytes());
            client.reply("GET").unwrap()
        });
    }
    let from_web = format!("{head}Origin: null\r\n\r\n");
    for (address, socket, sent, reason) in [
        (setting.tcp, "tcp", from_web.as_bytes(), "from_web"),
        (setting.tcp, "tcp", b"\x16\x03\x01\x02\x00\x01", "not_plain"),
        (setting.tls, "script", from_web.as_bytes(), "not_tls"),
    ] {
        let samples = [denial(&format!("{socket} refused {reason}"), "")];
        ledger.moves(&samples, || Client::connect_tcp(address).ask(sent));
    }
    let failed = [more("doxy_tls_handshakes_failed_total script", 1.0)];
    ledger.moves(&failed, || {
        let mut client = Client::connect_tcp(setting.tls);
        client.send([&b"\x16\x03\x01\x00\x64"[..], &[0xff; 100]].concat());
        client.rest()
    });
}

fn engine(ledger: &mut Ledger<'_>, setting: &Setting) {
    for (socket, path, endpoint, reason, why) in [
        (
            "gone",
            "/info",
            "/info",
            "unreachable",
            "engine_unreachable",
        ),
        ("web", "/nothing", "none", "failed", "engine_failed"),
    ] {
        let samples = [
            more(
                &format!("doxy_engine_errors_total {socket} reason {reason}"),
                1.0,
            ),
            denial(&format!("{socket} allowed {why}"), ""),
            request(&format!("{socket} {endpoint} GET allowed 5xx")),
        ];
        ledger.moves(&samples, || setting.ask(socket, &format!("GET {path}")));
    }
    let broke_off = [
        more("doxy_engine_errors_total web reason broke_off", 1.0),
        more("doxy_requests_ended_total web outcome engine_gone", 1.0),
    ];
    ledger.moves(&broke_off, || {
        let mut client = setting.connect("web");
        client.send("GET /broken HTTP/1.1\r\nHost: d\r\n\r\n");
        assert!(client.rest().ends_with(b"hello"));
    });
}

fn script(ledger: &mut Ledger<'_>, setting: &Setting) {
    for (path, failure, lookup) in [
        ("/any", "", ""),
        ("/fail", "error", ""),
        ("/loop", "limit", ""),
        ("/containers/known/json", "", "answered"),
        ("/containers/broken/json", "error", "failed"),
    ] {
        // A script that looks something up is called again with the answer.
        let calls = if lookup.is_empty() { 1.0 } else { 2.0 };
        let mut samples = vec![more("doxy_script_seconds_count script", calls)];
        if !failure.is_empty() {
            let failures = format!("doxy_script_failures_total script kind {failure}");
            samples.push(more(&failures, 1.0));
            samples.push(denial("script denied script_failed", "policy.rhai"));
        }
        if !lookup.is_empty() {
            let lookups = format!("doxy_lookups_total script result {lookup}");
            samples.push(more(&lookups, 1.0));
        }
        ledger.moves(&samples, || setting.ask("script", &format!("GET {path}")));
    }
}
