//! The addresses of one socket, as its clients see them: what is at a path, its rights, and who listens.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Duration;

use doxy_proxy::{
    Shown, TlsClient, UnixListenConfig, Upstream, UpstreamAddr, dated, io_reason, is_mount_point,
    listening_process, shown,
};
use tokio::time::timeout;

use crate::config::{ListenConfig, Reach, Setting};
use crate::startup::others_may_write;
use crate::tools::verify::inside::Inside;
use crate::tools::verify::listener::{self, Listener, Same, Users};
use crate::tools::verify::report::Report;
use crate::tools::verify::{certificates, through};

const SOCKET: &str = "socket";
/// What is done about most of it.
const RESTART: &str = "restart doxy, which creates the socket anew";
const AS_ROOT: &str = "run this as root, or as a user who may use the socket";
const FOLDER: &str =
    "mount the folder around the socket, not the socket, and create the container again";

/// What is known before a socket is looked at.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) inside: Inside,
    pub(super) users: Users,
    /// How long each answer may take.
    pub(super) time: Duration,
}

/// Looks at each address, and asks through it.
pub(super) async fn check(socket: &Reach, known: &Known, report: &mut Report) {
    let time = known.time;
    for bind in &socket.binds {
        let address = bind.listen.to_string();
        // Its clock would end what the clock here is to end.
        let patience = time.saturating_mul(2);
        let doxy = match &bind.listen {
            ListenConfig::Unix(unix) if socket.is_engine(&unix.path) => {
                let says = "this is the engine's own socket".to_owned();
                let cure =
                    "name the socket that doxy creates: proxy-socket and docker-socket are two";
                report.failed(SOCKET, &address, says, cure);
                continue;
            }
            ListenConfig::Unix(unix) if file(unix, &address, known, report) => {
                Upstream::new(UpstreamAddr::Unix(unix.path.clone()), patience)
            }
            ListenConfig::Unix(_) => continue,
            ListenConfig::Tcp(tcp) => {
                let at = UpstreamAddr::Tcp(tcp.to_string());
                match &socket.tls {
                    None => Upstream::new(at, patience),
                    Some(files) => {
                        if !over_tls(*tcp, &files.cert, &address, time, report).await {
                            continue;
                        }
                        match TlsClient::pinned(&files.cert.path()) {
                            Ok(client) if files.client_ca.is_none() => {
                                Upstream::with_tls(at, patience, client)
                            }
                            // A file that cannot be read is told of with the certificates.
                            _ => {
                                not_asked(&address, report);
                                continue;
                            }
                        }
                    }
                }
            }
            ListenConfig::Inherited(_) => {
                let cure = "name its path: doxy verify --proxy-socket PATH";
                let says = "not known: the settings do not say where this socket is";
                report.skipped(SOCKET, &address, says, cure);
                continue;
            }
        };
        through::check(&doxy, &address, time, report).await;
    }
}

fn not_asked(address: &str, report: &mut Report) {
    let says = "not asked: this has no certificate of a client that doxy lets in";
    let cure = "ask as a client that has one: docker --tlsverify version";
    report.skipped(through::PING_CHECK, address, says, cure);
}

