//! The files that the policy comes from: read at the start, and again on SIGHUP.
//!
//! A policy is loaded whole or not at all. There is one fallback, from the default pattern file to the
//! embedded defaults, and the log says so each time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
#[cfg(feature = "script")]
use std::sync::{Mutex, PoisonError};
#[cfg(feature = "script")]
use std::time::{Duration, Instant};

use doxy_filter::RuleSet;
#[cfg(feature = "script")]
use doxy_proxy::Script;
use doxy_proxy::{Policy, io_reason};

use crate::config::error::ConfigError;

const DEFAULT_PATTERN_FILE: &str = "/etc/doxy.pattern";
/// How many lines a policy may print to the log in a second.
#[cfg(feature = "script")]
const MAX_PRINTED: u32 = 50;

/// Where the policy comes from.
#[derive(Debug)]
pub(crate) struct PolicyFiles {
    /// The pattern file, if the settings name one.
    pub(super) patterns: Option<PathBuf>,
    /// The policy script, if the settings name one.
    pub(super) script: Option<PathBuf>,
}

/// A policy that can be put in force.
#[derive(Debug)]
pub(crate) struct LoadedPolicy {
    pub(crate) policy: Policy,
    /// What it is and where it comes from, for the log.
    pub(crate) described: String,
}

impl PolicyFiles {
    /// The files that exist now and are read again on SIGHUP.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let patterns = self.patterns.clone();
        let mut files = vec![patterns.unwrap_or_else(|| DEFAULT_PATTERN_FILE.into())];
        files.extend(self.script.clone());
        files.retain(|file| file.exists());
        files
    }

    /// Reads the policy, or says what is wrong with it.
    pub(crate) fn load(&self) -> Result<LoadedPolicy, ConfigError> {
        let (rules, from) = rules(self.patterns.as_deref())?;
        let count = rules.rule_count();
        let noun = if count == 1 { "rule" } else { "rules" };
        let described = format!("{count} {noun} from {from}");
        match &self.script {
            None => Ok(LoadedPolicy {
                policy: Policy::new(rules),
                described,
            }),
            Some(script) => with_script(rules, script, &described),
        }
    }
}

fn rules(named: Option<&Path>) -> Result<(RuleSet, String), ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_PATTERN_FILE));
    match fs::read(path) {
        Ok(text) => {
            let name = path.display().to_string();
            let rules = RuleSet::parse(&name, &text).map_err(ConfigError::of)?;
            Ok((rules, name))
        }
        // A link whose target is missing does exist: somebody meant it to be a pattern file.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && named.is_none()
                && fs::symlink_metadata(path).is_err() =>
        {
            let rules = RuleSet::embedded().map_err(ConfigError::of)?;
            Ok((
                rules,
                format!("the embedded defaults ({DEFAULT_PATTERN_FILE} does not exist)"),
            ))
        }
        Err(error) => Err(ConfigError::new(
            path.display(),
            format_args!("cannot read the pattern file: {}", io_reason(&error)),
            "name a readable file with --pattern-file; without this option the embedded defaults \
             apply",
        )),
    }
}

#[cfg(feature = "script")]
fn with_script(rules: RuleSet, path: &Path, described: &str) -> Result<LoadedPolicy, ConfigError> {
    let name = path.display().to_string();
    let source = fs::read(path).map_err(|error| {
        ConfigError::new(
            &name,
            format_args!("cannot read the policy script: {}", io_reason(&error)),
            "name a readable file with --script, or leave out --script and DOXY_SCRIPT",
        )
    })?;
    let script = Script::compile(&name, &source)
        .map_err(ConfigError::of)?
        .on_print(log_printed());
    Ok(LoadedPolicy {
        policy: Policy::with_script(rules, script),
        described: format!("policy script {name}, {described}"),
    })
}

#[cfg(not(feature = "script"))]
fn with_script(_: RuleSet, path: &Path, _: &str) -> Result<LoadedPolicy, ConfigError> {
    Err(ConfigError::new(
        path.display(),
        "this doxy was built without policy scripts",
        "build it with the feature `script`, which is on by default, or leave out --script and \
         DOXY_SCRIPT",
    ))
}

/// Logs the lines that a policy script prints, up to a number a second, and how many were dropped.
#[cfg(feature = "script")]
fn log_printed() -> impl Fn(&str) + Send + Sync + 'static {
    let window = Mutex::new((Instant::now(), 0_u32));
    move |line| {
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, printed) = &mut *window;
        if since.elapsed() >= Duration::from_secs(1) {
            let dropped = printed.saturating_sub(MAX_PRINTED);
            if dropped > 0 {
                tracing::info!("policy: ({dropped} lines dropped)");
            }
            (*since, *printed) = (Instant::now(), 0);
        }
        *printed = printed.saturating_add(1);
        if *printed <= MAX_PRINTED {
            tracing::info!("policy: {}", line.escape_debug());
        }
    }
}
