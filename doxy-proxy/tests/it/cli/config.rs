//! The file: what is wrong with one, in two lines that begin with its place; and what doxy serves by one.

use std::fs;

use super::{NONE, PING, folder, refused, refused_by};
use crate::support::files::listing;
use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake};

/// Runs doxy by a file with this text, without the variables that name sockets.
#[track_caller]
fn says(text: &str, said: &str) {
    let folder = folder();
    fs::write(folder.path().join("doxy.toml"), text).unwrap();
    let mut command = doxy(folder.path());
    command.env_remove("DOXY_PROXY_SOCKET");
    command.args(["--config", "doxy.toml"]);
    let printed = refused_by(&mut command, NONE, folder.path(), &[]);
    assert_eq!(printed, format!("doxy: {}\n", said.trim()), "{text}");
}

/// Each case: the text of a file, a line with `=>`, and what doxy says of it.
#[track_caller]
fn table(cases: &str) {
    for case in cases.split("\n\n") {
        let (text, said) = case.split_once("\n=>\n").unwrap();
        says(text.trim_start(), said);
    }
}

#[test]
fn files_that_cannot_be_read() {
    for (path, why) in [
        ("no.toml", "no such file or directory"),
        ("sub", "is a directory"),
        ("file/x", "not a directory"),
    ] {
        let said = format!(
            "doxy: --config {path}: cannot read the configuration: {why}\nhelp: name a readable file\n"
        );
        assert_eq!(refused(&["--config", path], NONE, &[]), said);
        let said = said.replace("--config ", "DOXY_CONFIG=");
        assert_eq!(refused(&[], &[("DOXY_CONFIG", path)], &[]), said);
    }
    let endless = refused(&["--config", "/dev/zero"], NONE, &[]);
    assert!(endless.contains("--config /dev/zero: the file has more than 16 MiB"));
    let folder = folder();
    for (bytes, said) in [
        (
            &b""[..],
            "doxy.toml: the file sets nothing\nhelp: `doxy config example` prints one that works",
        ),
        (
            b"# nothing\n",
            "doxy.toml: the file sets nothing\nhelp: `doxy config example` prints one that works",
        ),
        (
            b"threads = 1\nuser = \"\xFF\"\n",
            "doxy.toml:2:9: the line is not valid UTF-8\nhelp: save the file as UTF-8",
        ),
        (b"threads = 1\n[socket.a\n", "doxy.toml:2:10: "),
        (b"threads = \n", "doxy.toml:1:"),
        (
            b"threads = 1\nthreads = 2\n",
            "doxy.toml:2:1: duplicate key",
        ),
        (b"[socket.a]\n[socket.a]\n", "doxy.toml:2:9: duplicate key"),
        (b"socket-mode = 0660\n", "doxy.toml:1:"),
    ] {
        fs::write(folder.path().join("doxy.toml"), bytes).unwrap();
        let mut command = doxy(folder.path());
        let printed = refused_by(
            command.args(["--config", "doxy.toml"]),
            NONE,
            folder.path(),
            &[],
        );
        assert!(printed.starts_with(&format!("doxy: {said}")), "{printed}");
    }
}

