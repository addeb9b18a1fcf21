//! What is wrong with the form of a file, its keys and its values.

use std::fs;

use super::{says, table};
use crate::cli::{NONE, folder, refused, refused_by};
use crate::support::process::doxy;

#[test]
fn files_that_cannot_be_read() {
    for (path, why) in [
        ("no.toml", "no such file or directory"),
        ("sub", "this is a folder, not a file"),
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
    assert!(endless.contains(
        "--config /dev/zero: cannot read the configuration: the file has more than 16 MiB"
    ));
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

patterns = "(/v[\d.]+)?/_ping"
=>
doxy.toml:1:18: missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\`, `"`, `x`, `u`, `U`
help: write patterns between `'''`, in which a backslash is a backslash

patterns = "/a\u12"
=>
doxy.toml:1:19: too few unicode value digits, expected unicode hexadecimal value
help: write patterns between `'''`, in which a backslash is a backslash

colour = "red"
=>
doxy.toml:1:1: unknown key `colour`
help: `doxy config example` lists the keys

[sockets.a]
proxy-socket = "a"
=>
doxy.toml:1:2: unknown table `sockets`
help: the tables are called [socket.NAME]

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
