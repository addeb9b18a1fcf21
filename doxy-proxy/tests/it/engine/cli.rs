//! The docker CLI through doxy and without it, side by side.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use doxy_filter::DEFAULT_PATTERNS;

use super::real::{self, Engine, Made};
use super::{docker, docker_ok, doxy, unique};
use crate::support::{Binary, TIMEOUT};

/// Which part of what the CLI prints is compared.
#[derive(Clone, Copy)]
enum Compare<'own> {
    All,
    /// `docker info` without its counters, which others change. The words of a line are in any
    /// order: the CLI prints the runtimes so.
    Uncounted,
    /// Of a table the header, and the rows with one of these words for a cell, in any order: the
    /// engine promises none, and on an engine that others use their objects come and go. The
    /// columns CREATED and STATUS, which count seconds, are left out.
    OwnRows(&'own [&'own str]),
    /// The first two columns of a table, and the number of columns: the others are measurements.
    Shape,
}

impl Compare<'_> {
    fn part(self, text: &str) -> Vec<String> {
        let header = cells(text.lines().next().unwrap_or_default());
        let timed = |column: usize| matches!(header.get(column), Some(&("CREATED" | "STATUS")));
        let counters = [
            "Containers:",
            "Running:",
            "Paused:",
            "Stopped:",
            "Images:",
            "File Descriptors:",
            "Goroutines:",
            "System Time:",
            "EventsListeners:",
        ];
        let part = |(number, line): (usize, &str)| match self {
            Self::All => Some(line.to_owned()),
            Self::Uncounted => {
                let counted = counters.iter().any(|c| line.trim_start().starts_with(c));
                let mut words: Vec<_> = line.split(' ').collect();
                words.sort_unstable();
                (!counted).then(|| words.join(" "))
            }
            Self::OwnRows(own) => {
                let row = cells(line);
                let wanted = number == 0 || row.iter().any(|cell| own.contains(cell));
                let kept = row.into_iter().enumerate();
                let kept = kept.filter(|(column, _)| !timed(*column));
                let row = kept.map(|(_, cell)| cell).collect::<Vec<_>>().join(" | ");
                wanted.then_some(row)
            }
            Self::Shape => {
                let row = cells(line);
                Some(format!("{:?} of {}", row.get(..2), row.len()))
            }
        };
        let mut lines: Vec<_> = text.lines().enumerate().filter_map(part).collect();
        if matches!(self, Self::OwnRows(_)) {
            lines.sort();
        }
        lines
    }
}

/// The cells of a row. The CLI separates columns by two spaces or more. Empty cells are lost, which
/// does not matter: only a column behind the ones that are left out can be empty.
fn cells(line: &str) -> Vec<&str> {
    let cells = line.split("  ").map(str::trim);
    cells.filter(|cell| !cell.is_empty()).collect()
}

/// The command works, and prints the same through doxy as without it.
#[track_caller]
fn check_same(engine: &Engine, doxy: &Binary, args: &[&str], compare: Compare<'_>) {
    let through = docker(&doxy.socket(), args);
    let directly = docker(&engine.socket, args);
    let [seen, expected] = [&through, &directly].map(|ended| compare.part(&ended.stdout));
    assert!(
        through.success() && directly.success() && seen == expected,
        "docker {args:?}\n=== through doxy: {through}\n=== directly: {directly}"
    );
    if let Compare::OwnRows(own) = compare {
        let rows = seen.len().saturating_sub(1);
        assert_eq!(rows, own.len(), "docker {args:?}: {own:?}: {through}");
    }
}

/// Checks that the command fails through doxy, and prints exactly this message as the engine's.
#[track_caller]
fn check_denied(doxy: &Binary, args: &[&str], words: &str) {
    let output = docker(&doxy.socket(), args);
    // Some versions of the CLI add `docker: ` in front, and a full stop at the end.
    let expected = format!(
        "Error response from daemon: {}",
        words.trim_end_matches('.')
    );
    let said = (output.stderr.lines()).any(|line| line.trim_end_matches('.').ends_with(&expected));
    assert!(
        said && !output.success(),
        "docker {args:?} should fail with\n{expected}\nbut: {output}"
    );
}

