//! Sockets that are in each other's way, and conditions on who may connect that cannot hold.

use std::fs;

use super::command::printed;
use super::table;
use crate::cli::{NONE, folder, refused, refused_by};
use crate::support::process::doxy;

#[test]
fn sockets_at_one_address() {
    table(
        r#"
[socket.a]
proxy-socket = "x.sock"
[socket.b]
proxy-socket = "./x.sock"
=>
doxy.toml:4:16: proxy-socket = "./x.sock": the socket a listens there already (doxy.toml:2:16)
help: give each socket addresses of its own

[socket.a]
proxy-socket = "x.sock"
[socket.b]
proxy-socket = ["y.sock", "unix://link/./link/x.sock"]
=>
doxy.toml:4:27: proxy-socket = "unix://link/./link/x.sock": the socket a listens there already (doxy.toml:2:16)
help: give each socket addresses of its own

[socket.a]
proxy-socket = ["x.sock", "sub/../x.sock"]
=>
doxy.toml:2:27: proxy-socket = "sub/../x.sock": the socket a listens there already (doxy.toml:2:17)
help: give each socket addresses of its own

[socket.a]
proxy-socket = "tcp://[::]:2375"
insecure-tcp = true
[socket.b]
proxy-socket = "tcp://127.0.0.1:2375"
=>
doxy.toml:5:16: proxy-socket = "tcp://127.0.0.1:2375": the socket a listens there already (doxy.toml:2:16)
help: give each socket addresses of its own

insecure-tcp = true
[socket.a]
proxy-socket = "tcp://0.0.0.0:2375"
[socket.b]
proxy-socket = "tcp://[::]:2375"
=>
doxy.toml:5:16: proxy-socket = "tcp://[::]:2375": the socket a listens there already (doxy.toml:3:16)
help: give each socket addresses of its own

[socket.a]
proxy-socket = "fd://x"
[socket.b]
proxy-socket = "fd://x"
=>
doxy.toml:4:16: proxy-socket = "fd://x": the socket a listens there already (doxy.toml:2:16)
help: give each socket addresses of its own

proxy-socket = "x.sock"
[socket.a]
proxy-socket = "y.sock"
=>
doxy.toml:1:16: proxy-socket = "x.sock": the file has tables of sockets, which have addresses of their own
help: remove it, or remove the tables [socket.NAME]

[socket.a]
dry-run = false
=>
doxy.toml:1:9: [socket.a] has no proxy-socket
help: name the socket to create, such as /run/doxy/docker.sock

[socket.a]
proxy-socket = "engine.sock"
=>
DOXY_DOCKER_SOCKET=engine.sock: this is the proxy socket too
help: give doxy a path of its own with --proxy-socket

access-log = "log"
[socket.a]
proxy-socket = "x.sock"
[socket.b]
proxy-socket = "y.sock"
log-format = "json"
access-log = "./log"
=>
doxy.toml:7:14: access-log = "./log": another socket writes there in another format
help: give both the same log-format, or each a file of its own
"#,
    );
    let folder = folder();
    fs::write(
        folder.path().join("a.toml"),
        "[socket.a]\nproxy-socket = \"a\"\n",
    )
    .unwrap();
    let mut command = doxy(folder.path());
    command.args(["--config", "a.toml", "--proxy-socket", "b"]);
    let said = "doxy: --proxy-socket b: the file has tables of sockets, which have addresses of their \
                own\nhelp: remove it, or remove the tables [socket.NAME]\n";
    assert_eq!(refused_by(&mut command, NONE, folder.path(), &[]), said);
}

/// An image has a variable for its one socket, and a container can only empty it.
#[test]
fn an_emptied_variable_is_no_address_beside_those_of_tables() {
    let empty = [("DOXY_PROXY_SOCKET", "")];
    let files = [("a.toml", "[socket.a]\nproxy-socket = \"a\"\n")];
    let shown = printed(&["--config", "a.toml", "config", "show"], &empty, &files);
    assert!(shown.contains("\nproxy-socket = \"a\" "), "{shown}");
    assert!(!shown.contains("warning"), "{shown}");
    // Alone it has to say where.
    refused(&[], &empty, &["DOXY_PROXY_SOCKET", "the path is empty"]);
}

