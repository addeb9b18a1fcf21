//! One command with a socket of its own, for `doxy run`.
//!
//! Three processes: this one waits and passes signals on; a child is the proxy, confined as ever; another
//! child becomes the command. Both children are made before anything else, while there is one thread and
//! nothing to leave behind, and wait until they are told to go on. Each ends if this process ends.
//!
//! What the command can reach is found out by the very process that becomes it, as late as possible: with
//! its user, its groups, its view of the files. What it cannot tell counts as within reach.

mod cover;
mod descriptors;
mod folder;
mod fork;
mod namespace;
mod order;
mod passed;
mod proxy;
mod reach;
mod start;
mod tie;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use doxy_proxy::UpstreamAddr;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, geteuid, kill_process, waitpid};
use tokio::time::timeout;

pub(crate) use self::order::Order;
use crate::command::folder::Folder;
use crate::command::fork::fork;
use crate::command::passed::{Came, Passed};
use crate::command::reach::Engine;
use crate::command::start::{Keeps, Start};

use crate::command::order::say;
use crate::config::{ConfigError, Login, Setting, Source};
use crate::startup::{Failure, runtime};
use crate::tools::docker_host::no_engine;

/// How long the proxy may take to end when the command has.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the command to its end. Returns its exit code, or 128 and the number of the signal that has ended it.
///
/// Returns in the children too, if they have not become the command: the process is to end then.
pub(crate) fn run(order: Order, mut source: Source) -> Result<u8, Failure> {
    let folder = Folder::choose();
    let socket = match &order.socket {
        Some(path) => std::path::absolute(path)?,
        None => folder.socket(),
    };
    let fixed = |key, value: &str| Setting::named("doxy run", key, value.as_ref());
    source.replace(Setting::named(
        "--socket",
        "proxy-socket",
        socket.as_os_str(),
    ));
    source.replace(fixed("socket-mode", "0600"));
    if let Some(Login { uid, gid, .. }) = &order.login {
        source.replace(fixed("socket-owner", &uid.to_string()));
        source.replace(fixed("socket-group", &gid.to_string()));
    }
    // When the command has ended nobody waits for an answer.
    source.replace(fixed("shutdown-grace", "0"));
    let config = source.load()?;
    if config.sockets.iter().any(|socket| socket.dry_run.is_some()) {
        return Err(Failure::Config(ConfigError::new(
            "dry-run",
            "what the policy denies would reach the engine",
            "leave it out; `doxy learn` shows what a command asks for",
        )));
    }
    if let Some(watch) = &config.shared.watch {
        return Err(Failure::Config(watch.wrong(
            "the command could change the policy that it runs under",
            "leave it out: `doxy run` reads the policy once, before the command starts",
        )));
    }
    let engines = config.sockets.iter().map(|socket| socket.engine.clone());
    let keeps = keeps(&order, engines)?;
    let start = Start {
        engine: Engine::find(config.sockets.iter().map(|socket| &socket.engine)),
        stage: folder.stage(),
        order,
        socket,
        keeps,
    };
    if let Some(missing) = start.engine.missing()
        && start.keeps != Keeps::Advisory
    {
        let why = "there is no socket yet, so nobody knows who will be able to open it";
        let named = config
            .sockets
            .iter()
            .find(|socket| matches!(&socket.engine, UpstreamAddr::Unix(path) if path == missing));
        return Err(Failure::Config(match named {
            Some(socket) => no_engine(&socket.engine_setting, why),
            None => ConfigError::new(missing.display(), why, "start the engine first"),
        }));
    }

    let mut connected = descriptors::connected().into_iter();
    if start.keeps != Keeps::Advisory
        && let Some((which, path)) = connected.find(|(_, path)| start.engine.is_bound_to(path))
    {
        return Err(Failure::Config(ConfigError::new(
            which,
            format_args!(
                "it is connected to {}, which is the engine, or may be",
                path.display()
            ),
            "redirect it to a file, a pipe or /dev/null, or accept it with --advisory",
        )));
    }
    if let Some(linked) = start.engine.linked()
        && start.keeps == Keeps::Covered
    {
        return Err(Failure::Config(ConfigError::new(
            linked.display(),
            "the socket has another name somewhere (a hard link), which cannot be covered",
            "remove that link, start doxy as root with --user USER, or accept it with --advisory",
        )));
    }

    let (to_proxy, from_proxy) = tie::pair()?;
    let Some(proxy) = fork()? else {
        drop(to_proxy);
        return Ok(proxy::run(source, config, from_proxy));
    };
    drop((from_proxy, source, config));
    let (to_command, from_command) = tie::pair()?;
    let Some(command) = fork()? else {
        drop((to_command, to_proxy));
        return Ok(start::run(&start, &from_command));
    };
    drop(from_command);
    let login = start.order.login.as_ref();
    let stage = start.keeps == Keeps::Covered;
    runtime()?.block_on(async {
        let mut passed = Passed::handle()?;
        folder.create(stage)?;
        tie::go(&to_proxy)?;
        let created = tie::told(&to_proxy)?;
        let socket = created.map(|created| folder::Left::note(&start.socket, created));
        if created.is_none() || !tie::answers(&to_proxy)? {
            // It has said why.
            drop(to_command);
            ended(command)?;
            return Ok(ended(proxy)?);
        }
        if let Some(login) = login {
            folder.give_to(login)?;
        }
        let children = Children {
            proxy,
            command,
            to_command,
        };
        let code = children.until_ended(&mut passed).await;
        drop((to_proxy, socket, folder));
        code.map_err(Failure::Running)
    })
}