#[test]
fn keys_and_types() {
    table(
        r#"
alow-uid = 1
=>
doxy.toml:1:1: unknown key `alow-uid`
help: is `allow-uid` meant?

[socket.a]
proxy_socket = "a"
=>
doxy.toml:2:1: unknown key `proxy_socket`
help: is `proxy-socket` meant?

colour = "red"
=>
doxy.toml:1:1: unknown key `colour`
help: `doxy config example` lists the keys

[sockets.a]
proxy-socket = "a"
=>
doxy.toml:1:2: unknown table `sockets`
help: the tables are called [socket.NAME]

preset = "traefik"
=>
doxy.toml:1:1: `preset` is not in this version
help: remove it

[socket.a]
redact = true
=>
doxy.toml:2:1: `redact` is not in this version
help: remove it

config = "other.toml"
=>
doxy.toml:1:1: `config` is no key of the file
help: give it as --config or DOXY_CONFIG

[socket.a]
proxy-socket = "a"
threads = 2
=>
doxy.toml:3:1: `threads` is not for one socket but for the process
help: write it at the top, above [socket.a]

socket = "a"
=>
doxy.toml:1:1: `socket` is no table of sockets
help: write a table for each socket: [socket.NAME]

[socket]
proxy-socket = "a"
=>
doxy.toml:2:1: `proxy-socket` is no table
help: write a table for each socket: [socket.NAME]

[[socket.a]]
proxy-socket = "a"
=>
doxy.toml:1:10: `a` is no table
help: write a table for each socket: [socket.NAME]

[socket]
=>
doxy.toml:1:2: [socket] has no sockets
help: write a table for each socket: [socket.NAME]

[socket."a b"]
proxy-socket = "a"
=>
doxy.toml:1:9: `a b` cannot be the name of a socket
help: a name has 1 to 64 of these characters: A-Z a-z 0-9 . _ -

[socket."a\n"]
proxy-socket = "a"
=>
doxy.toml:1:9: `a\n` cannot be the name of a socket
help: a name has 1 to 64 of these characters: A-Z a-z 0-9 . _ -

socket-mode = 660
=>
doxy.toml:1:15: socket-mode = 660: a number without 0o is decimal, and a mode is octal
help: write "0660" or 0o660

socket-mode = 0x1b0
=>
doxy.toml:1:15: socket-mode = 0x1b0: a number without 0o is decimal, and a mode is octal
help: write it in octal, such as "0660" or 0o660

socket-mode = 0o432
=>
doxy.toml:1:15: socket-mode = 0o432: in octal this is 0432: others may connect, and the owner may not
help: write it in octal, such as 0660 for owner and group

proxy-socket = 5
=>
doxy.toml:1:16: proxy-socket = 5: not a text
help: write it in quotes: proxy-socket = "…"

debug = "yes"
=>
doxy.toml:1:9: debug = "yes": not a flag
help: write true or false, without quotes

dry-run = 24
=>
doxy.toml:1:11: dry-run = 24: neither a flag nor a duration
help: write true, false, or a duration such as "24h"

dry-run = "24"
=>
doxy.toml:1:11: dry-run = "24": neither a flag nor a duration
help: write true, false, or a duration with its unit, such as 24h

threads = true
=>
doxy.toml:1:11: threads = true: neither a number nor a text
help: write a number in decimal, or a text in quotes

threads = 0x2
=>
doxy.toml:1:11: threads = 0x2: neither a number nor a text
help: write a number in decimal, or a text in quotes

threads = [2]
=>
doxy.toml:1:11: threads = [2]: neither a number nor a text
help: write a number in decimal, or a text in quotes

allow-uid = []
=>
doxy.toml:1:13: allow-uid = []: the list is empty
help: name at least one, or leave it out

allow-uid = ["root", "no-such-user"]
=>
doxy.toml:1:22: allow-uid = "no-such-user": no such user in /etc/passwd
help: use a name from there, or a number

[socket.a]
proxy-socket = "a"
max-connections = 5000
=>
doxy.toml:3:19: max-connections = 5000: all sockets together have 4096
help: raise max-connections at the top of the file, or lower this one
"#,
    );
}

#[test]
fn rules_and_files() {
    table(
        r#"
pattern-file = "no.pattern"
=>
doxy.toml:1:16: pattern-file = "no.pattern": cannot read the pattern file: no such file or directory
help: name a readable file

pattern-file = ""
=>
doxy.toml:1:16: pattern-file = "": the path is empty
help: name a file, or leave it out

patterns = "/_ping\nGTE /x"
=>
doxy.toml:1:12: patterns:2:1: unknown method `GTE`
help: the methods are HEAD, GET, POST, PUT, PATCH, DELETE, OPTIONS, or `*` for any, joined by commas

patterns = "/_ping)"
=>
doxy.toml:1:19: `)` closes no group
help: remove it, or write `\)` for the character

pattern-file = "good.pattern"
[socket.a]
proxy-socket = "a"
patterns = '''
# GET is a method
GTE /x
'''
=>
doxy.toml:6:1: unknown method `GTE`
help: the methods are HEAD, GET, POST, PUT, PATCH, DELETE, OPTIONS, or `*` for any, joined by commas

patterns = " # none"
=>
doxy.toml:1:12: patterns = " # none": no rules, so nothing would be allowed
help: a rule is a regex for the path, with methods in front; to deny everything, write `!.*`
"#,
    );
    if cfg!(feature = "script") {
        says(
            "script = \"no.rhai\"",
            "doxy.toml:1:10: script = \"no.rhai\": cannot read the policy script: no such file or \
             directory\nhelp: name a readable file",
        );
    } else {
        says(
            "script = \"no.rhai\"",
            "doxy.toml:1:10: script = \"no.rhai\": this doxy was built without policy scripts\nhelp: \
             build it with the feature `script`, which is on by default, or leave the key out",
        );
    }
}

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
doxy.toml:1:16: proxy-socket = "tcp://10.0.0.1:2375": everyone in the network could connect
help: set tls-client-ca with tls-cert and tls-key, or allow-from with networks, or allow-container; insecure-tcp lets everyone in

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

