//! Where the settings come from, as a whole: it reads them all, at the start and at each reload.
//!
//! A configuration is checked whole or refused whole. All that is remembered from one to the next is
//! whether rules have come from the default pattern file.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use doxy_proxy::LogDestination;
use doxy_proxy::privilege::{Needs, RunAs, SandboxMode};
use rustix::fs::{Gid, Uid};

use crate::config::admin::{self, AdminConfig};
use crate::config::error::{ConfigError, Gathered};
use crate::config::file::{self, Contents};
use crate::config::layers::{Layer, Layers, Stack};
use crate::config::policy_files::Policies;
use crate::config::settings::Setting;
use crate::config::socket::{self, ListenConfig, SocketConfig};
use crate::config::users::{Login, Users};
use crate::config::warnings::warnings;
use crate::config::{same_address, unused, values};

/// More threads than the machines doxy runs on have processors.
const MAX_THREADS: usize = 1024;

/// Everything that doxy needs to know to run.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) shared: Shared,
    /// At least one.
    pub(crate) sockets: Vec<SocketConfig>,
    /// What is probably a mistake, a line each.
    pub(crate) warnings: Vec<String>,
}

/// What holds for the whole process.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) threads: usize,
    /// How many connections all sockets together serve at a time.
    pub(crate) connections: usize,
    /// How long requests in service may take when doxy stops.
    pub(crate) grace: Duration,
    pub(crate) debug: bool,
    /// The admin side, if there is one.
    pub(crate) admin: Option<AdminConfig>,
    /// Reload when a file changes. The setting is for messages.
    pub(crate) watch: Option<Setting>,
    /// Take live sockets over. The setting is for messages.
    pub(crate) takeover: Option<Setting>,
    pub(crate) run_as: Option<RunAs>,
    /// User and group, for comparison.
    pub(crate) run_as_numbers: Option<(Uid, Gid)>,
    pub(crate) sandbox: SandboxMode,
    /// For messages.
    pub(crate) sandbox_setting: Setting,
    /// What doxy still needs in the sandbox.
    pub(crate) needs: Needs,
    /// All files that a reload reads, those that do not exist included.
    pub(crate) files: Vec<PathBuf>,
}

/// Options and variables, and through them the file.
#[derive(Debug)]
pub(crate) struct Source {
    given: Layer,
    /// What was found wrong before anything was read. Whoever reads finds it.
    refused: Option<ConfigError>,
    /// Whether rules in force have come from the default pattern file, the only one that may be
    /// missing.
    default_in_force: Cell<bool>,
    users: Users,
}

impl Source {
    /// `given` are the options and variables.
    pub(crate) fn new(given: Layer) -> Self {
        Self {
            given,
            refused: None,
            default_in_force: Cell::new(false),
            users: Users::read(),
        }
    }

