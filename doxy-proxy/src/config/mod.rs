//! Settings as checked: text becomes something that can run, or an error.
//!
//! It knows neither the command line nor the environment, opens no socket and connects nowhere. It
//! reads only the policy's files, and /etc/passwd and /etc/group. Nothing falls back silently.

mod addresses;
mod error;
mod policy_files;
mod settings;
mod users;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use doxy_proxy::privilege::{Needs, RunAs, SandboxMode};
use doxy_proxy::{Format, Limits, LogDestination, PeerAcl, UnixListenConfig, UpstreamAddr};
use rustix::fs::{Gid, Uid};

pub(crate) use self::error::ConfigError;
pub(crate) use self::policy_files::{LoadedPolicy, PolicyFiles};
pub(crate) use self::settings::{Setting, Settings};

/// More threads than the machines doxy runs on have processors.
const MAX_THREADS: usize = 1024;

/// Everything that doxy needs to know to run.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) shared: Shared,
    pub(crate) sockets: Vec<SocketConfig>,
}

/// What holds for the whole process.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) threads: usize,
    /// How long requests in service may take when doxy stops.
    pub(crate) grace: Duration,
    pub(crate) access_log: Option<AccessLogConfig>,
    pub(crate) debug: bool,
    pub(crate) run_as: Option<RunAs>,
    pub(crate) sandbox: SandboxMode,
    /// For messages.
    pub(crate) sandbox_setting: Setting,
    /// What doxy still needs in the sandbox.
    pub(crate) needs: Needs,
}

/// Where requests are recorded.
#[derive(Debug)]
pub(crate) struct AccessLogConfig {
    /// For messages.
    pub(crate) setting: Setting,
    pub(crate) destination: LogDestination,
    pub(crate) format: Format,
}

/// One socket that doxy creates, and what is served there.
#[derive(Debug)]
pub(crate) struct SocketConfig {
    /// What scripts call the socket.
    pub(crate) name: String,
    pub(crate) bind: UnixListenConfig,
    /// The setting that names the proxy socket, for messages.
    pub(crate) bind_setting: Setting,
    pub(crate) engine: UpstreamAddr,
    /// The setting that names the engine, for messages.
    pub(crate) engine_setting: Setting,
    pub(crate) policy_files: PolicyFiles,
    pub(crate) policy: LoadedPolicy,
    pub(crate) peers: PeerAcl,
    pub(crate) limits: Limits,
}

impl Config {
    /// Checks settings. The error is about the first one that is wrong.
    pub(crate) fn check(settings: Settings) -> Result<Self, ConfigError> {
        let policy_files = PolicyFiles::new(
            settings.pattern_file.as_ref().map(file).transpose()?,
            settings.script.as_ref().map(file).transpose()?,
        );
        let policy = policy_files.load()?;
        let engine = addresses::engine(&settings.docker_socket)?;
        let bind = bind(&settings)?;
        let access_log = access_log(&settings)?;
        let mut needs = Needs::of(&engine);
        needs.read_files.extend(policy_files.files());
        // The access log names the commands that connect.
        needs.read_folders.push("/proc".into());
        needs.sockets.push(bind.path.clone());
        if let Some(AccessLogConfig {
            destination: LogDestination::File(path),
            ..
        }) = &access_log
        {
            needs.write_files.push(path.clone());
        }
        let shared = Shared {
            threads: values::number(&settings.threads, MAX_THREADS)?,
            grace: values::duration(&settings.shutdown_grace)?,
            access_log,
            debug: settings.debug,
            run_as: users::run_as(settings.user.as_ref(), settings.group.as_ref())?,
            sandbox: sandbox(&settings.sandbox)?,
            sandbox_setting: settings.sandbox,
            needs,
        };
        let socket = SocketConfig {
            name: bind.path.display().to_string(),
            bind,
            engine,
            peers: PeerAcl {
                uids: settings
                    .allow_uid
                    .iter()
                    .map(users::user)
                    .collect::<Result<_, _>>()?,
                gids: settings
                    .allow_gid
                    .iter()
                    .map(users::group)
                    .collect::<Result<_, _>>()?,
                ..PeerAcl::default()
            },
            limits: Limits {
                connections: values::number(&settings.max_connections, usize::MAX)?,
                head: values::timeout(&settings.head_timeout)?,
                body: values::size(&settings.max_body)?,
                idle: values::timeout(&settings.idle_timeout)?,
            },
            bind_setting: settings.proxy_socket,
            engine_setting: settings.docker_socket,
            policy_files,
            policy,
        };
        Ok(Self {
            shared,
            sockets: vec![socket],
        })
    }
}

fn file(setting: &Setting) -> Result<PathBuf, ConfigError> {
    if setting.value().is_empty() {
        return Err(setting.wrong("the path is empty", "name a file, or leave it out"));
    }
    Ok(setting.path())
}

fn bind(settings: &Settings) -> Result<UnixListenConfig, ConfigError> {
    let owner = settings.socket_owner.as_ref().map(users::user);
    let group = settings.socket_group.as_ref().map(users::group);
    Ok(UnixListenConfig {
        path: addresses::proxy(&settings.proxy_socket)?,
        mode: values::mode(&settings.socket_mode)?,
        owner: owner.transpose()?.map(Uid::from_raw),
        group: group.transpose()?.map(Gid::from_raw),
    })
}

fn access_log(settings: &Settings) -> Result<Option<AccessLogConfig>, ConfigError> {
    let setting = &settings.access_log;
    let formats = [("text", Format::Text), ("json", Format::Json)];
    let format = values::choice(&settings.log_format, &formats)?;
    let destination = match setting.value().to_str() {
        Some("off") => return Ok(None),
        Some("") => {
            let help = "name a file, or write `stdout` or `off`";
            return Err(setting.wrong("the path is empty", help));
        }
        Some("stdout") => LogDestination::Stdout,
        _ => LogDestination::File(setting.path()),
    };
    Ok(Some(AccessLogConfig {
        setting: setting.clone(),
        destination,
        format,
    }))
}

fn sandbox(setting: &Setting) -> Result<SandboxMode, ConfigError> {
    values::choice(
        setting,
        &[
            ("auto", SandboxMode::Auto),
            ("require", SandboxMode::Require),
            ("off", SandboxMode::Off),
        ],
    )
}
