//! doxy in front of a real Docker engine, used by the real docker CLI.
//!
//! The other tests send raw bytes to a recording engine. These tests show what only a real CLI and
//! a real engine can show: the CLI gets the same responses through doxy as directly, prints doxy's
//! refusals as error messages, and no refused request reaches the engine.
//!
//! - `real`: finds or starts the engine, and says so loudly when there is none.
//! - `cli`: what the CLI shows, and what of it is refused.
//! - `images`: the images that tests run.
//! - `compose`: the recipes of `deploy/compose`.
//! - `jobs`: what clients do, as scripts: streams, terminals, builds, compose, swarm.
//! - `raw`: clients that speak bytes, for what the CLI does not do.
//! - `table`: the routes of the engine, and those of the table of the API.
//! - `routes`: which handler answers odd targets, and what doxy judged them as.
//! - `run`: `doxy run`, and the docker CLI as its command.
//! - `changes`: what a policy makes of a container and an exec.
//! - `containers`: which container a client is in.
//! - `doors`: unix, TCP and TLS at once, and an engine behind TLS.
//! - `mounted`: doxy's socket inside a container.
//! - `health`: the health of a doxy in a container.
//! - `image`: the image that the `Dockerfile` makes, as it is shipped, hardened, and in the place of
//!   Tecnativa's; what is wrong when it is run wrongly.
//! - `learn`: tools under `doxy learn`, then through what it has written.
//! - `leaving`: either side going away in the middle of a stream, and doxy itself.
//! - `policy`: the policies in `scripts/`; `boxes`, `ci`, `host_shell`, `owners`, `shared_host`, `watchtower`: one or two each, and
//!   what it is for.
//! - `swarm`: a policy rolled out over a swarm, as `deploy/swarm` does it.
//! - `presets`: presets by their names, with the clients that they are for.
//!
//! `DOXY_TEST_STATIC` names the binary for the image, which `deploy/build-static.sh` builds.
//!
//! `DOXY_TEST_ENGINE` names the engine, `DOXY_TEST_DOCKER` the CLI, `DOXY_TEST_PLUGINS` a folder
//! of plugins for it, `DOXY_TEST_ENGINE_LOG` its log with `--debug`, and `DOXY_TEST_SWARM=1` allows to
//! make the engine a swarm for a while.
//!
//! An engine that `DOXY_TEST_ENGINE` names may be in use: other clients create and remove objects
//! at any time. A test compares only objects of its own there, and never the order of a list.
//!
//! `buildkit`, `compose` (the jobs and the recipes) and `swarm` are ignored by default: Debian's engine without a network and
//! a CLI without plugins cannot run them. `-- --include-ignored` runs them.

mod boxes;
mod changes;
mod ci;
mod cli;
mod compose;
mod containers;
mod doors;
mod health;
mod host_shell;
mod image;
mod images;
mod jobs;
mod learn;
mod leaving;
mod mounted;
mod owners;
mod policy;
mod presets;
mod raw;
mod real;
mod routes;
mod run;
mod shared_host;
mod swarm;
mod table;
mod watchtower;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::process::{Ended, Process};
use crate::support::{Binary, Setup};

/// A unique name of letters and digits only, because the embedded patterns match names by `\w+`.
fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("doxytest{}x{count}", std::process::id())
}

/// Runs `command` to its end. If it does not end in time, it is killed with all its child
/// processes.
#[track_caller]
fn run(command: &mut Command) -> Ended {
    Process::spawn_group(command).end()
}

/// A path that the environment names.
fn named_path(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable)?;
    (!path.is_empty()).then(|| path.into())
}

/// Removes the variables that configure docker and its plugins from a command's environment.
fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let theirs = ["DOCKER_", "BUILDX_", "BUILDKIT_", "COMPOSE_"];
        if theirs
            .iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
}

/// The docker CLI with `socket` as its engine, without the user's configuration.
fn docker_command(socket: &Path) -> Command {
    let program = named_path("DOXY_TEST_DOCKER").unwrap_or_else(|| "docker".into());
    let mut command = Command::new(program);
    clean_environment(&mut command);
    // A folder that does not exist means an empty configuration. No test writes one.
    command
        .env("DOCKER_CONFIG", "/nonexistent/doxy-test")
        .env("DOCKER_HOST", format!("unix://{}", socket.display()));
    command
}

/// Links the plugins that `DOXY_TEST_PLUGINS` names into a configuration of the CLI.
#[track_caller]
fn link_plugins(config: &Path) {
    let plugins = config.join("cli-plugins");
    std::fs::create_dir_all(&plugins).expect("make a folder");
    if let Some(folder) = named_path("DOXY_TEST_PLUGINS") {
        for plugin in std::fs::read_dir(folder).expect("the folder DOXY_TEST_PLUGINS names") {
            let plugin = plugin.expect("an entry of DOXY_TEST_PLUGINS");
            std::os::unix::fs::symlink(plugin.path(), plugins.join(plugin.file_name()))
                .expect("link a plugin");
        }
    }
}

#[track_caller]
fn docker<I>(socket: &Path, args: I) -> Ended
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    run(docker_command(socket).args(args))
}

/// As [`docker`], for a command that has to work: returns what it printed, without the last line
/// break.
#[track_caller]
fn docker_ok<I>(socket: &Path, args: I) -> String
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let mut command = docker_command(socket);
    let ended = run(command.args(args));
    assert!(ended.success(), "{command:?}: {ended}");
    ended.stdout.trim_end().to_owned()
}

/// A doxy in front of the engine at `engine`, with these rules.
#[track_caller]
fn doxy(engine: &Path, rules: &str, args: &[&str]) -> Binary {
    let setup = Setup::new().engine(engine).rules(rules);
    setup.args(args).start()
}
