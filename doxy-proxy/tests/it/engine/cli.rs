//! The docker CLI through doxy and without it, side by side.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::real::{self, Engine, Made};
use super::{Doxy, LIMIT, Output, docker, docker_ok, unique};

/// What of an answer is the same from one second to the next.
#[derive(Clone, Copy)]
enum Compare {
    All,
    /// `docker info` without the counters that an engine in debug mode adds.
    Uncounted,
    /// A table without its CREATED and STATUS columns, which count seconds.
    Untimed,
    /// A table's first two columns, and how many there are: the others are measurements.
    Shape,
}

impl Compare {
    fn part(self, text: &str) -> String {
        let header = cells(text.lines().next().unwrap_or_default());
        let timed = |column: usize| matches!(header.get(column), Some(&("CREATED" | "STATUS")));
        let counters = ["File Descriptors:", "Goroutines:", "System Time:"];
        let part = |line: &str| match self {
            Self::All => Some(line.to_owned()),
            Self::Uncounted => {
                let counted = counters.iter().any(|c| line.trim_start().starts_with(c));
                (!counted).then(|| line.to_owned())
            }
            Self::Untimed => {
                let kept = cells(line).into_iter().enumerate();
                let kept = kept.filter(|(column, _)| !timed(*column));
                Some(kept.map(|(_, cell)| cell).collect::<Vec<_>>().join(" | "))
            }
            Self::Shape => {
                let row = cells(line);
                Some(format!("{:?} of {}", row.iter().take(2), row.len()))
            }
        };
        text.lines().filter_map(part).collect::<Vec<_>>().join("\n")
    }
}

/// The CLI's tables have two spaces or more between columns. An empty cell is lost; the columns
/// left out of a table stand before the only one that may be empty.
fn cells(line: &str) -> Vec<&str> {
    let cells = line.split("  ").map(str::trim);
    cells.filter(|cell| !cell.is_empty()).collect()
}

/// The command has the same exit status and prints the same through doxy as without it, and works.
#[track_caller]
fn check_same(engine: &Engine, doxy: &Doxy, args: &[&str], compare: Compare) {
    let see = |output: &Output| (output.status, compare.part(&output.stdout));
    let mut before = docker(&engine.socket, args);
    let mut rounds = 0;
    loop {
        let through = docker(&doxy.socket, args);
        let after = docker(&engine.socket, args);
        assert!(after.status.success(), "docker {args:?} directly: {after}");
        if [&before, &after].map(see).contains(&see(&through)) {
            return;
        }
        // On an engine of the user's, something may change between two looks: hence a look before
        // and one after, and another round where neither is like the one between.
        rounds += 1;
        assert!(
            rounds < 3 && through.status.success(),
            "docker {args:?}\n=== through doxy: {through}\n=== directly: {after}"
        );
        before = after;
    }
}

/// The command fails through doxy, and prints exactly these words as the engine's answer.
#[track_caller]
fn check_denied(doxy: &Doxy, args: &[&str], words: &str) {
    let output = docker(&doxy.socket, args);
    // Some versions of the CLI put `docker: ` before it and a full stop behind.
    let expected = format!(
        "Error response from daemon: {}",
        words.trim_end_matches('.')
    );
    let said = (output.stderr.lines()).any(|line| line.trim_end_matches('.').ends_with(&expected));
    assert!(
        said && !output.status.success(),
        "docker {args:?} should fail with\n{expected}\nbut: {output}"
    );
}

/// Everything on the engine that a denied command could have changed. Where others use the engine
/// too, only what carries the test's names.
#[track_caller]
fn state(engine: &Engine, container: &Made, mark: &str) -> String {
    let name = &*container.name;
    let lists: [&[&str]; 6] = [
        &[
            "ps",
            "-a",
            "--no-trunc",
            "--format",
            "{{.ID}} {{.Names}} {{.Image}} {{.Labels}}",
        ],
        &[
            "images",
            "--no-trunc",
            "--format",
            "{{.ID}} {{.Repository}}:{{.Tag}}",
        ],
        &[
            "network",
            "ls",
            "--no-trunc",
            "--format",
            "{{.ID}} {{.Name}}",
        ],
        &["volume", "ls", "--format", "{{.Name}} {{.Labels}}"],
        &[
            "inspect",
            name,
            "--format",
            "{{.Name}} {{json .State}} {{json .HostConfig}}",
        ],
        &["diff", name],
    ];
    let mut state = String::new();
    for args in lists {
        let all = docker_ok(&engine.socket, args);
        let ours = |line: &&str| engine.private || line.contains(mark) || line.contains(name);
        for line in all.lines().filter(ours) {
            state += line;
            state.push('\n');
        }
    }
    state
}

