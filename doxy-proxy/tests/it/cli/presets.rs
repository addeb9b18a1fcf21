//! `--preset`: what it allows, what it does not go together with; and `doxy presets`.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use super::config::command::printed;
use super::config::table;
use super::{NONE, folder, refused, says};
use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n")
}

/// Without the setting being read, doxy would serve by the embedded rules.
#[test]
fn wrong_names() {
    says(
        "preset traefic
--preset traefic: there is no such preset
help: is `traefik` meant? `doxy presets` lists all of them

preset nothing-like-it
--preset nothing-like-it: there is no such preset
help: `doxy presets` lists all of them

preset ../x
--preset ../x: there is no such preset
help: `doxy presets` lists all of them",
    );
    table(
        "[socket.a]
proxy-socket = \"a\"
preset = [\"original\", \"Original\"]
=>
doxy.toml:3:23: preset = \"Original\": there is no such preset
help: is `original` meant? `doxy presets` lists all of them

preset = []
=>
doxy.toml:1:10: preset = []: the list is empty
help: name at least one, or leave it out

preset = 1
=>
doxy.toml:1:10: preset = 1: not a text
help: write it in quotes: preset = \"…\"",
    );
}

/// The rule that stands for none was written by nobody, and nobody can mend it.
#[cfg(feature = "script")]
#[test]
fn a_script_without_rules_is_not_warned_of_any() {
    for tool in [&["check", "--strict"][..], &["explain", "GET", "/info"]] {
        let folder = folder();
        let mut command = doxy(folder.path());
        let ended = Process::spawn(command.args(tool).args(["--preset", "sandbox"])).end();
        assert_eq!(ended.code, Some(0), "{ended}");
        assert!(!ended.to_string().contains("no rules"), "{ended}");
    }
}

/// The second script would never be asked.
#[cfg(feature = "script")]
#[test]
fn one_script_a_socket() {
    let help = |name: &str| {
        format!(
            "help: a socket has one script: give each program a socket of its own, or write one \
             script from both (`doxy presets show {name}` prints the preset)\n"
        )
    };
    let said = refused(&["--preset", "traefik,original,read-only"], NONE, &[]);
    let what = "doxy: --preset read-only: a second policy script, beside preset traefik\n";
    assert_eq!(said, format!("{what}{}", help("read-only")));
    let said = refused(
        &["--script", "x.rhai"],
        &[("DOXY_PRESET", "prometheus")],
        &[],
    );
    let what = "doxy: DOXY_PRESET=prometheus: a second policy script, beside --script x.rhai\n";
    assert_eq!(said, format!("{what}{}", help("prometheus")));
    table(&format!(
        "script = \"x.rhai\"
[socket.a]
proxy-socket = \"a\"
preset = [\"original\", \"puller\"]
=>
doxy.toml:4:23: preset = \"puller\": a second policy script, beside doxy.toml:1:10: script = \"x.rhai\"
{}",
        help("puller").trim_end()
    ));
}

/// Without the cargo feature there is nothing that could ask the script.
#[cfg(not(feature = "script"))]
#[test]
fn a_doxy_without_scripts_says_so() {
    let said = refused(&["--preset", "traefik"], NONE, &[]);
    let what = "--preset traefik: this doxy was built without policy scripts";
    assert!(said.starts_with(&format!("doxy: {what}\nhelp: ")), "{said}");
}

/// The rules of presets add up with each other and with one's own, and the log names them.
#[test]
fn rules_add_up_and_are_named() {
    let folder = folder();
    let fake = Fake::start();
    let mut command = doxy(folder.path());
    command.args(["--preset", "original", "--preset", "original"]);
    command.args([
        "--pattern-file",
        "good.pattern",
        "--patterns",
        "/also",
        "--debug",
    ]);
    command.arg("--docker-socket").arg(fake.path());
    let process = Process::start(&mut command);
    process.logged("13 rules from preset original and good.pattern and --patterns");
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    for (path, status) in [("/v1.41/info", 200), ("/also", 200), ("/x", 403)] {
        assert_eq!(client.ask(get(path)).status(), status, "{path}");
    }
    process.logged("GET /v1.41/info | allowed by preset original:2");
    // What two texts both allow is no mistake of the preset's.
    assert!(!process.log().contains("WARN preset"), "{}", process.log());
    process.stop();
}

/// A script and its rules are one preset.
#[cfg(feature = "script")]
#[test]
fn a_script_with_its_rules() {
    let folder = folder();
    let fake = Fake::start();
    let mut command = doxy(folder.path());
    command.args(["--preset", "prometheus", "--patterns", "/info", "--debug"]);
    command.arg("--docker-socket").arg(fake.path());
    let process = Process::start(&mut command);
    process.logged(
        "policy script preset prometheus.rhai, 5 rules from preset prometheus and --patterns",
    );
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    for (path, status) in [
        ("/containers/json?all=1", 200),
        ("/containers/json?size=1", 403),
        ("/info", 200),
        ("/containers/x/json", 403),
    ] {
        assert_eq!(client.ask(get(path)).status(), status, "{path}");
    }
    process.logged("preset prometheus.rhai:");
    process.stop();
}

/// A script that decides alone has no rules, those of `/etc/doxy.pattern` neither.
#[cfg(feature = "script")]
#[test]
fn a_script_alone_says_what_is_not_asked() {
    let folder = folder();
    let start = |args: &[&str]| {
        let process = Process::start(doxy(folder.path()).args(args));
        process.stop().stderr
    };
    let alone =
        "policy script preset read-only.rhai alone (it has no pass(), so rules are not asked)";
    let words =
        "WARN --preset read-only: its script decides alone, so the rules beside it are not asked";
    let log = start(&["--preset", "read-only"]);
    assert!(log.contains(alone) && !log.contains(words), "{log}");
    let log = start(&["--preset", "read-only", "--patterns", "/x"]);
    assert!(log.contains(alone) && log.contains(words), "{log}");
    // Nobody has images at registry.example.com.
    let log = start(&["--preset", "puller"]);
    let words = "WARN --preset puller: it is an example until REPOSITORIES are yours: `doxy presets \
                 show puller > puller.rhai`, edit it, and use it with --script";
    assert!(log.contains(words), "{log}");
}

#[test]
fn a_reload_changes_the_preset() {
    let folder = folder();
    let fake = Fake::start();
    let settings = |preset: &str| {
        let text = format!("preset = \"{preset}\"\n");
        fs::write(folder.path().join("doxy.toml"), text).unwrap();
    };
    settings("original");
    let mut command = doxy(folder.path());
    command.args([
        "--config",
        "doxy.toml",
        "--patterns",
        "/also",
        "--docker-socket",
    ]);
    let process = Process::start(command.arg(fake.path()));
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    assert_eq!(client.ask(get("/nodes")).status(), 200);
    settings("originl");
    process.signal(Signal::HUP);
    process.logged("doxy.toml:1:10: preset = \"originl\": there is no such preset");
    assert_eq!(client.ask(get("/nodes")).status(), 200);
    settings("uptime-kuma");
    process.signal(Signal::HUP);
    process.logged("rules from preset uptime-kuma and --patterns");
    for (path, status) in [
        ("/nodes", 403),
        ("/containers/web/json", 200),
        ("/also", 200),
    ] {
        assert_eq!(client.ask(get(path)).status(), status, "{path}");
    }
    process.stop();
}

#[test]
fn the_list_and_the_texts() {
    let list = printed(&["presets"], &[], &[]);
    let row = list.lines().find(|line| line.starts_with("original "));
    assert!(
        row.is_some_and(|row| row.ends_with("secrets, files-out, egress, dos, info")),
        "{list}"
    );
    let json: Value =
        serde_json::from_str(&printed(&["presets", "--format", "json"], &[], &[])).unwrap();
    let presets = json["presets"].as_array().unwrap();
    assert_eq!(presets.len(), list.lines().count() - 1);
    let traefik = presets.iter().find(|it| it["name"] == "traefik").unwrap();
    assert_eq!(
        traefik["opens"],
        serde_json::json!(["secrets", "dos", "info"])
    );
    assert_eq!(
        traefik["files"],
        serde_json::json!(["traefik.pattern", "traefik.rhai"])
    );
    let text = |name: &str| {
        fs::read_to_string(format!("{}/../scripts/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    let show = |name: &str| printed(&["presets", "show", name], &[], &[]);
    // What is printed is the file, ready to be used.
    assert_eq!(show("original"), text("original.pattern"));
    assert_eq!(show("traefik.rhai"), text("traefik.rhai"));
    let both = format!(
        "==> traefik.pattern <==\n{}\n==> traefik.rhai <==\n{}",
        text("traefik.pattern"),
        text("traefik.rhai")
    );
    assert_eq!(show("traefik"), both);
    let json = printed(&["presets", "show", "original", "--format=json"], &[], &[]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["files"][0]["text"], text("original.pattern"));
    let said = refused(&["presets", "show", "traefick"], NONE, &[]);
    let help = "help: is `traefik` meant? `doxy presets` lists all of them";
    assert_eq!(
        said,
        format!("doxy: traefick: there is no such preset\n{help}\n")
    );
}

#[test]
fn config_show_knows_presets() {
    let args = ["config", "show", "--preset", "original,uptime-kuma"];
    let shown = printed(&args, &[], &[]);
    let row = "preset = [\"original\", \"uptime-kuma\"]";
    assert!(shown.contains(row), "{shown}");
    assert!(
        shown.contains("rules from preset original and preset uptime-kuma"),
        "{shown}"
    );
}