    /// Reads and checks everything. The error is about the first thing that is wrong. What it returns
    /// is to be put in force.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        let contents = self.read()?;
        self.check(&contents)
    }

    /// The same, to find all that is wrong or odd: it takes longer than a start should.
    pub(crate) fn check_all(&self) -> Result<Config, ConfigError> {
        let policies = Policies::thorough(self.default_in_force.get());
        let mut found = Gathered::default();
        self.not_refused()?;
        let contents = match self.given.get("config").last() {
            Some(setting) => file::read_all(setting, &mut found),
            None => Some(Contents::default()),
        };
        match contents {
            Some(contents) => self.check_with(&contents, policies, found),
            None => found.whole(None),
        }
    }

    /// Has this be what is wrong, for whoever reads the settings.
    pub(crate) fn refuse(&mut self, error: ConfigError) {
        self.refused = Some(error);
    }

    fn not_refused(&self) -> Result<(), ConfigError> {
        self.refused.clone().map_or(Ok(()), Err)
    }

    /// Has a setting hold, whatever options and variables say.
    pub(crate) fn replace(&mut self, setting: Setting) {
        self.given.replace(setting);
    }

    /// Has a setting hold unless its key is given, by option, variable or file.
    pub(crate) fn default(&mut self, setting: Setting) -> Result<(), ConfigError> {
        if self.values(setting.key())?.is_empty() {
            self.add(setting);
        }
        Ok(())
    }

    /// What options and variables give for a key.
    pub(super) fn given(&self, key: &str) -> &[Setting] {
        self.given.get(key)
    }

    /// What options and variables give for a key, or else the top of the file.
    pub(super) fn values(&self, key: &str) -> Result<Vec<Setting>, ConfigError> {
        Ok(match self.given.get(key) {
            [] => self.read()?.top.get(key).to_vec(),
            given => given.to_vec(),
        })
    }

    pub(super) fn add(&mut self, setting: Setting) {
        self.given.add(setting);
    }

    /// Takes what an option gave for a key out. What a variable or the file says stays.
    pub(crate) fn take_option(&mut self, key: &str) -> Option<Setting> {
        self.given.take_option(key)
    }

    /// The table of a socket, if the file has one.
    pub(crate) fn table(&self) -> Result<Option<String>, ConfigError> {
        let tables = self.read()?.sockets;
        Ok(tables.into_iter().next().map(|table| table.name))
    }

    /// What these settings say of a key that holds for the whole process, if they do.
    pub(crate) fn of_process(&self, key: &str) -> Result<Option<Setting>, ConfigError> {
        Ok(self.values(key)?.pop())
    }

    /// The user that a command is to run as, by name or number.
    pub(crate) fn login(
        &self,
        user: &Setting,
        group: Option<&Setting>,
    ) -> Result<Login, ConfigError> {
        self.users.login(user, group)
    }

    /// What the file says; nothing if there is none.
    pub(super) fn read(&self) -> Result<Contents, ConfigError> {
        self.not_refused()?;
        match self.given.get("config").last() {
            Some(setting) => file::read(setting),
            None => Ok(Contents::default()),
        }
    }

    pub(super) fn check(&self, contents: &Contents) -> Result<Config, ConfigError> {
        let policies = Policies::new(self.default_in_force.get());
        self.check_with(contents, policies, Gathered::default())
    }

    fn check_with(
        &self,
        contents: &Contents,
        mut policies: Policies,
        mut found: Gathered,
    ) -> Result<Config, ConfigError> {
        let process = self.layers(contents, None);
        let admin = found.take(admin::check(&process)).flatten();
        let stacks = self.stacks(contents, &mut found);
        let mut sockets = vec![];
        for (name, layers) in &stacks {
            sockets.extend(found.take(socket::check(*name, layers, &mut policies)));
        }
        // What is between sockets is known once each is right.
        if sockets.len() == stacks.len() {
            found.take(same_address::check(&sockets, admin.as_ref()));
            found.take(unused::check(&stacks, &sockets, admin.as_ref()));
            found.take(access_logs(&sockets));
        }
        let connections = values::number(&process.value("max-connections"), usize::MAX);
        let connections = found.take(connections);
        for (_, layers) in &stacks {
            let own = layers.value("max-connections");
            let more = |own: usize| connections.filter(|all| own > *all);
            if let Some(all) = values::number(&own, usize::MAX).ok().and_then(more) {
                found.take::<()>(Err(own.wrong(
                    format_args!("all sockets together have {all}"),
                    "raise max-connections at the top of the file, or lower this one",
                )));
            }
        }
        let sandbox_setting = process.value("sandbox");
        let mut files = policies.files();
        files.extend(self.given.get("config").last().map(Setting::path));
        let of_admin = admin.as_ref().and_then(|admin| admin.tls.as_ref());
        let of_sockets = sockets.iter().filter_map(|socket| socket.tls.as_ref());
        for tls in of_sockets.chain(of_admin) {
            let ca = tls.client_ca.as_ref();
            files.extend(
                [&tls.cert, &tls.key]
                    .into_iter()
                    .chain(ca)
                    .map(Setting::path),
            );
        }
        for tls in sockets
            .iter()
            .filter_map(|socket| socket.engine_tls.as_ref())
        {
            let client = tls.client.iter().flat_map(|(cert, key)| [cert, key]);
            files.extend([&tls.ca].into_iter().chain(client).map(Setting::path));
        }
        files.sort();
        files.dedup();
        let flag = |key| process.flag(key).then(|| process.value(key));
        let (user, group) = (process.optional("user"), process.optional("group"));
        let run_as = found.take(self.users.run_as(user, group)).flatten();
        let threads = found.take(values::number(&process.value("threads"), MAX_THREADS));
        let grace = found.take(values::duration(&process.value("shutdown-grace")));
        let sandbox = found.take(sandbox(&sandbox_setting));
        let parts = threads.zip(connections).zip(grace.zip(sandbox));
        let ((threads, connections), (grace, sandbox)) = found.whole(parts)?;
        let shared = Shared {
            threads,
            connections,
            grace,
            debug: process.flag("debug"),
            needs: needs(&sockets, admin.as_ref(), &files),
            admin,
            watch: flag("watch"),
            takeover: flag("takeover"),
            run_as_numbers: run_as.as_ref().map(|user| (user.uid, user.gid)),
            run_as,
            sandbox,
            sandbox_setting,
            files,
        };
        let warnings = warnings(&self.given, contents, &stacks, &sockets);
        self.default_in_force.set(policies.default_read());
        Ok(Config {
            shared,
            sockets,
            warnings,
        })
    }

    pub(super) fn layers<'a>(
        &'a self,
        contents: &'a Contents,
        table: Option<&'a Layer>,
    ) -> Layers<'a> {
        Layers {
            table,
            given: &self.given,
            top: Some(&contents.top),
            users: &self.users,
        }
    }

    /// The layers of each socket, with its name.
    pub(super) fn stacks<'a>(
        &'a self,
        contents: &'a Contents,
        found: &mut Gathered,
    ) -> Vec<Stack<'a>> {
        if contents.sockets.is_empty() && !contents.left_out {
            return vec![(None, self.layers(contents, None))];
        }
        for setting in [&self.given, &contents.top] {
            let setting = setting.get("proxy-socket").first();
            if let Some(setting) = setting.filter(|it| !it.is_emptied()) {
                found.take::<()>(Err(setting.wrong(
                    "the file has tables of sockets, which have addresses of their own",
                    "remove it, or remove the tables [socket.NAME]",
                )));
            }
        }
        let mut stacks = vec![];
        for table in &contents.sockets {
            if table.layer.get("proxy-socket").is_empty() {
                found.take::<()>(Err(table.place.wrong(
                    format_args!("[socket.{}] has no proxy-socket", table.name),
                    "name the socket to create, such as /run/doxy/docker.sock",
                )));
            } else {
                let layers = self.layers(contents, Some(&table.layer));
                stacks.push((Some(table.name.as_str()), layers));
            }
        }
        stacks
    }
}

