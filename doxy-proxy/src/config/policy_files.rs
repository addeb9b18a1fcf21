//! The files that the policy comes from: read at the start, and again on SIGHUP.
//!
//! It is loaded whole or not at all. The one fallback there is, from the default pattern file to the
//! embedded defaults, is said wherever it is loaded.

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

use crate::config::{ConfigError, wrong};

const DEFAULT_PATTERN_FILE: &str = "/etc/doxy.pattern";

/// Where the policy comes from.
#[derive(Debug)]
pub(crate) struct PolicyFiles {
    /// The pattern file that was named.
    pub(crate) patterns: Option<PathBuf>,
    /// The policy script that was named.
    pub(crate) script: Option<PathBuf>,
    /// Where requests come in, for the script.
    pub(crate) socket: String,
}

/// A policy that can be put in force.
#[derive(Debug)]
pub(crate) struct LoadedPolicy {
    pub(crate) policy: Policy,
    /// What it is and where it comes from, for the log.
    pub(crate) described: String,
}

impl PolicyFiles {
    /// The files that there are now and that are read again.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let patterns = self.patterns.clone();
        let mut files = vec![patterns.unwrap_or_else(|| DEFAULT_PATTERN_FILE.into())];
        files.extend(self.script.clone());
        files.retain(|file| file.exists());
        files
    }

    /// Reads the policy, or says what is wrong with it.
    pub(crate) fn load(&self) -> Result<LoadedPolicy, ConfigError> {
        let (rules, from) = rules(self.patterns.as_deref())?;
        let count = rules.len();
        let noun = if count == 1 { "rule" } else { "rules" };
        let described = format!("{count} {noun} from {from}");
        match &self.script {
            None => Ok(LoadedPolicy {
                policy: Policy::new(rules),
                described,
            }),
            Some(script) => self.with_script(rules, script, described),
        }
    }

    #[cfg(feature = "script")]
    fn with_script(
        &self,
        rules: RuleSet,
        path: &Path,
        described: String,
    ) -> Result<LoadedPolicy, ConfigError> {
        let name = path.display().to_string();
        let source = fs::read(path).map_err(|error| {
            wrong(
                &name,
                format_args!("cannot read the policy script: {}", io_reason(&error)),
                "name a readable file with --script, or leave the option and DOXY_SCRIPT out",
            )
        })?;
        let script = Script::compile(&name, &source)
            .map_err(|error| ConfigError(error.to_string()))?
            .on_print(throttled);
        Ok(LoadedPolicy {
            policy: Policy::with_script(rules, script),
            described: format!("policy script {name}, {described}"),
        })
    }

    #[cfg(not(feature = "script"))]
    fn with_script(&self, _: RuleSet, path: &Path, _: String) -> Result<LoadedPolicy, ConfigError> {
        Err(wrong(
            format_args!("--script {}", path.display()),
            "this doxy was built without scripts",
            "build it with the feature `script`, which is on by default, or leave the option and \
             DOXY_SCRIPT out",
        ))
    }
}

/// Logs what a policy script prints, as far as a log is to be had for it: so many lines a second, and
/// how many more there were.
#[cfg(feature = "script")]
fn throttled(line: &str) {
    const MOST: u32 = 50;
    static WINDOW: Mutex<Option<(Instant, u32)>> = Mutex::new(None);
    let mut window = WINDOW.lock().unwrap_or_else(PoisonError::into_inner);
    let (since, printed) = window.get_or_insert((Instant::now(), 0));
    if since.elapsed() >= Duration::from_secs(1) {
        if let Some(lost) = printed.checked_sub(MOST).filter(|lost| *lost > 0) {
            tracing::info!("policy: ({lost} lines lost)");
        }
        (*since, *printed) = (Instant::now(), 0);
    }
    *printed = printed.saturating_add(1);
    if *printed <= MOST {
        tracing::info!("policy: {}", line.escape_debug());
    }
}

fn rules(named: Option<&Path>) -> Result<(RuleSet, String), ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_PATTERN_FILE));
    match fs::read(path) {
        Ok(text) => {
            let rules = RuleSet::parse(&path.display().to_string(), &text)
                .map_err(|error| ConfigError(error.to_string()))?;
            Ok((rules, path.display().to_string()))
        }
        // A link that leads nowhere does exist: somebody meant there to be rules.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && named.is_none()
                && fs::symlink_metadata(path).is_err() =>
        {
            let rules = RuleSet::embedded().map_err(|error| ConfigError(error.to_string()))?;
            Ok((
                rules,
                format!("the embedded defaults ({DEFAULT_PATTERN_FILE} does not exist)"),
            ))
        }
        Err(error) => Err(wrong(
            path.display(),
            format_args!("cannot read the pattern file: {}", io_reason(&error)),
            "name a readable file with --pattern-file; without the option the embedded defaults apply",
        )),
    }
}
