//! A proxy in this process, on a thread of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::{
    ListenConfig, Listener, Policy, Server, Service, UnixListenConfig, Upstream, UpstreamAddr,
};
use tokio::sync::oneshot;

use super::runtime::on_thread;

/// A running proxy. When this is dropped, the proxy is stopped, and the test waits for its end.
pub(crate) struct Doxy {
    path: PathBuf,
    /// Where it listens over TCP, if it does.
    address: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: Option<tempfile::TempDir>,
}

/// How long the engine may take to accept.
pub(crate) const PATIENCE: Duration = Duration::from_millis(300);

impl Doxy {
    /// A proxy with the embedded default patterns.
    pub(crate) fn start(engine: &Path) -> Self {
        Self::run(unix(engine), RuleSet::embedded().unwrap(), Duration::ZERO)
    }

    /// A proxy with rules of its own.
    pub(crate) fn with(engine: &Path, rules: &str) -> Self {
        Self::with_grace(engine, rules, Duration::ZERO)
    }

    pub(crate) fn with_grace(engine: &Path, rules: &str, grace: Duration) -> Self {
        Self::run(unix(engine), parse(rules), grace)
    }

    /// A proxy with long timeouts, for connecting to the engine and for the grace period.
    pub(crate) fn patient(engine: &Path, rules: &str, long: Duration) -> Self {
        Self::run_with(unix(engine), parse(rules), long, long)
    }

    /// A proxy to an engine at a TCP address.
    pub(crate) fn over_tcp(address: SocketAddr, rules: &str) -> Self {
        Self::run(
            UpstreamAddr::Tcp(address.to_string()),
            parse(rules),
            Duration::ZERO,
        )
    }

    fn run(engine: UpstreamAddr, rules: RuleSet, grace: Duration) -> Self {
        Self::run_with(engine, rules, grace, PATIENCE)
    }

    fn run_with(engine: UpstreamAddr, rules: RuleSet, grace: Duration, patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doxy.sock");
        let bind = ListenConfig::Unix(UnixListenConfig {
            path: path.clone(),
            mode: 0o600,
            owner: None,
            group: None,
        });
        let upstream = Upstream::new(engine, patience);
        let service = Service::new("test", Policy::new(rules), upstream);
        let mut doxy = Self::serving(bind, service, grace);
        (doxy.path, doxy._folder) = (path, Some(folder));
        doxy
    }

    /// A proxy of which the test knows all parts.
    pub(crate) fn serving(bind: ListenConfig, service: Service, grace: Duration) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = mpsc::channel();
        let thread = on_thread(move || async move {
            let listener = bind.listen().unwrap();
            let address = match &listener {
                Listener::Tcp(listener) => Some(listener.address()),
                Listener::Unix(_) => None,
            };
            let mut server = Server::start(1, service.limits.connections).unwrap();
            let socket = server.add(service);
            server.listen(listener, socket).unwrap();
            ready.send(address).unwrap();
            let _ = stopped.await;
            server.stop("the test ends", grace).await;
        });
        Self {
            path: PathBuf::new(),
            address: is_ready.recv().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
            _folder: None,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("it listens over TCP")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Stops the proxy, without waiting for its end.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits for the end. A panic in the proxy fails the test.
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Doxy {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            return;
        }
        self.join();
    }
}

fn unix(path: &Path) -> UpstreamAddr {
    UpstreamAddr::Unix(path.to_owned())
}

fn parse(rules: &str) -> RuleSet {
    RuleSet::parse("test.pattern", rules.as_bytes()).unwrap()
}
