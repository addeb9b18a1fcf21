//! `doxy learn` with a recording engine: what it forwards, what it writes, and how it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::support::files::listing;
use crate::support::process::{Ended, Process, doxy};
use crate::support::{Binary, Client, Fake, Need, Setup, needs};

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

#[test]
fn a_command_gets_the_socket_and_its_exit_code_is_passed_on() {
    let script = r#"
        echo "$DOCKER_HOST"; test -S "${DOCKER_HOST#unix://}" || exit 1
        test -z "$DOCKER_CONTEXT$DOCKER_TLS_VERIFY" || exit 2
        test "$CONTAINER_HOST" = "$DOCKER_HOST" || exit 3
        exit 7"#;
    let engine = Fake::start();
    let socket = engine.path().to_str().unwrap();
    let mut setup = Setup::new()
        .engine(engine.path())
        .env("PATH", "/usr/bin:/bin")
        .env("DOCKER_CONTEXT", "other")
        .env("CONTAINER_HOST", "ssh://other")
        .env("DOCKER_TLS_VERIFY", "1")
        .args(["learn", "--", "sh", "-c", script]);
    let ended = setup.run();
    assert_eq!(ended.code, Some(7), "{ended}");
    assert!(ended.stdout.starts_with("unix:///"), "{ended}");
    assert!(ended.stderr.contains("nothing was seen"), "{ended}");
    let (ended, _) = learn(
        &["--docker-socket", socket, "--", "sh", "-c", "kill -9 $$"],
        &[],
    );
    assert_eq!(ended.code, Some(128 + 9), "{ended}");
    let (ended, _) = learn(&["--docker-socket", socket, "--", "/nonexistent/tool"], &[]);
    assert_eq!(ended.code, Some(2), "{ended}");
    assert!(
        ended.stderr.contains("/nonexistent/tool: no such file"),
        "{ended}"
    );
}

#[test]
fn a_command_gets_the_signals() {
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
    ] {
        let script = format!("trap 'exit 9' {name}; echo ready; while :; do sleep 0.1; done");
        let (setup, engine) = (Setup::new(), Fake::start());
        let mut command = doxy(setup.path("").as_path());
        command
            .env("PATH", "/usr/bin:/bin")
            .env("DOXY_DOCKER_SOCKET", engine.path())
            .args(["learn", "--", "sh", "-c", &script]);
        let process = Process::spawn_group(&mut command);
        process.prints();
        process.signal(signal);
        let ended = process.end();
        assert_eq!(ended.code, Some(9), "{name}: {ended}");
    }
}

