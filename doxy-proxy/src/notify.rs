//! What the service manager is told: that doxy is ready, reloads, stops, and is alive. The protocol is
//! systemd's sd_notify(3).
//!
//! Without `NOTIFY_SOCKET` there is nobody to tell, and nothing here does anything. It connects before
//! the sandbox is entered, and afterwards only writes.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::time::{ClockId, clock_gettime};

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    socket: Option<OwnedFd>,
    /// How long doxy may be silent before the service manager takes it for dead.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Connects to the service manager that the environment names.
    ///
    /// # Errors
    /// If it names one that cannot be reached.
    pub(crate) fn connect() -> io::Result<Self> {
        let Some(address) = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty())
        else {
            return Ok(Self::default());
        };
        let bytes = address.as_bytes();
        let address = match bytes.strip_prefix(b"@") {
            Some(name) => SocketAddrUnix::new_abstract_name(name)?,
            None => SocketAddrUnix::new(bytes)?,
        };
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::DGRAM,
            // A service manager that does not read must not keep doxy waiting.
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        rustix::net::connect(&socket, &address)?;
        let own = std::process::id().to_string();
        Ok(Self {
            socket: Some(socket),
            watchdog: watchdog(
                env::var_os("WATCHDOG_USEC"),
                env::var_os("WATCHDOG_PID"),
                &own,
            ),
        })
    }

    /// Tells another process of doxy, which has the other end of this socket.
    pub(crate) fn over(socket: OwnedFd) -> Self {
        Self {
            socket: Some(socket),
            watchdog: None,
        }
    }

    /// Doxy serves, or serves anew. `status` is for people.
    pub(crate) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// Doxy reads its configuration anew.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.say(&format!(
            "RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reloading"
        ));
    }

    pub(crate) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=stopping: requests in service may end");
    }

    /// Says that doxy is alive, often enough. Never resolves.
    pub(crate) async fn watchdog(&self) {
        let Some(time) = self.watchdog else {
            return std::future::pending().await;
        };
        let mut ticks = tokio::time::interval(time / 2);
        loop {
            ticks.tick().await;
            self.say("WATCHDOG=1");
        }
    }

    fn say(&self, message: &str) {
        if let Some(socket) = &self.socket {
            // A service manager that is gone or busy does not keep doxy from serving.
            let _ = rustix::io::write(socket, message.as_bytes());
        }
    }
}

/// How long this process may be silent: the variables hold for another one if they name it.
fn watchdog(micros: Option<OsString>, pid: Option<OsString>, own: &str) -> Option<Duration> {
    if pid.is_some_and(|pid| pid != *own) {
        return None;
    }
    let micros = micros?.to_str()?.parse().ok()?;
    (micros > 1).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        for (micros, pid, expected) in [
            (None, None, None),
            (Some("2000000"), None, Some(Duration::from_secs(2))),
            (Some("2000000"), Some("7"), Some(Duration::from_secs(2))),
            (Some("2000000"), Some("8"), None),
            (Some("0"), None, None),
            (Some("soon"), None, None),
        ] {
            let found = super::watchdog(micros.map(Into::into), pid.map(Into::into), "7");
            assert_eq!(found, expected, "{micros:?} {pid:?}");
        }
    }
}