/// The API version the CLI agrees on with this engine: it stands in front of every path.
#[track_caller]
fn api_version(engine: &Engine) -> String {
    docker_ok(
        &engine.socket,
        ["version", "--format", "{{.Client.APIVersion}}"],
    )
}

#[test]
fn embedded_patterns_show_what_the_engine_shows() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let container = engine.container(&image);
    let name = &*container.name;
    let doxy = Doxy::start(&engine.socket, None, &[]);
    let cases: &[(&[&str], Compare)] = &[
        (&["version"], Compare::All),
        (&["info"], Compare::Uncounted),
        (&["ps"], Compare::Untimed),
        (&["ps", "-a"], Compare::Untimed),
        (
            &["ps", "--filter", "status=running", "--no-trunc"],
            Compare::Untimed,
        ),
        (&["network", "ls"], Compare::All),
        (&["network", "inspect", "none"], Compare::All),
        (&["volume", "ls"], Compare::All),
        (&["images"], Compare::Untimed),
        (&["inspect", name], Compare::All),
        (&["container", "inspect", name], Compare::All),
        (&["port", name], Compare::All),
        (&["top", name], Compare::Shape),
        // Without a name the CLI asks for `/events` too, which the embedded patterns do not allow.
        (&["stats", "--no-stream", name], Compare::Shape),
    ];
    for (args, compare) in cases {
        check_same(&engine, &doxy, args, *compare);
    }
}

#[test]
fn embedded_patterns_deny_the_rest_and_the_engine_is_unchanged() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let container = engine.container(&image);
    let (image, name, mark) = (&*image.name, &*container.name, &*unique());
    let label = &*format!("doxy.test={mark}");
    let doxy = Doxy::start(&engine.socket, None, &[]);
    let before = state(&engine, &container, mark);

    let method = |method| format!("Only GET requests are allowed, req.Method: {method}");
    let post: &[&[&str]] = &[
        &["network", "create", mark],
        &["volume", "create", mark],
        &["run", "-d", "--name", mark, "--label", label, image, "true"],
        &["run", "--rm", "--label", label, image, "true"],
        &["create", "--label", label, image],
        &["exec", name, "touch", "/made"],
        &["pull", mark],
        &["tag", image, mark],
        &["commit", name, mark],
        &["kill", name],
        &["stop", "-t", "0", name],
        &["restart", "-t", "0", name],
        &["pause", name],
        &["rename", name, mark],
        &["update", "--memory", "64m", "--memory-swap", "64m", name],
    ];
    for args in post {
        check_denied(&doxy, args, &method("POST"));
    }
    for args in [&["rm", name], &["rm", "-f", name], &["rmi", image]] as [&[&str]; 3] {
        check_denied(&doxy, args, &method("DELETE"));
    }

    let version = api_version(&engine);
    let inside = format!("{name}:/bin/sh");
    // `docker logs` asks by id, whatever it was called with; older ones by what they were given.
    let id = &*docker_ok(&engine.socket, ["inspect", name, "--format", "{{.Id}}"]);
    let paths: &[(&[&str], &str)] = &[
        (&["export", name], &format!("containers/{name}/export")),
        (&["logs", id], &format!("containers/{id}/logs")),
        (&["diff", name], &format!("containers/{name}/changes")),
        (&["cp", &inside, "-"], &format!("containers/{name}/archive")),
        (&["system", "df"], "system/df"),
        (&["events"], "events"),
    ];
    for (args, path) in paths {
        check_denied(
            &doxy,
            args,
            &format!("'/v{version}/{path}' is not allowed."),
        );
    }

    let after = state(&engine, &container, mark);
    assert!(
        before == after,
        "a denied command has changed the engine\n=== before\n{before}\n=== after\n{after}"
    );
}

/// Enough to make, start and remove a container, and nothing to see it with.
const MAKE: &str = r"
# what `docker create`, `start`, `wait` and `rm` ask for
^/_ping$
POST ^/(v\d\.\d+/)?containers/create$
POST ^/(v\d\.\d+/)?containers/\w+/(start|wait)$
DELETE ^/(v\d\.\d+/)?containers/\w+$
";

