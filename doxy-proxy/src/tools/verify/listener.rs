//! Who listens on a unix socket: a doxy, the service manager in its place, or another program; and whether that
//! is the doxy of the admin side.
//!
//! A process may call itself what it likes, so it is known by the file that it runs. Where that cannot be read,
//! nothing is taken for known.

use std::path::Path;

use doxy_proxy::ListeningProcess;

use crate::tools::verify::inside::Inside;
use crate::tools::verify::report::Report;

/// The program that passes sockets on. The kernel goes on to name the one that has created them.
const MANAGER: &str = "systemd";
/// What the names of doxy's programs begin with.
const DOXY: &str = "doxy";
/// What the kernel keeps of the name that a process gives itself. Source: proc_pid_comm(5).
const MAX_NAME: usize = 15;
/// The user that the kernel shows for one that has no number here. Source: user_namespaces(7).
const NOBODY: u32 = 65_534;

const LISTENER: &str = "listener";
const AS_ROOT: &str = "run this as root, which may see what other users' processes run";

/// Who listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listener {
    /// A doxy, by the file that it runs.
    Doxy(i32),
    /// The service manager. That says nothing of who serves.
    Manager,
    /// A process that may be a doxy.
    Unseen(i32),
    /// A process that has no number here.
    Elsewhere,
    /// Another program.
    Other(String),
}

impl Listener {
    /// Who it is. `own` is the name of this program's file.
    pub(super) fn of(listening: &ListeningProcess, own: &str) -> Self {
        let Some(pid) = listening.pid else {
            return Self::Elsewhere;
        };
        let may_manage = [0, rustix::process::geteuid().as_raw()].contains(&listening.uid);
        let is_doxy = |name: &str, own: &str| name.starts_with(DOXY) || name == own;
        if let Some(file) = &listening.file {
            let text = file.to_string_lossy();
            // So the kernel marks a file that an update has replaced.
            let text = text.strip_suffix(" (deleted)").unwrap_or(&text);
            let name = Path::new(text).file_name().unwrap_or_default();
            let name = name.to_string_lossy();
            return match &*name {
                MANAGER if may_manage => Self::Manager,
                _ if listening.is_this_program || is_doxy(&name, own) => Self::Doxy(pid),
                _ => Self::Other(format!("{text} (process {pid})")),
            };
        }
        let short = own.get(..MAX_NAME).unwrap_or(own);
        match listening.program.as_deref() {
            Some(MANAGER) if may_manage => Self::Manager,
            Some(name) if !is_doxy(name, short) && name != MANAGER => {
                Self::Other(format!("{name} (process {pid})"))
            }
            _ => Self::Unseen(pid),
        }
    }

    /// In words, for the line about the socket.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Doxy(pid) | Self::Unseen(pid) => format!("process {pid} listens"),
            Self::Manager => "the service manager listens, for doxy".to_owned(),
            Self::Elsewhere => "a process listens".to_owned(),
            Self::Other(name) => format!("not doxy listens there, but {name}"),
        }
    }
}

/// Whether two are the same doxy, as far as it can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Same {
    Yes,
    No(String),
    Unknown,
}

/// Whether who listens is the process that the admin side speaks of. In a namespace of its own a process has
/// another number for itself than it has here.
pub(super) fn same(listening: &ListeningProcess, listener: &Listener, inside: &Inside) -> Same {
    let (Listener::Doxy(pid) | Listener::Unseen(pid)) = listener else {
        return Same::Unknown;
    };
    let other =
        |of: i32| format!("process {pid} listens there; the admin side is that of process {of}");
    match (inside.listener, inside.pid, listening.own_pid) {
        (Some(admin), _, _) if admin == *pid => Same::Yes,
        (Some(admin), _, _) => Same::No(other(admin)),
        (None, Some(said), Some(own)) if said == own => Same::Yes,
        (None, Some(said), Some(_)) => Same::No(other(said)),
        _ => Same::Unknown,
    }
}

/// Who may serve, and whom a socket may belong to: none where it is not known.
pub(super) type Users = Option<Vec<u32>>;

/// What is odd about who listens, or cannot be seen. `owner` is that of the socket.
pub(super) fn look(
    listening: &ListeningProcess,
    (listener, same): (&Listener, &Same),
    owner: u32,
    users: &Users,
    (address, report): (&str, &mut Report),
) {
    let uid = listening.uid;
    let known = |uid: u32| {
        users
            .as_ref()
            .is_none_or(|all| uid == NOBODY || all.contains(&uid))
    };
    match listener {
        Listener::Elsewhere if *same != Same::Yes => {
            let says = "not known: the process that listens cannot be seen from here";
            let cure = "run this where doxy runs: on the machine itself, or in the same container";
            report.skipped(LISTENER, address, says, cure);
        }
        Listener::Unseen(pid) if *same != Same::Yes => {
            let whose = match known(uid) {
                true => "",
                false => ", and that is no user of doxy's, nor root, nor this one",
            };
            let says =
                format!("what process {pid} of uid {uid} runs cannot be seen from here{whose}");
            report.warning(LISTENER, address, says, AS_ROOT);
        }
        _ => {}
    }
    if *listener != Listener::Manager && owner != uid && !known(owner) {
        let says = format!("the socket belongs to uid {owner}, and a process of uid {uid} listens");
        let cure = "see who has changed its owner; restart doxy, which creates the socket anew";
        report.warning(LISTENER, address, says, cure);
    }
}

#[cfg(test)]
mod tests {
    use super::{Listener, ListeningProcess};

    #[test]
    fn who_listens() {
        let own = rustix::process::geteuid().as_raw();
        let other = |name: &str| Listener::Other(format!("{name} (process 7)"));
        for (file, program, uid, expected) in [
            (Some("/usr/bin/doxy"), "doxy", 0, Listener::Doxy(7)),
            (Some("/usr/bin/doxy-0.2"), "doxy-0.2", 4, Listener::Doxy(7)),
            (Some("/opt/guard"), "x", 4, Listener::Doxy(7)),
            (
                Some("/usr/bin/doxy (deleted)"),
                "doxy",
                0,
                Listener::Doxy(7),
            ),
            (
                Some("/usr/lib/systemd/systemd"),
                "systemd",
                0,
                Listener::Manager,
            ),
            (
                Some("/usr/lib/systemd/systemd"),
                "systemd",
                own,
                Listener::Manager,
            ),
            (None, "systemd", 0, Listener::Manager),
            // A name that anybody can take.
            (
                Some("/usr/bin/python3.13"),
                "doxy",
                0,
                other("/usr/bin/python3.13"),
            ),
            (
                Some("/usr/bin/python3.13"),
                "systemd",
                0,
                other("/usr/bin/python3.13"),
            ),
            (None, "systemd", own + 1, Listener::Unseen(7)),
            (None, "doxy", 4, Listener::Unseen(7)),
            (None, "guard", 4, Listener::Unseen(7)),
            (None, "", 4, Listener::Unseen(7)),
            (None, "dockerd", 0, other("dockerd")),
        ] {
            let listening = ListeningProcess {
                pid: Some(7),
                own_pid: Some(7),
                uid,
                program: Some(program.to_owned()).filter(|name| !name.is_empty()),
                file: file.map(Into::into),
                is_this_program: false,
            };
            let got = Listener::of(&listening, "guard");
            assert_eq!(got, expected, "{file:?} {program} {uid}");
            let elsewhere = ListeningProcess {
                pid: None,
                ..listening
            };
            assert_eq!(Listener::of(&elsewhere, "guard"), Listener::Elsewhere);
        }
    }
}
