//! The live page of the admin side, in a real browser.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::needs::missing;
use crate::support::{Binary, Client, Fake, Setup};

const RULES: &str = "(/v[\\d.]+)?/containers/json\n(/v[\\d.]+)?/containers/[^/]+/json\n";
const ALLOWED: &str = "GET /v1.41/containers/json HTTP/1.1\r\nHost: d\r\n\r\n";
const DENIED: &str =
    "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n";
/// The rows of the table of denials, as their text.
const ROWS: &str =
    "[...document.querySelectorAll('#denied tbody tr')].map((row) => row.textContent)";
const LIVE: &str = "document.getElementById('state')?.textContent === 'live'";

/// Doxy with an admin side on a port that stays the same when doxy starts anew.
struct Live {
    engine: Fake,
    port: TcpListener,
}

impl Live {
    fn new() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let engine = Fake::start();
        Self { engine, port }
    }

    fn start(&self) -> Binary {
        let setup = Setup::new();
        let clients = UnixListener::bind(setup.path("doxy.sock")).unwrap();
        let passed = [self.port.try_clone().unwrap().into(), clients.into()];
        setup
            .engine(self.engine.path())
            .without("DOXY_PROXY_SOCKET")
            .passed("admin:clients", passed)
            .rules(RULES)
            .args([
                "--proxy-socket",
                "fd://clients",
                "--admin-listen",
                "fd://admin",
            ])
            .start()
    }

    /// The page, when it is live.
    fn open(&self, browser: &mut Browser) {
        browser.open(&format!("http://{}/", self.port.local_addr().unwrap()));
        browser.until(LIVE);
    }
}

/// The first row whose text has these words.
fn row_with(words: &str) -> String {
    format!("{ROWS}.some((text) => text.includes({}))", json!(words))
}

#[test]
fn a_denial_appears_without_a_reload_and_its_rule_can_be_copied_by_keyboard() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let live = Live::new();
    let doxy = live.start();
    live.open(&mut browser);
    browser.value("window.loaded = 'once'");
    assert_eq!(browser.value(ROWS), json!([]));
    assert_eq!(doxy.ask(ALLOWED).status(), 200);
    assert_eq!(doxy.ask(DENIED).status(), 400);
    browser.until(&row_with("/v1.41/containers/create"));
    // An allowed request is a number, and nothing else.
    let rows = browser.value(ROWS);
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    for words in ["POST", "no rule allows this method", "user ", "×1"] {
        assert!(rows.to_string().contains(words), "{words}: {rows}");
    }
    let rule = "POST (/v[\\d.]+)?/containers/create";
    let shown = browser.value("document.querySelector('#denied .rule code').textContent");
    assert_eq!(shown, rule);
    // The second of its kind is a count in the same row.
    assert_eq!(doxy.ask(DENIED).status(), 400);
    browser.until(&row_with("×2"));
    let grant = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    browser.call_whole("Browser.grantPermissions", grant);
    let focused = "document.activeElement?.textContent";
    while browser.value(focused) != "Copy" {
        browser.press("Tab");
    }
    browser.press("Enter");
    browser.until(&format!("{focused} === 'Copied'"));
    assert_eq!(browser.value("navigator.clipboard.readText()"), rule);
    // A status comes every few seconds: the focus is still there, and the page is the same.
    assert_eq!(doxy.ask(DENIED).status(), 400);
    browser.until(&row_with("×3"));
    assert_eq!(
        browser.value("document.activeElement.closest('tr') !== null"),
        true
    );
    assert_eq!(browser.value("window.loaded"), "once");
    assert_eq!(browser.complaints, [""; 0]);
}

