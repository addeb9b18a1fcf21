//! Tells the admin side what is in force.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use doxy_proxy::{Listener, WebServer};

use crate::admin::{AddressFacts, AdminThread, Board, Facts, Reloads, SocketFacts};
use crate::config::ListenConfig;
use crate::startup::live::{Failure, InForce, Listening, Live};
use crate::startup::services::Tls;

impl Live {
    /// Starts the admin side, if the settings want one. `sandbox` is what is in force of it.
    pub(super) fn start_admin(
        &mut self,
        listeners: Vec<Listener>,
        sandbox: String,
    ) -> Result<(), Failure> {
        let Some(config) = &self.shared.admin else {
            return Ok(());
        };
        let tls = match &config.tls {
            Some(files) => Some(Tls::default().server(files)?),
            None => None,
        };
        let facts = Facts {
            started: SystemTime::now(),
            sandbox,
            reloads: Reloads::default(),
            sockets: self.facts(),
            logs: self.logs.named(),
        };
        for listener in &listeners {
            tracing::info!("admin side at {listener}");
        }
        let board = Board::new(self.server.observer(), facts);
        let server = WebServer {
            listeners,
            peers: config.peers.clone(),
            hosts: config.hosts.clone(),
            tls,
            refusals: board.refusals.clone(),
        };
        let thread = AdminThread::start(server, board.clone()).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot start a thread for the admin side: {error}"),
            )
        })?;
        self.admin = Some((board, thread));
        Ok(())
    }

    /// Posts what a reload has come to: none if it has put something in force, or why not.
    pub(super) fn post_reload(&self, error: Option<&str>) {
        let Some((board, _)) = &self.admin else {
            return;
        };
        let in_force = error.is_none().then(|| (self.facts(), self.logs.named()));
        board.post(|facts| {
            if let Some((sockets, logs)) = in_force {
                (facts.sockets, facts.logs) = (sockets, logs);
                facts.reloads.done += 1;
            } else {
                facts.reloads.failed += 1;
            }
            facts.reloads.last = Some(SystemTime::now());
            facts.reloads.last_error = error.map(str::to_owned);
        });
    }

    fn facts(&self) -> Vec<SocketFacts> {
        let of = |(name, socket): (&String, &InForce)| SocketFacts {
            id: socket.id,
            name: name.clone(),
            addresses: self.addresses(socket),
            engine: Arc::clone(&socket.served.engine),
            policy: Arc::clone(&socket.policy),
            dry_run: socket.served.dry_run,
            certificate_ends: socket.served.certificate_ends,
        };
        self.sockets.iter().map(of).collect()
    }

    fn addresses(&self, socket: &InForce) -> Vec<AddressFacts> {
        let own = self.listening.iter().filter(|it| it.socket == socket.id);
        let address = |one: &Listening| AddressFacts {
            address: one.at.to_string(),
            kind: match (one.ip, socket.served.certificate_ends) {
                (None, _) => "unix",
                (Some(_), None) => "tcp",
                (Some(_), Some(_)) => "tls",
            },
            mode: match &one.at {
                ListenConfig::Unix(unix) => Some(unix.mode),
                _ => None,
            },
        };
        own.map(address).collect()
    }
}
