//! The lines that it prints at its end, as whoever copies them runs them.

use super::Learning;
use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake, Need, Setup, needs};

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