#[test]
fn what_clients_sent_is_text() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let live = Live::new();
    let doxy = live.start();
    live.open(&mut browser);
    let evil = "GET /%3Cscript%3Ewindow.ran=1%3C%2Fscript%3E%3Cimg%20src=x%20onerror=window.ran=1%3E \
                HTTP/1.1\r\nHost: d\r\n\r\n";
    assert_eq!(doxy.ask(evil.replace("%2F", "/")).status(), 403);
    browser.until(&row_with("<script>window.ran=1</script>"));
    assert_eq!(browser.value("typeof window.ran"), "undefined");
    assert_eq!(
        browser.value("document.querySelectorAll('main script, main img').length"),
        0
    );
    // If it were more than text, the browser would not have it.
    for attempt in [
        "document.body.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.1:1/'}))",
        "document.head.append(Object.assign(document.createElement('style'), {textContent: 'a{}'}))",
    ] {
        browser.value(&format!("{attempt}, 0"));
    }
    let refused = "(() => { try { document.body.innerHTML = 'x' } catch { return true } })()";
    assert_eq!(browser.value(refused), true);
    assert_eq!(browser.complaints.len(), 3, "{:?}", browser.complaints);
}

#[test]
fn a_lost_connection_is_seen_and_comes_back() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let live = Live::new();
    let doxy = live.start();
    live.open(&mut browser);
    assert_eq!(doxy.ask(DENIED).status(), 400);
    browser.until(&row_with("/containers/create"));
    drop(doxy);
    let told = "document.getElementById('lost').innerText";
    browser.until(&format!(
        "{told}.startsWith('Not connected to doxy since ')"
    ));
    assert_eq!(browser.value("document.title"), "doxy: not connected");
    assert_eq!(
        browser.value("document.getElementById('news').textContent"),
        "Not connected to doxy."
    );
    // What was there is there still, and said to be old.
    assert_eq!(browser.value(&row_with("/containers/create")), true);
    let doxy = live.start();
    browser.until(LIVE);
    assert_eq!(
        browser.value("document.getElementById('lost').hidden"),
        true
    );
    // Counts begin again.
    browser.until(&format!("{ROWS}.length === 0"));
    assert_eq!(doxy.ask(DENIED).status(), 400);
    browser.until(&row_with("/containers/create"));
}

#[test]
fn coverage_comes_when_somebody_looks_and_by_keyboard() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let live = Live::new();
    let _doxy = live.start();
    live.open(&mut browser);
    let focused = "document.activeElement?.textContent ?? ''";
    let mut reached = vec![];
    while browser.value(focused) != "What the policy opens" {
        browser.press("Tab");
        reached.push(browser.value("document.activeElement.id"));
        let ring = browser.value("getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(ring, "solid", "{reached:?}");
    }
    assert_eq!(reached, ["find", "pause", ""]);
    assert_eq!(
        browser.value("document.querySelectorAll('details details').length"),
        0
    );
    browser.press("Enter");
    browser.until("document.querySelector('details details summary .risk.secrets') !== null");
    let text = browser.value("document.querySelector('details details').textContent");
    assert_eq!(
        text,
        "secrets reads secrets, by 1 endpointGET/containers/{name:.*}/json"
    );
    assert_eq!(browser.complaints, [""; 0]);
}

#[test]
fn a_page_that_is_paused_stays_as_it_is() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let live = Live::new();
    let doxy = live.start();
    live.open(&mut browser);
    let click = "document.getElementById('pause').click()";
    browser.value(click);
    assert_eq!(doxy.ask(DENIED).status(), 400);
    // It is told, and not shown.
    browser.until("document.getElementById('news').textContent === '1 request denied'");
    assert_eq!(browser.value(ROWS), json!([]));
    assert_eq!(
        browser.value("document.getElementById('state').textContent"),
        "paused"
    );
    browser.value(click);
    browser.until(&row_with("/containers/create"));
    // What is looked for is what is shown.
    let find = |words: &str| {
        let input = "const find = document.getElementById('find')";
        format!("{{ {input}; find.value = '{words}'; find.dispatchEvent(new Event('input')); }}")
    };
    browser.value(&find("post nothing"));
    assert_eq!(browser.value(ROWS), json!([]));
    browser.value(&find("POST create"));
    assert_eq!(browser.value(&row_with("/containers/create")), true);
}

