//! All workloads by name, in the order in which they run.
//!
//! It calls the function of each workload and measures nothing itself.

use std::io;

use crate::figure::Figures;
use crate::peers::peer::Peer;
use crate::peers::setup::Setup;
use crate::workloads::memory::{Idle, growth, idle, idle_tls};
use crate::workloads::requests::{self, LIST, Shape, Speed};
use crate::workloads::sizes::Sizes;
use crate::workloads::streams::{down, echo, tunnel_down, tunnel_up, up};
use crate::workloads::{crowd, start};

/// A workload, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    Keep1,
    Keep32,
    Keep256,
    Keep1000,
    Chunked32,
    Close8,
    Denied32,
    Rate32,
    TunnelDown,
    TunnelUp,
    TunnelEcho,
    BodyDown,
    BodyDownChunked,
    BodyUpChunked,
    Crowd,
    Idle1000,
    Idle5000,
    IdleTunnels,
    UsedTunnels,
    IdleEvents,
    Growth,
    Start,
    TcpKeep32,
    TcpDenied32,
    TcpClose8,
    TlsKeep32,
    TlsClose8,
    TlsIdle1000,
    TlsIdle2000,
    Sockets1000,
}

/// A group of workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Requests,
    Streams,
    Memory,
    Start,
    Tcp,
    Tls,
}

impl Group {
    pub(crate) const ALL: [Self; 6] = [
        Self::Requests,
        Self::Streams,
        Self::Memory,
        Self::Start,
        Self::Tcp,
        Self::Tls,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Streams => "streams",
            Self::Memory => "memory",
            Self::Start => "start",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

impl Workload {
    pub(crate) const ALL: [Self; 30] = [
        Self::Keep1,
        Self::Keep32,
        Self::Keep256,
        Self::Keep1000,
        Self::Chunked32,
        Self::Close8,
        Self::Denied32,
        Self::Rate32,
        Self::TunnelDown,
        Self::TunnelUp,
        Self::TunnelEcho,
        Self::BodyDown,
        Self::BodyDownChunked,
        Self::BodyUpChunked,
        Self::Crowd,
        Self::Idle1000,
        Self::Idle5000,
        Self::IdleTunnels,
        Self::UsedTunnels,
        Self::IdleEvents,
        Self::Growth,
        Self::Start,
        Self::TcpKeep32,
        Self::TcpDenied32,
        Self::TcpClose8,
        Self::TlsKeep32,
        Self::TlsClose8,
        Self::TlsIdle1000,
        Self::TlsIdle2000,
        Self::Sockets1000,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Keep1 => "keep-1",
            Self::Keep32 => "keep-32",
            Self::Keep256 => "keep-256",
            Self::Keep1000 => "keep-1000",
            Self::Chunked32 => "chunked-32",
            Self::Close8 => "close-8",
            Self::Denied32 => "denied-32",
            Self::Rate32 => "rate-32",
            Self::TunnelDown => "tunnel-down",
            Self::TunnelUp => "tunnel-up",
            Self::TunnelEcho => "tunnel-echo",
            Self::BodyDown => "body-down",
            Self::BodyDownChunked => "body-down-chunked",
            Self::BodyUpChunked => "body-up-chunked",
            Self::Crowd => "crowd",
            Self::Idle1000 => "idle-1000",
            Self::Idle5000 => "idle-5000",
            Self::IdleTunnels => "idle-tunnels",
            Self::UsedTunnels => "used-tunnels",
            Self::IdleEvents => "idle-events",
            Self::Growth => "growth",
            Self::Start => "start",
            Self::TcpKeep32 => "tcp-keep-32",
            Self::TcpDenied32 => "tcp-denied-32",
            Self::TcpClose8 => "tcp-close-8",
            Self::TlsKeep32 => "tls-keep-32",
            Self::TlsClose8 => "tls-close-8",
            Self::TlsIdle1000 => "tls-idle-1000",
            Self::TlsIdle2000 => "tls-idle-2000",
            Self::Sockets1000 => "sockets-1000",
        }
    }

    pub(crate) const fn group(self) -> Group {
        match self {
            Self::Keep1
            | Self::Keep32
            | Self::Keep256
            | Self::Keep1000
            | Self::Chunked32
            | Self::Close8
            | Self::Denied32
            | Self::Rate32 => Group::Requests,
            Self::TunnelDown
            | Self::TunnelUp
            | Self::TunnelEcho
            | Self::BodyDown
            | Self::BodyDownChunked
            | Self::BodyUpChunked
            | Self::Crowd => Group::Streams,
            Self::Idle1000
            | Self::Idle5000
            | Self::IdleTunnels
            | Self::UsedTunnels
            | Self::IdleEvents
            | Self::Growth => Group::Memory,
            Self::Start | Self::Sockets1000 => Group::Start,
            Self::TcpKeep32 | Self::TcpDenied32 | Self::TcpClose8 => Group::Tcp,
            Self::TlsKeep32 | Self::TlsClose8 | Self::TlsIdle1000 | Self::TlsIdle2000 => Group::Tls,
        }
    }

    /// The workloads with this name, or of the group with this name.
    pub(crate) fn named(name: &str) -> Result<Vec<Self>, String> {
        let found: Vec<Self> = Self::ALL
            .into_iter()
            .filter(|workload| workload.name() == name || workload.group().name() == name)
            .collect();
        if found.is_empty() {
            let groups = Group::ALL.map(Group::name).join(", ");
            let all = Self::ALL.map(Self::name).join(", ");
            return Err(format!("the groups are {groups}; the workloads are {all}"));
        }
        Ok(found)
    }

    /// Whether it needs a fresh process. Memory that an earlier run has allocated is reused, and
    /// would make the next run look free. And HAProxy goes on serving silent event streams whose
    /// clients are gone.
    const fn wants_fresh(self) -> bool {
        matches!(self.group(), Group::Memory)
            || matches!(self, Self::Crowd | Self::TlsIdle1000 | Self::TlsIdle2000)
    }

    /// What a proxy has to listen on.
    const fn setup(self) -> Setup {
        match (self, self.group()) {
            (Self::Sockets1000, _) => Setup::Sockets,
            (_, Group::Tcp) => Setup::Tcp,
            (_, Group::Tls) => Setup::Tls,
            _ => Setup::Unix,
        }
    }

    /// How many of `reps` repetitions it takes part in.
    pub(crate) fn reps(self, reps: usize) -> usize {
        match self {
            Self::Growth => reps.min(1),
            _ => reps,
        }
    }

    /// Why a peer skips it, if it does.
    pub(crate) fn skipped(self, peer: &Peer) -> Option<&'static str> {
        match (self, self.group()) {
            _ if !peer.has(self.setup()) => Some("it is not set up for that here"),
            (Self::Denied32, _) if peer.is_direct() => Some("the engine denies nothing"),
            (_, Group::Memory | Group::Start) if peer.is_direct() => {
                Some("the engine is not measured")
            }
            (_, Group::Start) if !peer.is_own() => Some("it is already running"),
            _ => None,
        }
    }

