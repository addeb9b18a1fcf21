//! Sockets that the service manager has created and passes on: systemd's socket activation.
//!
//! They belong to the service manager: their paths, owners and modes are its own, and they stay when
//! doxy ends. What was passed and is not a socket that doxy can serve is an error, and so is one that
//! nobody asks for: clients would wait at it for ever. Source: sd_listen_fds(3).

use std::ffi::OsString;
use std::os::fd::{AsFd as _, OwnedFd, RawFd};

use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::net::listener::Listener;
use crate::net::listener::error::ListenError;
use crate::net::listener::passed;
use crate::net::listener::tcp::TcpListener;
use crate::net::listener::unix::UnixListener;
use crate::net::reason::io_reason;

/// The number of the first descriptor.
const FIRST: RawFd = 3;
/// The most sockets that are taken: more is a mistake.
const MOST: usize = 4096;
/// What a socket is called that has no name.
const NAMELESS: &str = "unknown";
const HELP: &str = "let systemd start doxy by a .socket unit, which sets this itself";

/// The sockets that nobody has asked for yet.
#[derive(Debug, Default)]
pub struct InheritedSockets(Vec<(String, OwnedFd)>);

impl InheritedSockets {
    /// Takes the sockets that were passed to this process. To be called once, first of all.
    ///
    /// # Errors
    /// The variables contradict each other; a descriptor is missing, or is no stream socket that
    /// listens, unix or TCP.
    pub fn take() -> Result<Self, ListenError> {
        let names = names(std::env::var_os::<&str>, std::process::id())?;
        let sockets = (FIRST..).zip(names).map(|(number, name)| {
            let socket = passed::take(number).map_err(|error| ListenError {
                what: format!(
                    "LISTEN_FDS names descriptor {number} (`{name}`), which is not there: {}",
                    io_reason(&error)
                ),
                help: HELP,
            })?;
            checked(number, &name, socket).map(|socket| (name, socket))
        });
        sockets.collect::<Result<_, _>>().map(Self)
    }

    /// Listens on the sockets of this name: several may have the same. To be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// There is none of this name, or somebody has asked for it before.
    pub fn listen(&mut self, name: &str) -> Result<Vec<Listener>, ListenError> {
        let (found, others) = std::mem::take(&mut self.0)
            .into_iter()
            .partition::<Vec<_>, _>(|(other, _)| other == name);
        self.0 = others;
        if found.is_empty() {
            let what = match self.names() {
                names if names.is_empty() => "no socket was passed to doxy".to_owned(),
                names => format!("no socket of this name was passed to doxy, only {names}"),
            };
            let help = "start doxy by a .socket unit with FileDescriptorName= of this name";
            return Err(ListenError { what, help });
        }
        let listeners = found.into_iter().map(|(_, socket)| listener(socket));
        listeners
            .collect::<std::io::Result<_>>()
            .map_err(|error| ListenError {
                what: io_reason(&error),
                help: "check the limit on open files",
            })
    }

    /// Whether all sockets are asked for.
    ///
    /// # Errors
    /// There is one that nobody has asked for.
    pub fn all_used(&self) -> Result<(), ListenError> {
        match self.names() {
            names if names.is_empty() => Ok(()),
            names => Err(ListenError {
                what: format!("doxy was passed sockets that no setting names: {names}"),
                help: "name each as fd://NAME in proxy-socket, or take it out of the .socket unit",
            }),
        }
    }

    fn names(&self) -> String {
        let names = self.0.iter().map(|(name, _)| format!("`{name}`"));
        names.collect::<Vec<_>>().join(", ")
    }
}

/// The names of the sockets, in the order of their descriptors. None if they were passed to another
/// process, or there are none.
fn names(
    variable: impl Fn(&'static str) -> Option<OsString>,
    own: u32,
) -> Result<Vec<String>, ListenError> {
    let text = |name| {
        let value = variable(name)?;
        Some(value.into_string().map_err(|_| ListenError {
            what: format!("{name} is not UTF-8"),
            help: HELP,
        }))
    };
    let wrong = |what| Err(ListenError { what, help: HELP });
    let Some(pid) = text("LISTEN_PID").transpose()? else {
        return Ok(Vec::new());
    };
    match pid.parse::<u32>() {
        Ok(pid) if pid == own => {}
        // A child of who was meant inherits the variables, but they are not for it.
        Ok(_) => return Ok(Vec::new()),
        Err(_) => return wrong(format!("LISTEN_PID is no number: `{pid}`")),
    }
    let count = match text("LISTEN_FDS").transpose()? {
        None => return wrong("LISTEN_PID is set and LISTEN_FDS is not".to_owned()),
        Some(count) => match count.parse::<usize>() {
            Ok(count) if count <= MOST => count,
            _ => {
                return wrong(format!(
                    "LISTEN_FDS is no number from 0 to {MOST}: `{count}`"
                ));
            }
        },
    };
    let Some(names) = text("LISTEN_FDNAMES").transpose()? else {
        return Ok(vec![NAMELESS.to_owned(); count]);
    };
    let names: Vec<_> = match count {
        0 => Vec::new(),
        _ => names.split(':').map(str::to_owned).collect(),
    };
    if names.len() != count {
        return wrong(format!(
            "LISTEN_FDNAMES has {} names and LISTEN_FDS says {count}",
            names.len()
        ));
    }
    Ok(names)
}

/// The socket, if it is one that doxy can serve.
fn checked(number: RawFd, name: &str, socket: OwnedFd) -> Result<OwnedFd, ListenError> {
    let fail = |what: &str, help| {
        Err(ListenError {
            what: format!("descriptor {number} (`{name}`) is {what}"),
            help,
        })
    };
    let Ok(kind) = sockopt::socket_type(&socket) else {
        return fail(
            "no socket",
            "pass sockets to doxy: ListenStream= in the .socket unit",
        );
    };
    if kind != SocketType::STREAM {
        let help = "write ListenStream= in the .socket unit, not another kind of socket";
        return fail("no stream socket", help);
    }
    let family = sockopt::socket_domain(&socket);
    let families = [
        AddressFamily::UNIX,
        AddressFamily::INET,
        AddressFamily::INET6,
    ];
    if !family.is_ok_and(|family| families.contains(&family)) {
        let help = "write a path or an IP address behind ListenStream=";
        return fail("neither a unix nor a TCP socket", help);
    }
    // A TCP socket of another protocol than TCP would be one that Landlock knows nothing of.
    if family != Ok(AddressFamily::UNIX)
        && sockopt::socket_protocol(&socket) != Ok(Some(rustix::net::ipproto::TCP))
    {
        let help = "leave SocketProtocol= out of the .socket unit";
        return fail("no TCP socket", help);
    }
    if sockopt::socket_acceptconn(&socket) != Ok(true) {
        let help = "write Accept=no in the .socket unit: doxy accepts connections itself";
        return fail("a connection, not a socket that listens", help);
    }
    if let Err(error) = rustix::io::ioctl_fionbio(&socket, true) {
        return fail(&io_reason(&error.into()), HELP);
    }
    Ok(socket)
}

fn listener(socket: OwnedFd) -> std::io::Result<Listener> {
    match sockopt::socket_domain(socket.as_fd())? {
        AddressFamily::UNIX => UnixListener::inherited(socket).map(Listener::Unix),
        _ => TcpListener::from_bound(socket).map(Listener::Tcp),
    }
}

#[cfg(test)]
mod tests;
