//! Runs a proxy on which one tool is exercised, and records what it asks for.
//!
//! The policy denies everything, and a dry run forwards it: what is malformed, or what no policy may
//! allow, never reaches the engine. The records come through the access log, a pipe in the same private
//! folder as the socket. It listens on no TCP address, whatever the settings say.

mod child;
mod folder;
mod recording;

use std::ffi::{OsStr, OsString};
use std::io::{self, BufReader};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::{DryRun, Policy, PolicyHandle, Service};
use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl};

use self::child::{Signalled, run, until};
use self::folder::PrivateFolder;
pub(crate) use self::recording::{Recording, of_log};
use crate::config::{Config, ConfigError, Setting, Source};
use crate::startup::{Failure, serve_privately};
use crate::tools::docker_host::{DOCKER_HOST, no_engine, use_docker_host};
use crate::tools::records::Records;
use crate::tools::say::say;

/// What denies everything, so that everything is recorded as `would_deny`.
const NOTHING: &str = "!/.*";
/// How long requests in service may take when learning has ended.
const GRACE: Duration = Duration::from_secs(2);
/// How long the last records may take to arrive.
const LAST_RECORDS: Duration = Duration::from_secs(10);

/// What is to be recorded.
#[derive(Debug)]
pub(crate) struct Session {
    /// Whether the policy in force decides, and nothing is forwarded that it denies.
    pub(crate) observe: bool,
    /// What to run, with its arguments. Nothing: clients come by themselves.
    pub(crate) command: Vec<OsString>,
    /// How long to wait for clients.
    pub(crate) time: Duration,
}

/// What comes of a session.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) recording: Recording,
    /// The exit code of the command.
    pub(crate) code: u8,
    /// The address of the engine.
    pub(crate) engine: String,
}

/// Records until the command has ended, or else until the first signal or the end of the time.
pub(crate) fn record(source: Source, session: &Session) -> Result<Recorded, Failure> {
    let folder = PrivateFolder::create()?;
    let pipe = folder.path().join("log");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .map_err(io::Error::from)?;
    // Without NONBLOCK this would wait for whoever writes.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let reader = rustix::fs::open(&pipe, flags, Mode::empty()).map_err(io::Error::from)?;
    let socket = folder.path().join("docker.sock");
    let config = settings(source, &socket, &pipe)?;
    let engine = config.sockets.iter().map(|it| it.engine.to_string());
    let engine = engine.collect::<Vec<_>>().join(", ");
    let named: Vec<_> = config
        .sockets
        .iter()
        .map(|it| it.engine_setting.clone())
        .collect();
    let (sender, recorded) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let code = runtime.block_on(async {
        let mut signals = Signalled::handle()?;
        let time = session.command.is_empty().then_some(session.time);
        let (server, engines) = serve_privately(config, |service| {
            judge(service, session.observe, time);
        })?;
        // The log has been opened, so reading waits from now on.
        let blocking = fcntl_getfl(&reader).map_err(io::Error::from)? - OFlags::NONBLOCK;
        fcntl_setfl(reader.as_fd(), blocking).map_err(io::Error::from)?;
        let records = Records::new(BufReader::new(std::fs::File::from(reader)));
        thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || sender.send(recording::live(records)))?;
        let mut answer = Ok(());
        for (engine, setting) in engines.iter().zip(&named) {
            let checked = engine.check().await;
            answer = answer.and(checked.map_err(|reason| no_engine(setting, reason)));
        }
        let done = match (answer, session.command.split_first()) {
            // Nothing could be learned from a tool that gets no answers.
            (Err(error), _) => Err(error.into()),
            (Ok(()), command) => {
                announce(session, &socket, &engine);
                match command {
                    Some((program, arguments)) => {
                        run(program, arguments, &socket, &mut signals).await
                    }
                    None => {
                        until(session.time, &mut signals).await;
                        Ok(0)
                    }
                }
            }
        };
        server.stop("learning has ended", GRACE).await;
        done
    });
    // With it the last task ends that could write a record.
    drop(runtime);
    let code = code?;
    let recording = recorded
        .recv_timeout(LAST_RECORDS)
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the last records did not arrive"))?;
    Ok(Recorded {
        recording,
        code,
        engine,
    })
}

/// The settings, with a socket of our own in the place of theirs.
fn settings(mut source: Source, socket: &Path, log: &Path) -> Result<Config, ConfigError> {
    use_docker_host(&mut source)?;
    for (key, value) in [
        ("proxy-socket", socket.as_os_str()),
        ("socket-mode", OsStr::new("0600")),
        ("access-log", log.as_os_str()),
        ("log-format", OsStr::new("json")),
        ("dry-run", OsStr::new("false")),
    ] {
        source.replace(Setting::option(key, value));
    }
    source.load()
}

/// Who decides about the requests of a tool.
fn judge(service: &mut Service, observe: bool, time: Option<Duration>) {
    if observe {
        return;
    }
    // A set of rules that cannot be read would leave the policy in force, which forwards less.
    if let Ok(nothing) = RuleSet::parse("doxy learn", NOTHING.as_bytes()) {
        service.policy = PolicyHandle::new(Policy::new(nothing));
        service.dry_run = Some(DryRun::begin(time));
    }
}

fn announce(session: &Session, socket: &Path, engine: &str) {
    let socket = socket.display();
    if session.observe {
        say(&format!(
            "RECORDING what the policy allows and denies, on {socket} for {engine}"
        ));
    } else {
        say(&format!(
            "LEARNING: EVERYTHING that is asked on {socket} is FORWARDED to {engine}, whatever it does"
        ));
    }
    if session.command.is_empty() {
        let time = humantime::format_duration(session.time);
        say(&format!(
            "run the tool with {DOCKER_HOST}=unix://{socket}; Ctrl-C ends this, or {time}"
        ));
    }
}