/// How the command is kept from the engine's own socket.
fn keeps(
    order: &Order,
    mut engines: impl Iterator<Item = UpstreamAddr>,
) -> Result<Keeps, ConfigError> {
    if order.advisory {
        return Ok(Keeps::Advisory);
    }
    let tcp = engines.find(|engine| matches!(engine, UpstreamAddr::Tcp(_)));
    if let Some(engine) = tcp {
        return Err(ConfigError::new(
            engine,
            "an engine at an address of the network can be reached without doxy",
            "name the engine's unix socket, or accept with --advisory that COMMAND can go past doxy",
        ));
    }
    match &order.login {
        Some(login) if !login.uid.is_root() => Ok(Keeps::Apart),
        None if !geteuid().is_root() => Ok(Keeps::Covered),
        _ => Err(ConfigError::new(
            "COMMAND would run as root",
            "root can open every socket",
            "name a user with --user, or accept with --advisory that COMMAND can go past doxy",
        )),
    }
}

/// The two children.
struct Children {
    proxy: Pid,
    command: Pid,
    to_command: OwnedFd,
}

impl Children {
    /// Lets the command begin, passes signals on to it, and stops the proxy when it has ended. Returns its
    /// exit code.
    async fn until_ended(self, passed: &mut Passed) -> io::Result<u8> {
        let Self {
            proxy,
            command,
            to_command,
        } = self;
        tie::go(&to_command)?;
        // The end of the tie: it has become the command, or has ended. Until then it has no handlers, and a
        // signal would reach doxy's own code.
        while tie::answers(&to_command)? {}
        let mut proxy_ends = None;
        let code = loop {
            if let Some((_, status)) = waitpid(Some(command), WaitOptions::NOHANG)? {
                break code(status);
            }
            if proxy_ends.is_none()
                && let Some((_, status)) = waitpid(Some(proxy), WaitOptions::NOHANG)?
            {
                proxy_ends = Some(status);
                say(&format!(
                    "the proxy has ended with code {}: no more requests reach the engine",
                    code(status)
                ));
            }
            match passed.next().await {
                // Its children too: it leads a group of its own. It may have ended meanwhile.
                Came::Signal(signal) => {
                    let _ = rustix::process::kill_process_group(command, signal);
                }
                Came::Child => {}
            }
        };
        if proxy_ends.is_none() {
            stop(proxy, passed).await?;
        }
        Ok(code)
    }
}

/// Has the proxy end. The command's children may have stopped it, and do so again, if the user is the same.
async fn stop(proxy: Pid, passed: &mut Passed) -> io::Result<()> {
    kill_process(proxy, Signal::TERM)?;
    kill_process(proxy, Signal::CONT)?;
    let ends = async {
        while waitpid(Some(proxy), WaitOptions::NOHANG)?.is_none() {
            passed.next().await;
        }
        Ok(())
    };
    if let Ok(ends) = timeout(GRACE, ends).await {
        return ends;
    }
    kill_process(proxy, Signal::KILL)?;
    ended(proxy)?;
    say("the proxy did not end by itself, and was killed: it has not said what was denied");
    Ok(())
}

/// Waits until a child has ended; its exit code.
fn ended(child: Pid) -> io::Result<u8> {
    loop {
        if let Some((_, status)) = waitpid(Some(child), WaitOptions::empty())? {
            return Ok(code(status));
        }
    }
}

/// The exit code as a shell says it.
fn code(status: WaitStatus) -> u8 {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    };
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests;
