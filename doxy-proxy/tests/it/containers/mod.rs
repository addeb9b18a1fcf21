//! Which container a client is in: who may connect, what scripts see, what logs say.
//!
//! - `address`: over TCP, by the addresses that the engine lists.
//! - `cgroup`: over a unix socket, by cgroups that the tests make.
//!
//! `engine/containers.rs` has the same with a real engine and its containers.

mod address;
pub(crate) mod cgroup;

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Recorded};

pub(crate) const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";

/// The variable that tells [`caller`] where to connect.
const SOCKET: &str = "TEST_SOCKET_OF_CALLER";
/// What [`caller`] prints begins with this.
const ANSWER: &str = "the caller was answered ";

/// The full id of a container of this name: its bytes, again and again.
fn id(name: &str) -> String {
    let digits = name.bytes().map(|byte| format!("{byte:02x}"));
    digits.collect::<String>().repeat(64)[..64].to_owned()
}

/// A container as the engine describes it.
fn description(name: &str, pid: u32) -> Value {
    json!({
        "Id": id(name), "Name": format!("/{name}"), "Image": "sha256:b0",
        "State": {"Running": pid != 0, "Pid": pid},
        "Config": {"Image": format!("{name}:1"), "Labels": {
            "com.docker.compose.project": "shop", "com.docker.compose.service": name, "team.a": "x",
        }},
    })
}

/// Whether doxy itself asks, in the place of a client.
fn is_own(request: &Recorded) -> bool {
    request.header("connection") == ["close"]
}

fn respond(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// One client's request, in a process of its own, which [`call`] starts.
#[test]
#[ignore = "part of other tests, which start it in a process of its own"]
fn caller() {
    let socket = std::env::var(SOCKET).expect("a socket, which another test gives");
    let mut client = match socket.strip_prefix("tcp://") {
        Some(address) => Client::connect_tcp(address.parse().expect("an address")),
        None => Client::connect(Path::new(&socket)),
    };
    let reply = client.ask(GET);
    let said = match reply.status() {
        200 => String::new(),
        _ => reply.message(),
    };
    // The harness captures what is printed.
    let line = format!("{ANSWER}{} {said}\n", reply.status());
    std::io::stdout()
        .write_all(line.as_bytes())
        .expect("print it");
}

/// The words of a command that asks at this socket, or address of TCP, in a process of its own: of this
/// program, or a copy of it.
pub(crate) fn call(exe: &Path, socket: &Path) -> Vec<String> {
    let [exe, socket] = [exe, socket].map(|path| path.to_str().expect("a path in UTF-8"));
    let words = ["env", &format!("{SOCKET}={socket}"), exe, "--exact"].map(str::to_owned);
    let test = ["containers::caller", "--ignored", "--nocapture"].map(str::to_owned);
    words.into_iter().chain(test).collect()
}

/// Status and message that a command made of [`call`] has printed.
#[track_caller]
pub(crate) fn answer(output: &str) -> (u16, String) {
    let line = output.lines().find_map(|line| line.split_once(ANSWER));
    let (_, line) = line.unwrap_or_else(|| panic!("no answer: {output}"));
    let (status, message) = line.split_once(' ').expect("a status");
    (status.parse().expect("a status"), message.to_owned())
}

/// Runs a command made of [`call`].
#[track_caller]
pub(crate) fn answered(command: &mut Command) -> (u16, String) {
    let output = command.output().expect("run it");
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    answer(&[said(&output.stdout), said(&output.stderr)].concat())
}