/// Everything on the engine that a denied command could have changed. On an engine that others use,
/// only objects with the test's names.
#[track_caller]
fn state(engine: &Engine, container: &Made, mark: &str) -> Vec<String> {
    let name = &*container.name;
    let lists: [&[&str]; 4] = [
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
    ];
    let format = "{{json .State}} {{json .HostConfig}}";
    let mut state = vec![
        docker_ok(&engine.socket, ["inspect", name, "--format", format]),
        docker_ok(&engine.socket, ["diff", name]),
    ];
    for args in lists {
        let all = docker_ok(&engine.socket, args);
        let ours = |line: &&str| engine.private || line.contains(mark) || line.contains(name);
        state.extend(all.lines().filter(ours).map(str::to_owned));
    }
    state.sort(); // a list is in no fixed order
    state
}

/// The API version that the CLI negotiates with this engine, and puts in front of every path.
#[track_caller]
fn api_version(engine: &Engine) -> String {
    docker_ok(
        &engine.socket,
        ["version", "--format", "{{.Client.APIVersion}}"],
    )
}

#[test]
fn with_the_embedded_patterns_the_cli_prints_what_it_prints_directly() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let container = engine.container(&image);
    let name = &*container.name;
    let volume = engine.volume();
    // Another name of the same image: the engine lists the two in any order.
    let tag = engine.tag(&image);
    let tags = [image.tag(), tag.tag()];
    let (own, volumes) = ([name], [&*volume.name]);
    let builtin = ["none", "host"]; // networks that every engine has
    let id = docker_ok(&engine.socket, ["inspect", name, "--format", "{{.Id}}"]);
    // Others may be connected to the network, too.
    let network = format!("{{{{.Id}}}} {{{{.Scope}}}} {{{{json (index .Containers \"{id}\")}}}}");
    let doxy = doxy(&engine.socket, DEFAULT_PATTERNS, &[]);
    let cases: &[(&[&str], Compare<'_>)] = &[
        (&["version"], Compare::All),
        (&["info"], Compare::Uncounted),
        (&["ps"], Compare::OwnRows(&own)),
        (&["ps", "-a"], Compare::OwnRows(&own)),
        (
            &["ps", "--filter", "status=running", "--no-trunc"],
            Compare::OwnRows(&own),
        ),
        (&["network", "ls"], Compare::OwnRows(&builtin)),
        (
            &["network", "inspect", "none", "--format", &network],
            Compare::All,
        ),
        (&["volume", "ls"], Compare::OwnRows(&volumes)),
        (&["images"], Compare::OwnRows(&tags)),
        (&["inspect", name], Compare::All),
        (&["container", "inspect", name], Compare::All),
        (&["port", name], Compare::All),
        (&["top", name], Compare::Shape),
        // Without a name the CLI also requests `/events`, which the embedded patterns do not allow.
        (&["stats", "--no-stream", name], Compare::Shape),
    ];
    for (args, compare) in cases {
        check_same(&engine, &doxy, args, *compare);
    }
}

#[test]
fn the_embedded_patterns_deny_all_else_and_the_engine_is_unchanged() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let container = engine.container(&image);
    let (image, name, mark) = (&*image.name, &*container.name, &*unique());
    let label = &*format!("doxy.test={mark}");
    let doxy = doxy(&engine.socket, DEFAULT_PATTERNS, &[]);
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
    // `docker logs` requests the log by id. Older CLIs use the argument, which is the id here.
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
        "a denied command has changed the engine\n=== before\n{before:#?}\n=== after\n{after:#?}"
    );
}

/// Rules to create, start and remove a container, but not to see it.
const MAKE: &str = r"
# what `docker create`, `start`, `wait` and `rm` ask for
^/_ping$
POST ^/(v\d\.\d+/)?containers/create$
POST ^/(v\d\.\d+/)?containers/\w+/(start|wait)$
DELETE ^/(v\d\.\d+/)?containers/\w+$
";