/// Two sockets with rules of their own, in a folder that is not the one doxy was started in.
#[test]
fn each_socket_has_the_rules_of_its_table() {
    let folder = folder();
    let conf = folder.path().join("conf");
    fs::create_dir(&conf).unwrap();
    fs::write(conf.join("a.pattern"), "/a\n").unwrap();
    fs::write(
        conf.join("doxy.toml"),
        "max-connections = 10\n\
         [socket.a]\nproxy-socket = [\"a.sock\", \"../a2.sock\"]\npattern-file = \"a.pattern\"\n\
         patterns = '''\n/also\n'''\n\
         [socket.b]\nproxy-socket = \"b.sock\"\npatterns = \"/_ping\\n/b\"\nsocket-mode = \"0600\"\n",
    )
    .unwrap();
    let fake = Fake::start();
    let mut command = doxy(folder.path());
    command.env_remove("DOXY_PROXY_SOCKET");
    command.args([
        "--config",
        "conf/doxy.toml",
        "--patterns",
        "/c",
        "--docker-socket",
    ]);
    let process = Process::start(command.arg(fake.path()));
    for words in [
        "listening on conf/b.sock (mode 0600)",
        "listening on conf/../a2.sock (mode 0660)",
        "2 rules from conf/a.pattern and conf/doxy.toml:6",
        "2 rules from conf/doxy.toml:10:12: patterns",
        "WARN --patterns /c: no socket uses it, because every table in the file has its own",
    ] {
        process.logged(words);
    }
    let status = |socket: &str, path: &str| {
        let mut client = Client::connect(&folder.path().join(socket));
        let request = PING.replace("/_ping?secret", path);
        client.ask(request).status()
    };
    for (socket, path, expected) in [
        ("conf/a.sock", "/a", 200),
        ("conf/a.sock", "/also", 200),
        ("conf/a.sock", "/b", 403),
        ("conf/a.sock", "/c", 403),
        ("a2.sock", "/a", 200),
        ("conf/b.sock", "/b", 200),
        ("conf/b.sock", "/a", 403),
    ] {
        assert_eq!(status(socket, path), expected, "{socket} {path}");
    }
    let log = process.stop().stderr;
    assert!(log.contains("on b: no rule allows this path"), "{log}");
    assert!(!listing(folder.path()).contains("conf/a.sock"));
}

#[test]
fn options_over_variables_over_the_file_over_defaults() {
    for (text, args, vars, mode) in [
        ("debug = true", &[][..], NONE, "0660"),
        ("socket-mode = 0o600", &[], NONE, "0600"),
        (
            "socket-mode = 0o600",
            &[],
            &[("DOXY_SOCKET_MODE", "0666")][..],
            "0666",
        ),
        (
            "socket-mode = 0o600",
            &["--socket-mode", "0620"],
            &[("DOXY_SOCKET_MODE", "0666")],
            "0620",
        ),
    ] {
        let folder = folder();
        fs::write(folder.path().join("doxy.toml"), text).unwrap();
        let mut command = doxy(folder.path());
        command.args(["--config", "doxy.toml"]).args(args);
        let process = Process::start(command.envs(vars.iter().copied()));
        process.logged(&format!("listening on doxy.sock (mode {mode})"));
        process.stop();
    }
}

/// A compose file needs no second file.
#[test]
fn rules_in_a_variable() {
    let folder = folder();
    let mut command = doxy(folder.path());
    let process = Process::start(command.env("DOXY_PATTERNS", "# mine\n/_ping\nPOST /x\n"));
    process.logged("2 rules from DOXY_PATTERNS");
    process.stop();
    let wrong = refused(&[], &[("DOXY_PATTERNS", "/_ping\nGTE /x")], &[]);
    assert!(wrong.starts_with("doxy: DOXY_PATTERNS:2:1: unknown method `GTE`\n"));
    let both = ["--patterns", "/a)", "--pattern-file", "good.pattern"];
    assert!(refused(&both, NONE, &[]).starts_with("doxy: --patterns:1:3: `)` closes no group\n"));
}