/// Refuses two formats in one file.
fn access_logs(sockets: &[SocketConfig]) -> Result<(), ConfigError> {
    let mut seen: Vec<(LogDestination, _)> = vec![];
    for log in sockets
        .iter()
        .filter_map(|socket| socket.access_log.as_ref())
    {
        let destination = match &log.destination {
            LogDestination::File(path) => LogDestination::File(same_address::real(path)),
            other => other.clone(),
        };
        match seen.iter().find(|(other, _)| *other == destination) {
            Some((_, format)) if *format != log.format => {
                return Err(log.setting.wrong(
                    "another socket writes there in another format",
                    "give both the same log-format, or each a file of its own",
                ));
            }
            Some(_) => {}
            None => seen.push((destination, log.format)),
        }
    }
    Ok(())
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

/// What all sockets together need.
fn needs(sockets: &[SocketConfig], admin: Option<&AdminConfig>, files: &[PathBuf]) -> Needs {
    let mut needs = Needs::default();
    let admin = admin.into_iter().flat_map(|admin| &admin.binds);
    let paths = admin.filter_map(|bind| bind.path());
    needs.sockets.extend(paths.map(PathBuf::from));
    for socket in sockets {
        needs.add_engine(&socket.engine);
        for bind in &socket.binds {
            if let ListenConfig::Unix(unix) = &bind.listen {
                needs.sockets.push(unix.path.clone());
            }
        }
        match socket.access_log.as_ref().map(|log| &log.destination) {
            Some(LogDestination::File(path)) if !needs.write_files.contains(path) => {
                needs.write_files.push(path.clone());
            }
            Some(LogDestination::Journal(_)) => needs.sealed_memory = true,
            _ => {}
        }
    }
    needs.read_files = files.iter().filter(|file| file.exists()).cloned().collect();
    // The access log names the commands that connect.
    needs.read_folders.push("/proc".into());
    needs
}

#[cfg(test)]
mod tests;
