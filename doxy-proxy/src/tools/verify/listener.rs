//! Who listens on a unix socket: a doxy, the service manager in its place, or another program.

use doxy_proxy::ListeningProcess;

/// The program that passes sockets on. The kernel goes on to name the one that has created them.
const MANAGER: &str = "systemd";

/// Who listens, or that it is another program than doxy. `own` is the name of this one.
pub(super) fn listener(listening: &ListeningProcess, own: &str) -> Result<String, String> {
    Ok(match (listening.program.as_deref(), listening.pid) {
        (Some(MANAGER), _) => "the service manager listens, for doxy".to_owned(),
        // Of another version, it may have another name.
        (Some(program), Some(pid)) if program != own && !program.starts_with("doxy") => {
            return Err(format!(
                "not doxy listens there, but {program} (process {pid})"
            ));
        }
        (_, Some(pid)) => format!("process {pid} listens"),
        // In a container with processes of its own.
        (_, None) => "a process listens".to_owned(),
    })
}

/// The number of the process that listens. That of a service manager says nothing of who serves.
pub(super) fn own_number(listening: &ListeningProcess) -> Option<i32> {
    listening
        .pid
        .filter(|_| listening.program.as_deref() != Some(MANAGER))
}

#[cfg(test)]
mod tests {
    use super::{ListeningProcess, listener, own_number};

    #[test]
    fn who_listens() {
        for (program, pid, expected, number) in [
            (Some("doxy"), Some(7), Ok("process 7 listens"), Some(7)),
            (Some("doxy-0.2"), Some(7), Ok("process 7 listens"), Some(7)),
            (
                Some("systemd"),
                Some(1),
                Ok("the service manager listens, for doxy"),
                None,
            ),
            (
                Some("dockerd"),
                Some(7),
                Err("not doxy listens there, but dockerd (process 7)"),
                Some(7),
            ),
            (None, Some(7), Ok("process 7 listens"), Some(7)),
            (None, None, Ok("a process listens"), None),
        ] {
            let listening = ListeningProcess {
                pid,
                program: program.map(str::to_owned),
            };
            let got = listener(&listening, "doxy");
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(got, expected);
            assert_eq!(own_number(&listening), number, "{program:?}");
        }
    }
}