/// Looks at a unix socket. Says whether it can be asked.
fn file(unix: &UnixListenConfig, address: &str, known: &Known, report: &mut Report) -> bool {
    let path = &*unix.path;
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    let says = "not known: this user may not look into the folder";
                    report.skipped(SOCKET, address, says, AS_ROOT);
                }
                io::ErrorKind::NotFound if listens_without_file(path) => {
                    let says = "doxy listens, but its socket was removed, and nobody can connect";
                    report.failed(SOCKET, address, says.to_owned(), RESTART);
                }
                _ => report.failed(
                    SOCKET,
                    address,
                    io_reason(&error),
                    "start doxy; if it runs, it has another folder mounted there, or other settings",
                ),
            }
            return false;
        }
    };
    if !found.file_type().is_socket() {
        let (what, cure) = match found.is_dir() {
            true => (
                "this is a folder: Docker makes one where a socket to be mounted is missing",
                "remove the folder (rmdir), start doxy, then create the container again",
            ),
            false => ("this is no socket", "remove the file, and restart doxy"),
        };
        report.failed(SOCKET, address, what.to_owned(), cure);
        return false;
    }
    let listening = match listening_process(path) {
        Ok(listening) => listening,
        Err(error) => {
            refused(path, address, &error, report);
            return false;
        }
    };
    let own = std::env::current_exe().unwrap_or_default();
    let own = own.file_name().unwrap_or_default().to_string_lossy();
    let listener = Listener::of(&listening, &own);
    if let Listener::Other(_) = listener {
        let cure = "stop that program, or give doxy another path";
        report.failed(SOCKET, address, listener.words(), cure);
        return false;
    }
    let same = listener::same(&listening, &listener, &known.inside);
    if let Same::No(says) = same {
        let cure = "there are two doxys: stop the one that is not meant, or name the admin side of the other \
                    (--admin, DOXY_ADMIN)";
        report.failed(SOCKET, address, says, cure);
        return false;
    }
    rights(unix, address, &found, &listener.words(), report);
    let mut users = known.users.clone();
    if let (Some(users), Some(owner)) = (&mut users, unix.owner) {
        users.push(owner.as_raw());
    }
    let who = (&listener, &same);
    listener::look(&listening, who, found.uid(), &users, (address, report));
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    if others_may_write(folder.unwrap_or(Path::new("."))) {
        let says = "others may write to its folder, and replace the socket".to_owned();
        let cure = "take the right away (chmod go-w), or give doxy a folder of its own";
        report.warning("folder", address, says, cure);
    }
    if is_mount_point(path) {
        let says = "the socket is mounted as a file: when doxy restarts, this leads nowhere";
        report.warning("mount", address, says.to_owned(), FOLDER);
    }
    true
}

/// A socket that nobody can connect to.
fn refused(path: &Path, address: &str, error: &io::Error, report: &mut Report) {
    let mut failed = |says: &str, cure| report.failed(SOCKET, address, says.to_owned(), cure);
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let says = "not known: this user may not connect";
            report.skipped(SOCKET, address, says, AS_ROOT);
        }
        io::ErrorKind::WouldBlock => failed(
            "it does not accept connections: its queue is full",
            "doxy hangs, or has no threads left: look at its log, and restart it",
        ),
        io::ErrorKind::ConnectionRefused if is_mount_point(path) => failed(
            "nobody listens: it is mounted as a file, and doxy has made a new socket since",
            FOLDER,
        ),
        io::ErrorKind::ConnectionRefused => failed(
            "nobody listens: the socket is left over from a doxy that has ended",
            "start doxy, which replaces it",
        ),
        _ => report.failed(SOCKET, address, io_reason(error), RESTART),
    }
}

/// Whether mode and owner are as the settings have them.
fn rights(
    unix: &UnixListenConfig,
    address: &str,
    found: &fs::Metadata,
    who: &str,
    report: &mut Report,
) {
    let mode = found.mode() & 0o777;
    let has = format!("mode {mode:04o}, uid {}, gid {}", found.uid(), found.gid());
    let wanted = [
        (mode != unix.mode).then(|| format!("mode {:04o}", unix.mode)),
        unix.owner
            .map(rustix::fs::Uid::as_raw)
            .filter(|owner| *owner != found.uid())
            .map(|owner| format!("uid {owner}")),
        unix.group
            .map(rustix::fs::Gid::as_raw)
            .filter(|group| *group != found.gid())
            .map(|group| format!("gid {group}")),
    ];
    let wanted: Vec<_> = wanted.into_iter().flatten().collect();
    if wanted.is_empty() {
        return report.ok(SOCKET, address, format!("{has}; {who}"));
    }
    let says = format!("{has}; the settings say {}", wanted.join(", "));
    match mode & !unix.mode {
        0 => report.warning(SOCKET, address, says, RESTART),
        _ => report.failed(
            SOCKET,
            address,
            format!("{says}: more may connect"),
            RESTART,
        ),
    }
}