#[test]
fn a_rule_allows_the_methods_it_names_and_debug_shows_each_request() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let (image, name) = (&*image.name, &*unique());
    let version = api_version(&engine);
    let doxy = Doxy::start(&engine.socket, Some(MAKE), &["--debug"]);

    let create = ["create", "--network", "none", "--label", "doxy.test=1"];
    let command = ["--name", name, image, "sh", "-c", "exit 7"];
    docker_ok(&doxy.socket, create.into_iter().chain(command));
    docker_ok(&doxy.socket, ["start", name]);
    assert_eq!(docker_ok(&doxy.socket, ["wait", name]), "7");
    docker_ok(&doxy.socket, ["rm", name]);
    let gone = docker(&engine.socket, ["inspect", name]);
    assert!(!gone.status.success(), "removed through doxy: {gone}");

    let not_allowed = |path: &str| format!("'/v{version}/{path}' is not allowed.");
    check_denied(&doxy, &["ps"], &not_allowed("containers/json"));
    // POST is among the methods of some rule, but not for this path.
    check_denied(
        &doxy,
        &["network", "create", name],
        &not_allowed("networks/create"),
    );

    let path = |path: &str| format!("/v{version}/{path}");
    let created = doxy.logged(&["201", "POST", &path("containers/create")]);
    assert!(
        !created.contains(name),
        "a query value is logged: {created}"
    );
    doxy.logged(&["200", "HEAD", "/_ping"]);
    doxy.logged(&["204", "POST", &path(&format!("containers/{name}/start"))]);
    doxy.logged(&["204", "DELETE", &path(&format!("containers/{name}"))]);
    doxy.logged(&["403", "GET", &path("containers/json"), "denied: "]);
    doxy.logged(&["403", "POST", &path("networks/create"), "denied: "]);
}

#[test]
fn an_engine_that_dies_is_reported_and_used_again_when_it_is_back() {
    let Some(mut engine) = real::private() else {
        return;
    };
    let doxy = Doxy::start(engine.socket(), None, &[]);
    docker_ok(&doxy.socket, ["ps"]);

    engine.kill();
    let output = docker(&doxy.socket, ["ps"]);
    let socket = engine.socket().display();
    let words = format!("Error response from daemon: cannot reach the Docker engine at {socket}: ");
    assert!(
        !output.status.success() && output.stderr.contains(&words),
        "docker ps without an engine should say\n{words}…\nbut: {output}"
    );

    engine.start_again();
    docker_ok(&doxy.socket, ["ps"]);
}

#[test]
fn sigterm_ends_doxy_with_a_stream_open() {
    let Some(engine) = real::engine() else { return };
    let patterns = "^/events$\n";
    let mut doxy = Doxy::start(&engine.socket, Some(patterns), &["--shutdown-grace", "1s"]);

    let mut stream = UnixStream::connect(&doxy.socket).expect("connect to doxy");
    stream.set_read_timeout(Some(LIMIT)).expect("set a limit");
    stream
        .write_all(b"GET /events HTTP/1.1\r\nHost: test\r\n\r\n")
        .expect("ask for events");
    // The head first: an event that happens before the engine listens for us is not told.
    let mut answer = read_until(&mut stream, Vec::new(), "\r\n\r\n");
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        answer.escape_ascii()
    );
    let volume = engine.volume();
    answer = read_until(&mut stream, answer, &volume.name);

    let status = doxy.terminate();
    assert_eq!(status.code(), Some(0), "{status}, its log:\n{}", doxy.log());
    assert!(!doxy.socket.exists(), "the socket is left behind");
    // Whether the stream is ended or cut: it is over.
    let rest = stream.read_to_end(&mut answer);
    assert!(
        !rest.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        "the stream outlives doxy"
    );
}

/// Reads on until `words` have come.
#[track_caller]
fn read_until(stream: &mut UnixStream, mut so_far: Vec<u8>, words: &str) -> Vec<u8> {
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&so_far).contains(words) {
        let read = stream.read(&mut buffer).expect("read from doxy");
        assert!(
            read > 0,
            "ended before {words:?}: {}",
            so_far.escape_ascii()
        );
        so_far.extend_from_slice(&buffer[..read]);
    }
    so_far
}