#[test]
fn who_may_connect() {
    table(
        r#"
proxy-socket = "tcp://0.0.0.0:2375"
=>
doxy.toml:1:16: proxy-socket = "tcp://0.0.0.0:2375": everyone in the network could connect
help: set tls-client-ca with tls-cert and tls-key, or allow-from with networks, or allow-container; insecure-tcp lets everyone in

proxy-socket = "tcp://10.0.0.1:2375"
allow-from = ["0.0.0.0/1", "128.0.0.0/1"]
=>
doxy.toml:2:15: allow-from = "0.0.0.0/1": together these are every address, no restriction
help: name networks, or set tls-client-ca with tls-cert and tls-key, or allow-container; insecure-tcp lets everyone in

proxy-socket = "tcp://10.0.0.1:2375"
allow-from = "0.0.0.0/0"
=>
doxy.toml:2:14: allow-from = "0.0.0.0/0": this is every address, no restriction
help: name networks, or set tls-client-ca with tls-cert and tls-key, or allow-container; insecure-tcp lets everyone in

proxy-socket = "tcp://[::]:2375"
insecure-tcp = false
=>
doxy.toml:1:16: proxy-socket = "tcp://[::]:2375": everyone in the network could connect
help: set tls-client-ca with tls-cert and tls-key, or allow-from with networks, or allow-container; insecure-tcp lets everyone in

allow-uid = 0
[socket.a]
proxy-socket = ["x.sock", "tcp://127.0.0.1:2375"]
=>
doxy.toml:1:13: allow-uid = 0: tcp://127.0.0.1:2375 has no users
help: give tcp://127.0.0.1:2375 a table of its own, without this condition

proxy-socket = ["tcp://127.0.0.1:2375", "x.sock"]
allow-from = "10.0.0.0/8"
=>
doxy.toml:2:14: allow-from = "10.0.0.0/8": x.sock has no networks
help: give x.sock a table of its own, without this condition

proxy-socket = "tcp://127.0.0.1:2375"
allow-from = ["10.0.0.1/8"]
=>
doxy.toml:2:15: allow-from = "10.0.0.1/8": the address has bits behind the length of the network
help: write 10.0.0.0/8 for the network, or the address alone

proxy-socket = "tcp://127.0.0.1:2375"
allow-cert = "dns:metrics"
tls-cert = "c"
tls-key = "k"
=>
doxy.toml:2:14: allow-cert = "dns:metrics": clients are not asked for certificates
help: set tls-client-ca, with tls-cert and tls-key

proxy-socket = "x.sock"
allow-cert = "dns:metrics"
=>
doxy.toml:2:14: allow-cert = "dns:metrics": x.sock has no certificates
help: give x.sock a table of its own, without this condition

proxy-socket = "tcp://127.0.0.1:2375"
dry-run = true
=>
doxy.toml:2:11: dry-run = true: over TCP this lets everybody do everything on tcp://127.0.0.1:2375
help: set tls-client-ca, with tls-cert and tls-key, or try the policy on a unix socket

proxy-socket = "tcp://127.0.0.1:2375"
tls-client-ca = "ca"
=>
doxy.toml:2:17: tls-client-ca = "ca": doxy's own certificate is missing
help: set tls-cert and tls-key too

tls-cert = "c"
=>
doxy.toml:1:12: tls-cert = "c": the key is missing
help: set tls-key too

proxy-socket = "x.sock"
tls-cert = "c"
tls-key = "k"
=>
doxy.toml:2:12: tls-cert = "c": proxy-socket names no tcp:// address
help: TLS is for TCP: leave it out

docker-socket = "engine.sock"
docker-tls-ca = "ca"
=>
doxy.toml:2:17: docker-tls-ca = "ca": docker-socket is no tcp:// address
help: TLS is for TCP: leave it out

docker-tls-cert = "c"
docker-tls-key = "k"
=>
doxy.toml:1:19: docker-tls-cert = "c": doxy cannot tell the engine from another server
help: set docker-tls-ca too: the CA that signed the engine's certificate

proxy-socket = "tcp://127.0.0.1:2375"
allow-host = "docker.example:2375"
=>
doxy.toml:2:14: allow-host = "docker.example:2375": not the name of a host
help: write the name without a port, such as docker.example

allow-container = "label:=x"
=>
doxy.toml:1:19: allow-container = "label:=x": the label has no name
help: write label:KEY=VALUE

proxy-socket = "tcp://engine:2375"
=>
doxy.toml:1:16: proxy-socket = "tcp://engine:2375": this is a name
help: name the address; doxy binds addresses, not names
"#,
    );
}
