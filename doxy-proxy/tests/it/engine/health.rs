//! The health of a doxy that runs in a container, as the engine sees it: by `doxy healthcheck`.

use std::io::Write as _;
use std::path::Path;

use super::docker_ok;
use super::real::{self, Made};
use crate::support::files::short_folder;
use crate::support::process::copy_binary;
use crate::support::{Fake, wait};

/// What the health check says while all is well.
const WELL: &str = "healthy: 1 socket answers, and so does the engine";

/// Waits until the engine says this of the container. Returns the last lines of the check.
#[track_caller]
pub(super) fn is(engine: &real::Engine, container: &Made, status: &str) -> String {
    let inspect = |format: &str| {
        let args = ["inspect", "--format", format, &*container.name];
        docker_ok(&engine.socket, args)
    };
    wait::until(status, || {
        (inspect("{{.State.Health.Status}}") == status).then_some(())
    });
    inspect("{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}")
}

/// An engine in this folder that answers a ping.
fn answering(folder: &Path) -> Fake {
    Fake::at(&folder.join("engine.sock"), |_, stream| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
        stream.write_all(answer).is_ok()
    })
}

/// The engine that doxy is in front of comes, goes and hangs; the one that runs the container stays.
#[test]
fn a_container_is_healthy_while_doxy_and_its_engine_answer() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let folder = short_folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    // The machine's files are below `/host` there, and the libraries of the binary. Where the engine
    // has mounts of its own, this project's folder need not be among them.
    copy_binary(folder.path());
    let binary = at("bin");
    let inside = format!("busybox chroot /host {binary}");
    let check = format!("{inside} healthcheck --ready --timeout 1s");
    let own = format!("{0}:/host{0}", folder.path().display());
    let settings = [
        format!("DOXY_PROXY_SOCKET={}", at("doxy.sock")),
        format!("DOXY_DOCKER_SOCKET={}", at("engine.sock")),
    ];
    let options = [
        "-v",
        "/:/host:ro",
        "-v",
        &own,
        "-e",
        &settings[0],
        "-e",
        &settings[1],
        "--health-cmd",
        &check,
        "--health-interval",
        "200ms",
        "--health-retries",
        "2",
    ];
    let answers = answering(folder.path());
    let command = ["busybox", "chroot", "/host", &binary];
    let doxy = engine.running(&image, &options, &command);
    let log = is(&engine, &doxy, "healthy");
    assert!(log.contains(&format!("0 {WELL}")), "{log}");
    drop(answers);
    let log = is(&engine, &doxy, "unhealthy");
    assert!(log.contains("1 unhealthy: the engine at "), "{log}");
    let answers = answering(folder.path());
    is(&engine, &doxy, "healthy");
    drop(answers);
    let _hangs = Fake::at(&folder.path().join("engine.sock"), |_, _| true);
    let log = is(&engine, &doxy, "unhealthy");
    assert!(log.contains("no answer within 1s"), "{log}");
}