#[test]
fn a_log_is_learned_from() {
    let log = r#"{"time":"x","uid":0,"gid":0,"pid":1,"method":"GET","path":"/v1.41/containers/a b/logs","verdict":"would_deny"}
{"time":"x","method":"GET","path":"/containers/json","verdict":"allowed"}
not a record
{"time":"x","lost":3}
{"time":"x","method":"GET","path":"/containers/json/json","verdict":"allowed"}
{"time":"x","method":"GET","path":"/volumes/x","verdict":"denied"}
{"time":"x","method":null,"path":null,"verdict":"refused"}
{"time":"x","method":"GET","path":"/evil\\u{a}POST /containers/create","verdict":"denied"}
{"time":"x","method":"GET","path":"/<script>","verdict":"denied"}
{"time":"x","method":"GE"#;
    let args = [
        "--from",
        "log",
        "--out",
        "out",
        "--accept-risk",
        "secrets,exec",
    ];
    let (ended, out) = learn(&args, &[("log", log)]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let text = out.unwrap();
    assert_eq!(
        rules(&text),
        [
            r"GET (/v[\d.]+)?/containers/json",
            r"GET (/v[\d.]+)?/containers/[^/]+/json",
            r"GET (/v[\d.]+)?/containers/[^/]+/logs",
        ]
    );
    assert!(text.contains("\n#   GET /<script>\n"), "{text}");
    for words in [
        "log:3: not a JSON object; left out",
        "log:8: a path that doxy would have refused; left out",
        "log:10: the line is cut; left out",
        "3 requests: lost by the log",
        "NOT allowed: GET /volumes/{name:.*}: the policy in force denied it, and nothing is learned \
         against a policy",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {ended}");
    }
    // What was denied is not learned by accepting more.
    assert!(!ended.stderr.contains("the tool needs"), "{ended}");
}

#[test]
fn a_file_that_is_no_log_is_an_error_and_nothing_is_written() {
    let text = "2026-01-01T00:00:00.000Z 200 allowed GET /info uid=0 gid=0 pid=1\n".repeat(200);
    for (log, words) in [
        (
            &*text,
            "log:1: this is the text format; write the log with log-format json",
        ),
        ("127.0.0.1 - - \"GET /info\"\n", "log:1: not a JSON object"),
        (
            "\n\n{\"level\":\"info\"}\n",
            "log:3: no record of doxy: it has no `verdict`",
        ),
    ] {
        let (ended, out) = learn(&["--from", "log", "--out", "out"], &[("log", log)]);
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(ended.stderr.contains(words), "{words}: {ended}");
        assert_eq!(out, None);
    }
    let (ended, _) = learn(&["--from", "nowhere"], &[]);
    assert_eq!(ended.code, Some(2), "{ended}");
    assert!(ended.stderr.contains("nowhere: no such file"), "{ended}");
}

#[test]
fn an_existing_file_stays_unless_it_may_be_replaced() {
    let log = (
        "log",
        "{\"method\":\"GET\",\"path\":\"/info\",\"verdict\":\"allowed\"}\n",
    );
    let files = [log, ("out", "mine")];
    let (ended, out) = learn(&["--from", "log", "--out", "out"], &files);
    assert_eq!(
        (ended.code, out.as_deref()),
        (Some(2), Some("mine")),
        "{ended}"
    );
    let (ended, out) = learn(&["--from", "log", "--out", "out", "--force"], &files);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(rules(&out.unwrap()), [r"GET (/v[\d.]+)?/info"]);
    // Nothing was seen: the file that was good stays.
    let nothing = [("log", ""), ("out", "mine")];
    let (ended, out) = learn(&["--from", "log", "--out", "out", "--force"], &nothing);
    assert_eq!(
        (ended.code, out.as_deref()),
        (Some(1), Some("mine")),
        "{ended}"
    );
}

#[test]
fn wrong_arguments_are_told() {
    for (args, words) in [
        (
            &["--proxy-socket", "tcp://127.0.0.1:0"][..],
            "learn makes a socket of its own",
        ),
        (
            &["--pattern-file", "rules"],
            "without --observe everything is forwarded",
        ),
        (
            &["--preset", "traefik", "--from", "log"],
            "without --observe",
        ),
        (&["--user", "nobody"], "--user: learn does not use it"),
        (
            &["--accept-risk", "root"],
            "the classes are host-root, exec, secrets",
        ),
        (&["--for", "soon"], "--for soon: not a time"),
        (&["--for", "1h", "--", "true"], "--for"),
        (&["--from", "x", "--", "true"], "--from"),
        (&["--from", "x", "--observe"], "--from"),
        (&["--out", "/nowhere/x"], "there is no such folder"),
        (&["--out", "/dev/null", "--force"], "this is not a file"),
    ] {
        let (ended, _) = learn(args, &[]);
        assert_eq!(ended.code, Some(2), "{args:?}: {ended}");
        assert!(ended.stderr.contains(words), "{args:?}: {ended}");
    }
}

#[test]
fn the_engine_is_that_of_docker_clients_unless_a_setting_names_one() {
    let engine = Fake::start();
    let doxy = Binary::start(engine.path(), &[]);
    let script = "exit 0";
    let (socket, doxy) = (engine.path().to_str().unwrap(), doxy.socket());
    for (host, setting, expected) in [
        (socket, None, socket),
        ("/other.sock", Some(socket), socket),
        // What a policy denies there would never be learned.
        (doxy.to_str().unwrap(), None, "/var/run/docker.sock"),
    ] {
        if expected.starts_with("/var") && !needs(Need::NoFile("/var/run/docker.sock")) {
            continue;
        }
        let mut setup = Setup::new().env("PATH", "/usr/bin:/bin");
        setup = match setting {
            Some(path) => setup.env("DOXY_DOCKER_SOCKET", path),
            None => setup.without("DOXY_DOCKER_SOCKET"),
        };
        let mut setup = setup
            .env("DOCKER_HOST", &format!("unix://{host}"))
            .args(["learn", "--", "sh", "-c", script]);
        let ended = setup.run();
        let words = match expected == socket {
            true => format!("FORWARDED to {expected},"),
            false => format!("doxy: --docker-socket {expected}: "),
        };
        assert!(ended.stderr.contains(&words), "{words} {ended}");
    }
}

/// It says what was tried and what to do, and does not start the tool.
#[test]
fn without_an_engine_nothing_can_be_learned() {
    for (variable, value, said) in [
        (
            "DOXY_DOCKER_SOCKET",
            "/no/engine",
            "DOXY_DOCKER_SOCKET=/no/engine: ",
        ),
        (
            "DOCKER_HOST",
            "unix:///no/engine",
            "DOCKER_HOST=unix:///no/engine: ",
        ),
        (
            "DOCKER_HOST",
            "tcp://127.0.0.1:1",
            "DOCKER_HOST=tcp://127.0.0.1:1: ",
        ),
    ] {
        let mut setup = Setup::new()
            .without("DOXY_DOCKER_SOCKET")
            .env("PATH", "/usr/bin:/bin")
            .env(variable, value)
            .args(["learn", "--out", "out", "--", "touch", "started"]);
        let ended = setup.run();
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(
            ended.stderr.starts_with(&format!("doxy: {said}")),
            "{ended}"
        );
        let help = "\nhelp: start the engine first, or name its socket with --docker-socket PATH, or DOCKER_HOST=";
        assert!(ended.stderr.contains(help), "{ended}");
        assert!(!setup.path("started").exists() && !setup.path("out").exists());
    }
}

/// Whoever copies them tests the rules that were learned, with the engine that they were learned from.
#[test]
fn the_lines_to_test_it_work_as_printed() {
    if !needs(Need::Tool("curl")) {
        return;
    }
    let engine = Fake::start();
    let ask = "curl -sf --unix-socket ${DOCKER_HOST#unix://} http://d/info";
    for by_option in [true, false] {
        let mut setup = Setup::new()
            .without("DOXY_DOCKER_SOCKET")
            .without("DOXY_PROXY_SOCKET")
            .env("PATH", "/usr/bin:/bin");
        let host = format!("unix://{}", engine.path().display());
        setup = match by_option {
            true => setup.args(["--docker-socket", engine.path().to_str().unwrap()]),
            false => setup.env("DOCKER_HOST", &host),
        };
        let out = "my rules.pattern";
        let mut setup = setup.args(["learn", "--out", out, "--", "sh", "-c", ask]);
        let ended = setup.run();
        assert_eq!(ended.code, Some(0), "{ended}");
        let (_, lines) = ended.stderr.split_once("To test it:\n").unwrap();
        let lines: Vec<_> = lines
            .lines()
            .map(|line| line.strip_prefix("doxy:     doxy ").unwrap())
            .collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].contains(" --docker-socket "), "{lines:?}");
        for line in lines {
            let line = format!("{} {line}", env!("CARGO_BIN_EXE_doxy"));
            let mut command = crate::support::process::command("sh", &setup.path(""));
            command.args(["-c", &line]).env("PATH", "/usr/bin:/bin");
            command
                .env_remove("DOXY_DOCKER_SOCKET")
                .env_remove("DOXY_PROXY_SOCKET");
            let ended = Process::spawn(&mut command).end();
            // Without user namespaces a command of an ordinary user does not start.
            if ended.stderr.contains("cannot make a user namespace") {
                continue;
            }
            assert_eq!(ended.code, Some(0), "{line}: {ended}");
        }
        assert!(engine.requests().len() >= 2);
    }
}

/// A tool that comes by itself is tested with a proxy.
#[test]
fn the_line_to_test_a_tool_that_comes_by_itself() {
    let engine = Fake::start();
    let learning = Learning::start(engine.path(), &["--out", "out"], &[]);
    assert_eq!(learning.ask("GET /info"), 200);
    let Learning {
        process, folder, ..
    } = learning;
    let ended = process.stop();
    let line = format!(
        "doxy --pattern-file out --docker-socket {}",
        engine.path().display()
    );
    assert!(
        ended.stderr.contains(&format!("doxy:     {line}   # ")),
        "{ended}"
    );
    let args = line.split(' ').skip(1);
    let mut command = doxy(folder.path());
    let process = Process::start(command.env_remove("DOXY_DOCKER_SOCKET").args(args));
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    let head = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";
    assert_eq!(client.ask(head).status(), 200);
    process.stop();
}
