//! The address of the engine: invalid ones, and ones that lead back to doxy.

use super::{NONE, folder, refused_by, says};
use crate::support::process::{Process, doxy};
use crate::support::sockets::{full, stale};

#[test]
fn the_engine_address_must_not_be_the_proxy_socket() {
    for path in [
        "doxy.sock",
        "./doxy.sock",
        "unix://doxy.sock",
        "link/doxy.sock",
        "unix://link/doxy.sock",
        "sub/../doxy.sock",
    ] {
        says(&format!(
            "
docker-socket {path}
--docker-socket {path}: this is the proxy socket too
help: give doxy a path of its own with --proxy-socket
"
        ));
    }
}

/// The link leads to doxy as soon as doxy listens: every request would loop for ever.
#[test]
fn the_engine_address_must_not_link_to_the_future_proxy_socket() {
    says(
        "
docker-socket dangling.sock
--docker-socket dangling.sock: this leads to the proxy socket
help: name the engine's own socket
",
    );
}

#[test]
fn the_engine_address_must_not_be_the_stale_socket_that_doxy_replaces() {
    let folder = folder();
    let socket = folder.path().join("doxy.sock");
    stale(&socket);
    let absolute = socket.to_str().unwrap();
    for path in ["doxy.sock", "dangling.sock", "link/doxy.sock", absolute] {
        let mut command = doxy(folder.path());
        let words = [path, "this is the proxy socket too"];
        refused_by(
            command.args(["--docker-socket", path]),
            NONE,
            folder.path(),
            &words,
        );
    }
}

#[test]
fn the_engine() {
    says(
        "
docker-socket sub
--docker-socket sub: this is a folder
help: Docker makes a folder where a socket to be mounted is missing: remove the folder (rmdir), see where the engine's socket is (`docker context inspect`), start the engine, then create the container again

docker-socket file
--docker-socket file: this is not a socket
help: name the engine's socket, such as /var/run/docker.sock

docker-socket http://engine:2375
--docker-socket http://engine:2375: unknown kind of address
help: use a path, unix://PATH or tcp://HOST:PORT

docker-socket 127.0.0.1:2375
--docker-socket 127.0.0.1:2375: unknown kind of address
help: use a path, unix://PATH or tcp://HOST:PORT

docker-socket 2375
--docker-socket 2375: unknown kind of address
help: use a path, unix://PATH or tcp://HOST:PORT

docker-socket ssh://me@engine
--docker-socket ssh://me@engine: unknown kind of address
help: use a path, unix://PATH or tcp://HOST:PORT

docker-socket unix://
--docker-socket unix://: the path is empty
help: name the engine's socket, such as /var/run/docker.sock
",
    );
    for address in [
        "engine",
        ":2375",
        "engine:0",
        "engine:65536",
        "engine:2375/v1.41",
    ] {
        says(&format!(
            "
docker-socket tcp://{address}
--docker-socket tcp://{address}: no host and port
help: write tcp://HOST:PORT, such as tcp://127.0.0.1:2375
"
        ));
    }
}

/// At start doxy checks that it may connect. An engine with a full queue is busy, not missing.
#[test]
fn doxy_starts_with_an_engine_whose_queue_is_full() {
    let folder = folder();
    let path = folder.path().join("engine.sock");
    let (_engine, _queued) = full(&path);
    Process::start(&mut doxy(folder.path())).stop();
}
