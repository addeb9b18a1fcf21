//! The files that the policy comes from: read at the start, and again on SIGHUP.
//!
//! A policy is loaded whole or not at all. There is one fallback, from the default pattern file to the
//! embedded defaults, and the log says so each time. It is never taken once rules have come from the
//! file: only a file replaces what a file said.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use doxy_filter::RuleSet;
#[cfg(feature = "script")]
use doxy_proxy::log::limit::LineLimit;
use doxy_proxy::{Policy, io_reason};
#[cfg(feature = "script")]
use doxy_proxy::{Script, ScriptError};

use crate::config::error::ConfigError;

/// How many warnings about a policy are logged.
const MAX_WARNINGS: usize = 20;
const DEFAULT_PATTERN_FILE: &str = "/etc/doxy.pattern";

/// Where the policy comes from.
#[derive(Debug)]
pub(crate) struct PolicyFiles {
    /// The pattern file, if the settings name one.
    pub(super) patterns: Option<PathBuf>,
    /// The policy script, if the settings name one.
    pub(super) script: Option<PathBuf>,
    /// Whether the rules in force come from a file, not from the embedded defaults.
    from_file: Cell<bool>,
}

/// A policy that can be put in force.
#[derive(Debug)]
pub(crate) struct LoadedPolicy {
    pub(crate) policy: Policy,
    /// What it is and where it comes from, for the log.
    pub(crate) described: String,
    /// What is probably a mistake in it, a line each.
    warnings: Vec<String>,
}

impl LoadedPolicy {
    /// Logs what is probably a mistake in the policy.
    pub(crate) fn warn(&self) {
        for warning in self.warnings.iter().take(MAX_WARNINGS) {
            tracing::warn!("{warning}");
        }
        if let Some(more @ 1..) = self.warnings.len().checked_sub(MAX_WARNINGS) {
            tracing::warn!("{more} more warnings about the policy");
        }
    }
}

impl PolicyFiles {
    pub(super) fn new(patterns: Option<PathBuf>, script: Option<PathBuf>) -> Self {
        Self {
            patterns,
            script,
            from_file: Cell::new(false),
        }
    }

    /// The files that exist now and are read again on SIGHUP.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let patterns = self.patterns.clone();
        let mut files = vec![patterns.unwrap_or_else(|| DEFAULT_PATTERN_FILE.into())];
        files.extend(self.script.clone());
        files.retain(|file| file.exists());
        files
    }

    /// Reads the policy, or says what is wrong with it. What it returns is to be put in force.
    pub(crate) fn load(&self) -> Result<LoadedPolicy, ConfigError> {
        let (rules, file, warnings) = self.rules()?;
        let count = rules.rule_count();
        let noun = if count == 1 { "rule" } else { "rules" };
        let described = match &file {
            Some(name) => format!("{count} {noun} from {name}"),
            None => format!(
                "{count} {noun} from the embedded defaults ({DEFAULT_PATTERN_FILE} does not exist)"
            ),
        };
        let loaded = match &self.script {
            None => LoadedPolicy {
                policy: Policy::new(rules),
                described,
                warnings,
            },
            Some(script) => with_script(rules, script, &described, warnings)?,
        };
        self.from_file.set(file.is_some());
        Ok(loaded)
    }

    /// The rules, the name of their file (none if they are the embedded defaults), and what is
    /// probably a mistake in them.
    fn rules(&self) -> Result<(RuleSet, Option<String>, Vec<String>), ConfigError> {
        let default = self.patterns.is_none();
        let path = self.patterns.as_deref();
        let path = path.unwrap_or(Path::new(DEFAULT_PATTERN_FILE));
        let error = match fs::read(path) {
            Ok(text) => {
                let name = path.display().to_string();
                let loaded = RuleSet::parse_with_warnings(&name, &text);
                let (rules, warnings) = loaded.map_err(ConfigError::of)?;
                let warnings = warnings.iter().map(ToString::to_string).collect();
                return Ok((rules, Some(name), warnings));
            }
            Err(error) => error,
        };
        // A link whose target is missing does exist: somebody meant it to be a pattern file.
        let gone = error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err();
        match (default && gone, self.from_file.get()) {
            (true, false) => {
                let rules = RuleSet::embedded().map_err(ConfigError::of)?;
                Ok((rules, None, vec![]))
            }
            (true, true) => Err(ConfigError::new(
                path.display(),
                "the pattern file is gone",
                "put a new one there; a restart without it uses the embedded defaults",
            )),
            (false, _) => Err(ConfigError::new(
                path.display(),
                format_args!("cannot read the pattern file: {}", io_reason(&error)),
                "name a readable file with --pattern-file; without this option the embedded \
                 defaults apply",
            )),
        }
    }
}

#[cfg(feature = "script")]
fn with_script(
    rules: RuleSet,
    path: &Path,
    described: &str,
    mut warnings: Vec<String>,
) -> Result<LoadedPolicy, ConfigError> {
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
    // Logged later: at the start there is no log yet.
    let on_one_line = |warning: &ScriptError| warning.to_string().replace("\nhelp: ", "; ");
    warnings.extend(script.warnings().iter().map(on_one_line));
    let described = match script.asks_rules() {
        true => format!("policy script {name}, {described}"),
        false => format!("policy script {name} alone (it has no pass(), so rules are not asked)"),
    };
    Ok(LoadedPolicy {
        policy: Policy::with_script(rules, script),
        described,
        warnings,
    })
}

#[cfg(not(feature = "script"))]
fn with_script(
    _: RuleSet,
    path: &Path,
    _: &str,
    _: Vec<String>,
) -> Result<LoadedPolicy, ConfigError> {
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
    let limit = LineLimit::default();
    move |line| {
        let Some(dropped) = limit.admit() else {
            return;
        };
        if dropped > 0 {
            tracing::info!("policy: ({dropped} lines dropped)");
        }
        tracing::info!("policy: {}", line.escape_debug());
    }
}
