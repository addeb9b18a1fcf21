//! `doxy learn` with a recording engine: what it forwards, what it writes, and how it ends.

mod command;
mod lines;
mod logs;
mod settings;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::support::files::listing;
use crate::support::process::{Ended, Process, doxy};
use crate::support::{Client, Fake, Setup};

/// A `doxy learn` that waits for clients.
struct Learning {
    process: Process,
    folder: tempfile::TempDir,
    socket: PathBuf,
}

impl Learning {
    #[track_caller]
    fn start(engine: &Path, args: &[&str], files: &[(&str, &str)]) -> Self {
        let folder = crate::support::files::short_folder();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut command = doxy(folder.path());
        command
            .env("DOXY_DOCKER_SOCKET", engine)
            .env("TMPDIR", folder.path())
            .arg("learn")
            .args(args);
        let process = Process::spawn(&mut command);
        let line = process.logged("DOCKER_HOST=unix://");
        let (_, path) = line.split_once("unix://").unwrap();
        let socket = path.split(';').next().unwrap().into();
        Self {
            process,
            folder,
            socket,
        }
    }

    fn ask(&self, head: &str) -> u16 {
        Client::connect(&self.socket)
            .ask(format!("{head} HTTP/1.1\r\nHost: d\r\n\r\n"))
            .status()
    }
}

/// The rules in a pattern file.
fn rules(text: &str) -> Vec<&str> {
    let rules = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    rules.collect()
}

/// Runs `doxy learn` to its end in a folder with these files. Returns what it wrote as `out`, too.
#[track_caller]
fn learn(args: &[&str], files: &[(&str, &str)]) -> (Ended, Option<String>) {
    let setup = Setup::new().env("PATH", "/usr/bin:/bin").args(["learn"]);
    let setup = files
        .iter()
        .fold(setup, |setup, (name, text)| setup.file(name, text));
    let out = setup.path("out");
    let mut setup = setup.env("TMPDIR", "/tmp").args(args);
    let ended = setup.run();
    (ended, fs::read_to_string(out).ok())
}

#[test]
fn what_a_tool_asks_is_forwarded_and_written() {
    let engine = Fake::start();
    let learning = Learning::start(
        engine.path(),
        &["--out", "out", "--accept-risk=secrets"],
        &[],
    );
    learning.process.logged("EVERYTHING");
    for (head, status) in [
        ("GET /v1.41/containers/json?all=1", 200),
        ("GET /v1.41/containers/web/json", 200),
        ("GET /v1.51/containers/my-db_1.2/json", 200),
        ("DELETE /v1.41/images/quay.io/team/app:1", 200),
        ("POST /v1.41/containers/web/exec", 200),
        ("GET /robots%0a.txt", 400),
        ("GET /robots|.txt", 200),
        ("GET /containers/../info", 400),
    ] {
        assert_eq!(learning.ask(head), status, "{head}");
    }
    // What a tool may send that has lost its way.
    for garbage in [
        &b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
    ] {
        let mut client = Client::connect(&learning.socket);
        client.send(garbage);
        assert_eq!(client.reply("GET").unwrap().status(), 400);
    }
    let new = learning
        .process
        .logged("new: GET /containers/{name:.*}/json");
    assert!(new.ends_with("(secrets, info)"), "{new}");
    learning.process.logged("no endpoint: GET /robots|.txt");
    let folder = learning.socket.parent().unwrap();
    for (path, mode) in [(folder, 0o700), (&*learning.socket, 0o600)] {
        let found = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
    let Learning {
        process, folder, ..
    } = learning;
    let ended = process.stop();
    let text = fs::read_to_string(folder.path().join("out")).unwrap();
    assert_eq!(
        rules(&text),
        [
            r"GET (/v[\d.]+)?/containers/json",
            r"GET (/v[\d.]+)?/containers/[^/]+/json",
            r"DELETE (/v[\d.]+)?/images/.+",
        ]
    );
    for comment in [
        r"# POST (/v[\d.]+)?/containers/[^/]+/exec",
        "#   GET /robots|.txt",
    ] {
        assert!(
            text.lines().any(|line| line == comment),
            "{comment}\n{text}"
        );
    }
    // The malformed requests never reached the engine.
    let targets: Vec<_> = engine
        .requests()
        .iter()
        .map(|it| it.target().to_owned())
        .collect();
    assert_eq!(targets.len(), 6, "{targets:?}");
    for words in [
        "seen: 6 requests, for 4 endpoints; allowed by the rules: 3",
        "5 requests: refused by doxy",
        "NOT allowed: POST /containers/{name:.*}/exec: it opens host-root, exec",
        "the tool needs --accept-risk host-root,exec",
        "beyond what was seen the rules open any name at 2 endpoints",
        "doxy check --pattern-file out",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {ended}");
    }
    // Socket and pipe are gone, and nothing but the file is left.
    assert_eq!(
        listing(folder.path()).into_iter().collect::<Vec<_>>(),
        ["out"]
    );
}

#[test]
fn a_stream_that_is_still_open_is_learned() {
    use std::io::Write as _;
    let engine = Fake::with(|_, stream| {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n";
        stream.write_all(head).is_ok()
    });
    let learning = Learning::start(engine.path(), &["--out", "out"], &[]);
    let mut client = Client::connect(&learning.socket);
    client.send("GET /v1.41/events HTTP/1.1\r\nHost: d\r\n\r\n");
    client.until(b"{}");
    let Learning {
        process, folder, ..
    } = learning;
    let ended = process.stop();
    let text = fs::read_to_string(folder.path().join("out")).unwrap();
    assert_eq!(rules(&text), [r"GET (/v[\d.]+)?/events"], "{ended}");
}

#[test]
fn it_ends_when_its_time_is_over() {
    let engine = Fake::start();
    let learning = Learning::start(engine.path(), &["--out", "out", "--for", "1s"], &[]);
    assert_eq!(learning.ask("GET /info"), 200);
    let out = learning.folder.path().join("out");
    let ended = learning.process.end();
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(
        rules(&fs::read_to_string(out).unwrap()),
        [r"GET (/v[\d.]+)?/info"]
    );
}

#[test]
fn with_observe_what_a_policy_denies_stays_denied() {
    let engine = Fake::start();
    let files = [("rules", "/info\n/volumes/mine\n")];
    let args = [
        "--observe",
        "--pattern-file",
        "rules",
        "--accept-risk",
        "secrets",
        "--out",
        "out",
    ];
    let learning = Learning::start(engine.path(), &args, &files);
    learning.process.logged("what the policy allows and denies");
    for (head, status) in [
        ("GET /info", 200),
        ("GET /volumes/mine", 200),
        ("GET /volumes/others", 403),
        ("GET /containers/json", 403),
    ] {
        assert_eq!(learning.ask(head), status, "{head}");
    }
    learning.process.logged("new: GET /containers/json");
    learning.process.signal(Signal::INT);
    let Learning {
        process,
        folder,
        socket,
    } = learning;
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(!socket.exists());
    let text = fs::read_to_string(folder.path().join("out")).unwrap();
    assert_eq!(rules(&text), [r"GET (/v[\d.]+)?/info"], "{text}");
    assert_eq!(engine.requests().len(), 2);
    assert!(
        ended
            .stderr
            .contains("2 requests: denied by the policy in force"),
        "{ended}"
    );
}