#[test]
fn a_rule_allows_its_methods_and_debug_logs_each_request() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let (image, name) = (&*image.name, &*unique());
    let version = api_version(&engine);
    let doxy = doxy(&engine.socket, MAKE, &["--debug"]);

    let create = ["create", "--network", "none", "--label", "doxy.test=1"];
    let command = ["--name", name, image, "sh", "-c", "exit 7"];
    docker_ok(&doxy.socket(), create.into_iter().chain(command));
    docker_ok(&doxy.socket(), ["start", name]);
    assert_eq!(docker_ok(&doxy.socket(), ["wait", name]), "7");
    docker_ok(&doxy.socket(), ["rm", name]);
    let gone = docker(&engine.socket, ["inspect", name]);
    assert!(!gone.success(), "removed through doxy: {gone}");

    // The rule for DELETE takes `json` for a container's name.
    let not_for_get =
        format!("'/v{version}/containers/json' is not allowed for GET, only for DELETE.");
    check_denied(&doxy, &["ps"], &not_for_get);
    // Some rule allows POST, but none for this path.
    check_denied(
        &doxy,
        &["network", "create", name],
        &format!("'/v{version}/networks/create' is not allowed."),
    );

    let path = |path: &str| format!("/v{version}/{path}");
    let created = doxy
        .process
        .logged_all(&["201", "POST", &path("containers/create")]);
    assert!(
        !created.contains(name),
        "a query value is logged: {created}"
    );
    doxy.process.logged_all(&["200", "HEAD", "/_ping"]);
    doxy.process
        .logged_all(&["204", "POST", &path(&format!("containers/{name}/start"))]);
    doxy.process
        .logged_all(&["204", "DELETE", &path(&format!("containers/{name}"))]);
    doxy.process
        .logged_all(&["403", "GET", &path("containers/json"), "denied: "]);
    doxy.process
        .logged_all(&["403", "POST", &path("networks/create"), "denied: "]);
}

#[test]
fn a_dead_engine_is_reported_and_used_again_after_a_restart() {
    let Some(mut engine) = real::private() else {
        return;
    };
    let doxy = doxy(engine.socket(), DEFAULT_PATTERNS, &[]);
    docker_ok(&doxy.socket(), ["ps"]);

    engine.kill();
    let output = docker(&doxy.socket(), ["ps"]);
    let socket = engine.socket().display();
    let words = format!("Error response from daemon: cannot reach the Docker engine at {socket}: ");
    assert!(
        !output.success() && output.stderr.contains(&words),
        "docker ps without an engine should say\n{words}…\nbut: {output}"
    );

    engine.start_again();
    docker_ok(&doxy.socket(), ["ps"]);
}

#[test]
fn sigterm_stops_doxy_with_a_stream_open() {
    let Some(engine) = real::engine() else { return };
    let patterns = "^/events$\n";
    let doxy = doxy(&engine.socket, patterns, &["--shutdown-grace", "1s"]);

    let mut stream = UnixStream::connect(doxy.socket()).expect("connect to doxy");
    stream.set_read_timeout(Some(TIMEOUT)).expect("set a limit");
    stream
        .write_all(b"GET /events HTTP/1.1\r\nHost: test\r\n\r\n")
        .expect("ask for events");
    // Wait for the head first: the engine does not report events that happen before it.
    let mut answer = read_until(&mut stream, Vec::new(), "\r\n\r\n");
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        answer.escape_ascii()
    );
    let volume = engine.volume();
    answer = read_until(&mut stream, answer, &volume.name);

    let socket = doxy.socket();
    doxy.process.stop();
    assert!(!socket.exists(), "the socket is left behind");
    // The stream must be over, by an end or by a reset.
    let rest = stream.read_to_end(&mut answer);
    assert!(
        !rest.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        "the stream outlives doxy"
    );
}

/// Reads until `words` have arrived.
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
