//! From settings to a running proxy: bound, then confined, then serving. `live` is what is served, and how
//! a reload changes it.
//!
//! Each state is a type that only the one before it makes, so the order cannot be changed by accident:
//! signals are handled before a socket exists, privileges are dropped before there is a second thread
//! or a client. It reads no settings from anywhere and ends no process.

mod board;
mod engine;
mod folders;
mod live;
mod private;
mod process;
mod reload;
mod services;
mod sockets;
mod watched;

use std::pin::{Pin, pin};
use std::time::Duration;

use doxy_proxy::privilege::{Credentials, drop_privileges};
use doxy_proxy::{Denied, Listener};
use tokio::time::MissedTickBehavior;

use crate::config::{Config, ConfigError, Shared, Source};
use crate::notify::Notifier;
use crate::signals::{Signals, Told};
use crate::startup::live::Live;
use crate::startup::sockets::Created;

pub(crate) use self::folders::others_may_write;
pub(crate) use self::live::Failure;
pub(crate) use self::private::serve_privately;
pub(crate) use self::process::{log_to_stderr, raise_descriptor_limit, runtime, stderr_is_journal};
pub(crate) use self::services::engine_for_tool;

/// How often doxy looks at files and at its own sockets.
const LOOK: Duration = Duration::from_secs(2);

/// The sockets exist. Dropped, they are removed.
pub(crate) struct Bound {
    source: Source,
    shared: Shared,
    sockets: Vec<Created>,
    /// Where the admin side listens.
    admin: Vec<Listener>,
    /// What to run as, if that is another user.
    credentials: Option<Credentials>,
}

impl Bound {
    /// Creates the sockets. It takes the signals as a proof that they are handled: one that ended the
    /// process by default would leave the sockets behind.
    ///
    /// Must be called within a tokio runtime.
    pub(crate) fn bind(source: Source, config: Config, _: &Signals) -> Result<Self, ConfigError> {
        let Config {
            mut shared,
            sockets,
            warnings,
        } = config;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        // Whatever can be refused is refused before there is a socket.
        engine::check_all(&sockets)?;
        let addresses: Vec<_> = engine::distinct(&sockets)
            .into_iter()
            .map(|it| it.1)
            .collect();
        let credentials = match shared.run_as.take() {
            Some(user) => user.credentials(&addresses)?,
            None => None,
        };
        let take_over = shared.takeover.is_some();
        let admin = shared.admin.as_mut();
        let (sockets, admin) =
            sockets::create_all(sockets, admin, credentials.as_ref(), take_over)?;
        Ok(Self {
            source,
            shared,
            sockets,
            admin,
            credentials,
        })
    }

    /// Device and inode of the first unix socket.
    pub(crate) fn created(&self) -> Option<(u64, u64)> {
        let mut listeners = self.sockets.iter().flat_map(|created| &created.listeners);
        listeners.find_map(|(_, listener)| listener.identity())
    }

    /// Becomes another user if the settings say so, drops capabilities and enters the sandbox.
    pub(crate) fn confine(self) -> Result<Confined, ConfigError> {
        let Self {
            source,
            shared,
            sockets,
            admin,
            credentials,
        } = self;
        let configs: Vec<_> = sockets.iter().map(|created| &created.config).collect();
        let engines = engine::distinct(configs);
        let engines: Vec<_> = engines.into_iter().map(|(_, address)| address).collect();
        let sandbox = drop_privileges(
            credentials.as_ref(),
            shared.sandbox,
            &shared.sandbox_setting,
            &engines,
            &shared.needs,
        )?;
        tracing::info!("sandbox: {sandbox}");
        Ok(Confined {
            source,
            shared,
            sockets,
            admin,
            sandbox,
            credentials,
        })
    }
}

/// Only the rights that serving takes are left.
pub(crate) struct Confined {
    source: Source,
    shared: Shared,
    sockets: Vec<Created>,
    admin: Vec<Listener>,
    /// What is in force of the sandbox, in a line.
    sandbox: String,
    credentials: Option<Credentials>,
}

impl Confined {
    /// Opens the access logs and serves.
    pub(crate) fn start(self) -> Result<Serving, Failure> {
        let watch = self.shared.watch.is_some();
        let (admin, sandbox) = (self.admin, self.sandbox);
        let mut live = Live::start(self.source, self.shared, self.sockets, self.credentials)?;
        live.start_admin(admin, sandbox)?;
        Ok(Serving { live, watch })
    }
}

/// Clients are served.
pub(crate) struct Serving {
    live: Live,
    watch: bool,
}

impl Serving {
    /// What is denied on its sockets, to be asked for at the end.
    pub(crate) fn denied(&self) -> Vec<Denied> {
        self.live.denied.clone()
    }

    /// Serves until the first signal to stop, or until another doxy has taken all sockets over; then
    /// until requests in service have ended or the grace period is over. A second signal ends
    /// everything at once.
    pub(crate) async fn until_stopped(self, mut signals: Signals, notifier: &Notifier) {
        let Self { mut live, watch } = self;
        let mut watchdog = pin!(notifier.watchdog());
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        notifier.ready(&live.status());
        let why = loop {
            let reload = tokio::select! {
                signal = signals.next() => match signal {
                    Told::Stop(signal) => break signal,
                    Told::Reload => true,
                },
                _ = looks.tick() => {
                    if live.close_replaced().await {
                        break "another doxy has taken over";
                    }
                    live.remind_of_dry_runs();
                    watch && live.files_have_changed()
                }
                () = watchdog.as_mut() => false,
            };
            if reload
                && let Some(signal) =
                    reload_or_stop(&mut live, &mut signals, notifier, watchdog.as_mut()).await
            {
                break signal;
            }
        };
        notifier.stopping();
        let (server, grace) = live.into_server();
        tokio::select! {
            () = server.stop(why, grace) => {}
            signal = async {
                loop {
                    if let Told::Stop(signal) = signals.next().await {
                        return signal;
                    }
                }
            } => tracing::info!("stopping at once: {signal}"),
        }
    }
}

/// Reloads, and again if that is asked for meanwhile. Says which signal has doxy stop, if one came: reading
/// may take long, and does not keep it from that.
async fn reload_or_stop(
    live: &mut Live,
    signals: &mut Signals,
    notifier: &Notifier,
    mut watchdog: Pin<&mut impl Future<Output = ()>>,
) -> Option<&'static str> {
    let mut again = true;
    while std::mem::take(&mut again) {
        notifier.reloading();
        let mut reloading = pin!(reload::reload(live));
        loop {
            tokio::select! {
                () = reloading.as_mut() => break,
                signal = signals.next() => match signal {
                    Told::Stop(signal) => return Some(signal),
                    Told::Reload => again = true,
                },
                () = watchdog.as_mut() => {}
            }
        }
    }
    notifier.ready(&live.status());
    None
}
