//! Proxies as the command line names them.
//!
//! It only parses. Whether a command or a process exists shows later.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

/// A command line to start, `[NAME=]COMMAND…`.
#[derive(Debug, Clone)]
pub(crate) struct CommandLine {
    pub(crate) name: Option<String>,
    pub(crate) command: Vec<OsString>,
}

impl FromStr for CommandLine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, line) = match text.split_once('=') {
            Some((name, line)) if !name.contains(['/', ' ']) => (Some(name.to_owned()), line),
            _ => (None, text),
        };
        let command: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        if command.is_empty() {
            return Err("no command".to_owned());
        }
        Ok(Self { name, command })
    }
}

/// A proxy that is already running, `NAME=SOCKET,PID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct External {
    pub(crate) name: String,
    pub(super) socket: PathBuf,
    pub(super) pid: u32,
}

impl FromStr for External {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(name, rest)| {
            let (socket, pid) = rest.rsplit_once(',')?;
            Some((name, socket, pid.parse().ok()?))
        });
        let (name, socket, pid) = parts.ok_or("not NAME=SOCKET,PID")?;
        Ok(Self {
            name: name.to_owned(),
            socket: socket.into(),
            pid,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let named: CommandLine = "hap32=/x/ld.so --library-path /x /x/haproxy"
            .parse()
            .unwrap();
        assert_eq!(named.name.as_deref(), Some("hap32"));
        assert_eq!(named.command.len(), 4);
        let plain: CommandLine = "/usr/sbin/haproxy -L a=b".parse().unwrap();
        assert_eq!(plain.name, None);
        assert_eq!(plain.command.len(), 3);
        assert!("x=".parse::<CommandLine>().is_err());
    }

    #[test]
    fn external_proxies() {
        let external: External = "nginx=/tmp/a,b.sock,123".parse().unwrap();
        let expected = External {
            name: "nginx".to_owned(),
            socket: "/tmp/a,b.sock".into(),
            pid: 123,
        };
        assert_eq!(external, expected);
        for wrong in ["nginx", "nginx=/tmp/a", "nginx=/tmp/a,x"] {
            assert!(wrong.parse::<External>().is_err());
        }
    }
}