/// Whether a process listens on a socket that was created at this path. Of a path that is not absolute
/// nobody knows where it begins.
fn listens_without_file(path: &Path) -> bool {
    if !path.is_absolute() {
        return false;
    }
    // Other programs' sockets may have names of any bytes.
    let sockets = fs::read("/proc/net/unix").unwrap_or_default();
    let mut lines = sockets.split(|byte| *byte == b'\n');
    lines.any(|line| listening_at(line).is_some_and(|at| at == path.as_os_str().as_bytes()))
}

/// The path of a socket that accepts connections, from a line with address, references, protocol, flags,
/// type, state, inode and path. Source: proc(5).
fn listening_at(line: &[u8]) -> Option<&[u8]> {
    /// The flag of one that does. Source: the kernel's `linux/net.h`.
    const ACCEPTS: u32 = 1 << 16;
    let mut fields = [&b""[..]; 7];
    let mut rest = line;
    for field in &mut fields {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|byte| *byte == b' ')?;
        *field = rest.get(..end)?;
        rest = rest.get(end + 1..)?;
    }
    let [_, _, _, flags, ..] = fields;
    let flags = std::str::from_utf8(flags).ok()?;
    let flags = u32::from_str_radix(flags, 16).ok()?;
    (flags & ACCEPTS != 0).then_some(rest)
}

/// Looks at what a server of TLS shows. Says whether it can be asked: it has shown the certificate in the
/// file.
async fn over_tls(
    address: SocketAddr,
    file: &Setting,
    name: &str,
    time: Duration,
    report: &mut Report,
) -> bool {
    let cure = "start doxy, or look at its log if it runs";
    let other = "what listens there is no doxy, or one with other settings: look at its log";
    let mut failed = |says: String, cure| report.failed(SOCKET, name, says, cure);
    match timeout(time, shown(address)).await {
        Err(_) => {
            let time = humantime::format_duration(time);
            failed(format!("no answer within {time}"), cure);
        }
        Ok(Err(error)) => failed(io_reason(&error), cure),
        Ok(Ok(Shown::NotTls)) => failed("no TLS is spoken there".to_owned(), other),
        Ok(Ok(Shown::Refused(why))) => {
            let says = format!("not known: it refuses a handshake: {why}");
            let cure = "run this from an address that may connect; doxy's log says more";
            report.skipped(SOCKET, name, &says, cure);
        }
        Ok(Ok(Shown::Certificate(der))) => match dated(&der) {
            Some(served) => {
                report.ok(SOCKET, name, "TLS is spoken there");
                return certificates::served(&served, file, name, report);
            }
            None => failed("its certificate cannot be read".to_owned(), other),
        },
    }
    false
}

#[cfg(test)]
mod tests {
    use super::listening_at;

    #[test]
    fn lines_of_proc() {
        let zeros = "0000000000000000: 00000002 00000000";
        for (behind, expected) in [
            (
                "00010000 0001 01 12345 /run/doxy.sock",
                Some("/run/doxy.sock"),
            ),
            (
                "00010000 0001 01     7 /run/a b.sock",
                Some("/run/a b.sock"),
            ),
            ("00010000 0001 01 12345 @abstract", Some("@abstract")),
            // A connection, and a socket without a name.
            ("00000000 0001 03 12345 /run/doxy.sock", None),
            ("00010000 0001 01 12345", None),
            ("", None),
        ] {
            let line = format!("{zeros} {behind}");
            let found = listening_at(line.as_bytes());
            assert_eq!(found, expected.map(str::as_bytes), "{line}");
        }
        for line in [
            &b"Num       RefCount Protocol Flags    Type St Inode Path"[..],
            b"",
            b"\xff",
        ] {
            assert_eq!(listening_at(line), None);
        }
    }
}
