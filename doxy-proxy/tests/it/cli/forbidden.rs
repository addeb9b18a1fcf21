//! Files that an unprivileged doxy may not use.

use std::fs;
use std::os::unix::net::UnixListener;

use super::{cases, folder, option, refused_by};
use crate::support::files::{chmod, listing};
use crate::support::process::{copy_binary, unprivileged};
use crate::support::sockets::stale;

#[test]
fn missing_permissions() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    copy_binary(folder.path());
    let _engine = UnixListener::bind(at("closed.sock")).unwrap();
    fs::create_dir(at("closed")).unwrap();
    for name in ["closed.sock", "closed", "good.pattern"] {
        chmod(&at(name), 0);
    }
    stale(&at("sub/stale.sock"));
    chmod(&at("sub/stale.sock"), 0o666);
    fs::create_dir(at("open")).unwrap();
    chmod(&at("open"), 0o777);
    let theirs = at("open/theirs.sock");
    let _live = UnixListener::bind(&theirs).unwrap();
    chmod(&theirs, 0);
    chmod(&at("sub"), 0o555);
    chmod(folder.path(), 0o555);

    for (name, value, said) in cases(
        "
proxy-socket sub/doxy.sock
--proxy-socket sub/doxy.sock: permission denied
help: choose a folder in which doxy may create files, or give this one to doxy's user (chown); a volume too belongs to a user

proxy-socket sub/stale.sock
--proxy-socket sub/stale.sock: permission denied
help: choose a folder in which doxy may create files, or give this one to doxy's user (chown); a volume too belongs to a user

proxy-socket closed/doxy.sock
--proxy-socket closed/doxy.sock: folder closed: permission denied
help: choose a folder that doxy may read and write

proxy-socket open/theirs.sock
--proxy-socket open/theirs.sock: cannot tell whether the socket there is in use: permission denied
help: choose another path, or remove the socket

docker-socket closed.sock
--docker-socket closed.sock: permission denied
help: run doxy as root or as a member of the socket's group (often `docker`)

docker-socket closed/engine.sock
--docker-socket closed/engine.sock: permission denied
help: run doxy as root or as a member of the socket's group (often `docker`)

pattern-file good.pattern
good.pattern: cannot read the pattern file: permission denied
help: name a readable file with --pattern-file; without this option the embedded defaults apply

socket-owner 0
DOXY_PROXY_SOCKET=open/doxy.sock: cannot set owner and group: operation not permitted
help: make doxy's user a member of that group and restart doxy, start doxy as root, or leave out --socket-owner and --socket-group
",
    ) {
        let Some(mut command) = unprivileged(folder.path()) else {
            return;
        };
        command.args([&option(name), value]);
        let vars = [("DOXY_PROXY_SOCKET", "open/doxy.sock")];
        let stderr = refused_by(&mut command, &vars, folder.path(), &[]);
        assert_eq!(stderr, said);
        assert_eq!(listing(&at("sub")), ["stale.sock".to_owned()].into());
        assert_eq!(listing(&at("open")), ["theirs.sock".to_owned()].into());
    }
    // Otherwise only root could remove them.
    for name in ["closed", "sub", "."] {
        chmod(&at(name), 0o755);
    }
}