#[test]
fn a_page_too_many_is_told_so_and_holds_up_nobody() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let live = Live::new();
    let doxy = live.start();
    let address = live.port.local_addr().unwrap();
    // Doxy sends figures to so many pages of one peer.
    let open = |_| {
        let mut page = Client::connect_tcp(address);
        page.send("GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        page.until(b"event: status");
        page
    };
    let pages: Vec<_> = (0..16).map(open).collect();
    browser.open(&format!("http://{address}/"));
    browser.until(
        "document.getElementById('lost')?.textContent.includes('too many pages may be open')",
    );
    assert_eq!(doxy.ask(ALLOWED).status(), 200);
    drop(pages);
    browser.until(LIVE);
}

#[test]
fn a_browser_without_scripts_is_told_where_the_figures_are() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let live = Live::new();
    let _doxy = live.start();
    browser.call(
        "Emulation.setScriptExecutionDisabled",
        json!({"value": true}),
    );
    browser.open(&format!("http://{}/", live.port.local_addr().unwrap()));
    let text = "(document.body?.innerText ?? '')";
    browser.until(&format!("{text}.includes('doxy top --once')"));
    // Nothing that looks like a figure.
    for words in ["Nothing so far", "connecting", "Denied", "Find"] {
        let there = browser.value(&format!("{text}.includes('{words}')"));
        assert_eq!(there, false, "{words}");
    }
}

/// Without a browser: what is sent, and what the page may do.
#[test]
fn the_page_and_the_coverage_of_a_socket_are_served() {
    let live = Live::new();
    let _doxy = live.start();
    let get = |path: &str| {
        let mut client = Client::connect_tcp(live.port.local_addr().unwrap());
        client.ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    };
    let page = get("/");
    assert_eq!(page.status(), 200);
    assert!(
        page.body
            .starts_with(b"<!doctype html>\n<html lang=\"en\">")
    );
    for (header, start) in [
        ("content-type", "text/html; charset=utf-8"),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'sha256-",
        ),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ] {
        let value = page.header(header);
        assert!(
            value.first().is_some_and(|it| it.starts_with(start)),
            "{header}: {value:?}"
        );
    }
    let covered = get("/api/coverage/fd%3A%2F%2Fclients");
    assert_eq!(covered.status(), 200);
    let covered: Value = serde_json::from_slice(&covered.body).unwrap();
    let printed = Setup::new()
        .rules(RULES)
        .args(["coverage", "--format", "json"])
        .run();
    assert_eq!(
        covered,
        serde_json::from_str::<Value>(&printed.stdout).unwrap()
    );
    for unknown in ["/api/coverage/", "/api/coverage/web", "/page.css", "//"] {
        assert_eq!(get(unknown).status(), 404, "{unknown}");
    }
}

/// axe-core looks for what keeps people out: contrast, names, roles, headings, landmarks.
#[test]
fn axe_finds_nothing_in_any_colours_at_any_width() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let Some(axe) = std::env::var_os("DOXY_TEST_AXE").map(PathBuf::from) else {
        missing("it needs the path of axe.min.js in DOXY_TEST_AXE");
        return;
    };
    let axe = fs::read_to_string(axe).unwrap();
    let live = Live::new();
    for scheme in ["light", "dark"] {
        for width in [1200, 390] {
            let doxy = live.start();
            browser.look(width, 900, scheme);
            live.open(&mut browser);
            assert_eq!(doxy.ask(DENIED).status(), 400);
            assert_eq!(
                doxy.ask("GET /x/y HTTP/1.1\r\nHost: d\r\n\r\n").status(),
                403
            );
            browser.until(&format!("{ROWS}.length === 2"));
            browser.value("document.querySelector('details').open = true");
            browser.until("document.querySelector('details details') !== null");
            let page = "document.documentElement";
            let fits = browser.value(&format!("{page}.scrollWidth <= {page}.clientWidth"));
            assert_eq!(fits, true, "{scheme} {width}");
            browser.value(&format!("{axe};0"));
            assert_eq!(found(&mut browser), json!([]), "{scheme} {width}");
            drop(doxy);
            browser.until("!document.getElementById('lost').hidden");
            assert_eq!(
                found(&mut browser),
                json!([]),
                "{scheme} {width}, not connected"
            );
        }
    }
}

fn found(browser: &mut Browser) -> Value {
    browser.value(
        "axe.run().then(({ violations }) => violations.map((it) => [it.id, it.nodes.map((node) => node.html)]))",
    )
}