    pub(crate) async fn run(self, peer: &mut Peer, sizes: &Sizes) -> io::Result<Figures> {
        peer.set_up(self.setup()).await?;
        if self.wants_fresh() {
            peer.restart().await?;
        }
        let settle = sizes.settle;
        let flat = Speed {
            time: sizes.time,
            rate: None,
        };
        match self {
            Self::Keep1 => {
                let shape = Shape {
                    connections: 1,
                    here: true,
                    ..LIST
                };
                requests::run(peer, shape, flat).await
            }
            Self::Keep32 | Self::TcpKeep32 | Self::TlsKeep32 => {
                requests::run(peer, LIST, flat).await
            }
            Self::Keep256 => {
                let shape = Shape {
                    connections: 256,
                    ..LIST
                };
                requests::run(peer, shape, flat).await
            }
            Self::Keep1000 => {
                let shape = Shape {
                    connections: 1000,
                    ..LIST
                };
                requests::run(peer, shape, flat).await
            }
            Self::Chunked32 => {
                let shape = Shape {
                    path: "/v1.41/networks",
                    ..LIST
                };
                requests::run(peer, shape, flat).await
            }
            Self::Close8 | Self::TcpClose8 | Self::TlsClose8 => {
                let shape = Shape {
                    connections: 8,
                    once: true,
                    ..LIST
                };
                requests::run(peer, shape, flat).await
            }
            Self::Denied32 | Self::TcpDenied32 => {
                let shape = Shape {
                    path: "/v1.41/secrets",
                    denied: true,
                    ..LIST
                };
                requests::run(peer, shape, flat).await
            }
            Self::Rate32 => {
                let speed = Speed {
                    rate: Some(sizes.rate),
                    ..flat
                };
                requests::run(peer, LIST, speed).await
            }
            Self::TunnelDown => tunnel_down(peer, sizes.bytes).await,
            Self::TunnelUp => tunnel_up(peer, sizes.bytes).await,
            Self::TunnelEcho => echo(peer, sizes.trips).await,
            Self::BodyDown => down(peer, "/v1.41/containers/big/json", sizes.bytes).await,
            Self::BodyDownChunked => down(peer, "/v1.41/containers/big/export", sizes.bytes).await,
            Self::BodyUpChunked => up(peer, "/v1.41/images/load", sizes.bytes).await,
            Self::Crowd => crowd::run(peer, sizes).await,
            Self::Idle1000 => idle(peer, Idle::KeptAlive, sizes.idle, settle).await,
            Self::Idle5000 => idle(peer, Idle::KeptAlive, sizes.idle_many, settle).await,
            Self::IdleTunnels => idle(peer, Idle::Tunnels, sizes.idle, settle).await,
            Self::UsedTunnels => idle(peer, Idle::UsedTunnels, sizes.idle, settle).await,
            Self::IdleEvents => idle(peer, Idle::Events, sizes.idle, settle).await,
            Self::Growth => growth(peer, sizes.growth).await,
            Self::Start => start::run(peer).await,
            Self::Sockets1000 => start::sockets(peer).await,
            Self::TlsIdle1000 => idle_tls(peer, sizes.idle, settle).await,
            Self::TlsIdle2000 => idle_tls(peer, sizes.idle_tls, settle).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        let mut names: Vec<_> = Workload::ALL.map(Workload::name).to_vec();
        names.extend(Group::ALL.map(Group::name));
        names.sort_unstable();
        names.dedup();
        // `start` is the name of a group and of a workload of it.
        assert_eq!(names.len(), Workload::ALL.len() + Group::ALL.len() - 1);
    }

    #[test]
    fn groups_and_names() {
        let count = |name| Workload::named(name).map(|found| found.len());
        assert_eq!(count("keep-1"), Ok(1));
        assert_eq!(count("start"), Ok(2));
        let groups = Group::ALL.map(|group| count(group.name()).unwrap_or(0));
        assert_eq!(groups, [8, 7, 6, 2, 3, 4]);
        assert!(count("keep").is_err());
    }
}
