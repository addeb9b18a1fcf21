//! The policies: read at the start and at each reload, from presets, from files and from rules in the
//! settings.
//!
//! A policy is loaded whole or not at all. There is one fallback, from the default pattern file to the
//! embedded defaults, and the log says so each time. It is never taken once rules have come from the
//! file: only a file replaces what a file said.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use doxy_filter::DEFAULT_PATTERNS;
#[cfg(feature = "script")]
use doxy_proxy::log::limit::LineLimit;
use doxy_proxy::{Policy, read_file};
#[cfg(feature = "script")]
use doxy_proxy::{Script, ScriptError};

use crate::config::error::ConfigError;
#[cfg(feature = "script")]
use crate::config::error::Gathered;
use crate::config::layers::Layers;
use crate::config::loaded_policy::LoadedPolicy;
use crate::config::policy_rules::{
    MAX_SIZE, PATTERN_FILE_HELP, Rules, cannot_read, compile, counted, file, named_rules,
};
#[cfg(feature = "script")]
use crate::config::policy_rules::{NO_RULES, hash_of};
use crate::config::presets::{self, ScriptOf};
use crate::config::settings::Setting;

const DEFAULT_PATTERN_FILE: &str = "/etc/doxy.pattern";
/// The name of the rules that hold where none are given.
pub(crate) const EMBEDDED_RULES: &str = "embedded rules";

/// All policies of one configuration. Sockets with equal ones share them.
#[derive(Debug, Default)]
pub(super) struct Policies {
    loaded: HashMap<Named, Arc<LoadedPolicy>>,
    /// Whether rules in force have come from the default pattern file.
    default_in_force: bool,
    /// Whether rules of these policies come from the default pattern file.
    default_read: bool,
    /// Whether to find all errors and all that is odd, which takes longer than a start should.
    thorough: bool,
}

/// What names a policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Named {
    presets: Vec<&'static str>,
    pattern_file: Option<PathBuf>,
    patterns: Option<String>,
    script: Option<PathBuf>,
}

impl Policies {
    pub(super) fn new(default_in_force: bool) -> Self {
        Self {
            default_in_force,
            ..Self::default()
        }
    }

    /// The same, to find all that is wrong or odd.
    pub(super) fn thorough(default_in_force: bool) -> Self {
        Self {
            thorough: true,
            ..Self::new(default_in_force)
        }
    }

    /// Whether the default pattern file has been read, now or for the policy in force.
    pub(super) fn default_read(&self) -> bool {
        self.default_in_force || self.default_read
    }

    /// The files that are read again at a reload.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let of = |named: &Named| {
            let own = named.pattern_file.is_some() || named.patterns.is_some();
            let default = !own && named.presets.is_empty();
            let default = default.then(|| DEFAULT_PATTERN_FILE.into());
            let files = [named.pattern_file.clone(), default, named.script.clone()];
            files.into_iter().flatten()
        };
        let mut files: Vec<_> = self.loaded.keys().flat_map(of).collect();
        files.sort();
        files.dedup();
        files
    }

    /// The policy of a socket, or what is wrong with it.
    pub(super) fn load(&mut self, layers: &Layers<'_>) -> Result<Arc<LoadedPolicy>, ConfigError> {
        let presets = presets::named(layers.all("preset"))?;
        let pattern_file = layers.optional("pattern-file");
        let patterns = layers.optional("patterns");
        let script = layers.optional("script");
        let named = Named {
            presets: presets.iter().map(|(preset, _)| preset.name).collect(),
            pattern_file: pattern_file.map(file).transpose()?,
            patterns: patterns.map(Setting::text).transpose()?.map(str::to_owned),
            script: script.map(file).transpose()?,
        };
        let script = presets::script(script, &presets)?;
        if let Some(loaded) = self.loaded.get(&named) {
            return Ok(Arc::clone(loaded));
        }
        let thorough = self.thorough;
        let rules = match (presets.is_empty(), pattern_file, patterns) {
            (true, None, None) => self.default_rules(),
            (_, pattern_file, patterns) => {
                named_rules(&presets, (pattern_file, patterns), thorough)
            }
        };
        let to_edit = presets.iter().filter_map(presets::to_edit);
        let rules = rules.map(|mut rules| {
            rules.warnings.extend(to_edit);
            rules
        });
        let loaded = Arc::new(match (script, rules) {
            (None, rules) => {
                let rules = rules?;
                let policy = Policy::new(rules.set);
                LoadedPolicy::new(policy, rules.described, rules.warnings, rules.hash)
            }
            (Some(script), rules) => with_script(rules, script, thorough)?,
        });
        self.loaded.insert(named, Arc::clone(&loaded));
        Ok(loaded)
    }

    fn default_rules(&mut self) -> Result<Rules, ConfigError> {
        let path = Path::new(DEFAULT_PATTERN_FILE);
        let error = match read_file(path, MAX_SIZE) {
            Ok(text) => {
                self.default_read = true;
                return compile(&[(DEFAULT_PATTERN_FILE.to_owned(), 1, text)], self.thorough);
            }
            Err(error) => error,
        };
        // A link whose target is missing does exist: somebody meant it to be a pattern file.
        let gone = error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err();
        match (gone, self.default_in_force) {
            (true, false) => {
                let name = EMBEDDED_RULES.to_owned();
                let rules = compile(&[(name, 1, DEFAULT_PATTERNS.into())], self.thorough)?;
                let what = format!("embedded defaults ({DEFAULT_PATTERN_FILE} does not exist)");
                Ok(Rules {
                    described: counted(&rules.set, &format!("the {what}")),
                    ..rules
                })
            }
            (true, true) => Err(ConfigError::new(
                path.display(),
                "the pattern file is gone",
                "put a new one there; a restart without it uses the embedded defaults",
            )),
            (false, _) => Err(ConfigError::new(
                path.display(),
                cannot_read("pattern file", &error),
                PATTERN_FILE_HELP,
            )),
        }
    }
}

/// The name and the text of a script.
#[cfg(feature = "script")]
fn script_text(script: ScriptOf<'_>) -> Result<(String, Vec<u8>), ConfigError> {
    let setting = match script {
        ScriptOf::File(setting) => setting,
        ScriptOf::Preset(preset, _) => {
            let text = preset.script.unwrap_or_default();
            return Ok((format!("preset {}.rhai", preset.name), text.into()));
        }
    };
    let path = file(setting)?;
    let name = path.display().to_string();
    let source = read_file(&path, MAX_SIZE).map_err(|error| {
        let why = cannot_read("policy script", &error);
        match setting.place() {
            Some(_) => setting.wrong(why, "name a readable file"),
            None => ConfigError::new(
                &name,
                why,
                "name a readable file with --script, or leave out --script and DOXY_SCRIPT",
            ),
        }
    })?;
    Ok((name, source))
}

#[cfg(feature = "script")]
fn with_script(
    rules: Result<Rules, ConfigError>,
    of: ScriptOf<'_>,
    thorough: bool,
) -> Result<LoadedPolicy, ConfigError> {
    let mut found = Gathered::default();
    let rules = found.take(rules);
    let script = found.take(script_text(of).and_then(|(name, source)| {
        let script = match thorough {
            true => Script::check(&name, &source).map_err(ConfigError::of_all)?,
            false => Script::compile(&name, &source).map_err(ConfigError::of)?,
        };
        Ok((name, source, script.on_print(log_printed())))
    }));
    let (rules, (name, source, script)) = found.whole(rules.zip(script))?;
    // Logged later: at the start there is no log yet.
    let told = |warning: &ScriptError| match thorough {
        true => warning.to_string(),
        false => warning.to_string().replace("\nhelp: ", "; "),
    };
    let Rules {
        set,
        described,
        mut warnings,
        hash,
    } = rules;
    warnings.extend(script.warnings().iter().map(told));
    if let ScriptOf::Preset(_, setting) = of
        && !script.asks_rules()
        && set.source() != NO_RULES
    {
        warnings.push(format!(
            "{setting}: its script decides alone, so the rules beside it are not asked"
        ));
    }
    let described = match script.asks_rules() {
        true => format!("policy script {name}, {described}"),
        false => format!("policy script {name} alone (it has no pass(), so rules are not asked)"),
    };
    let policy = Policy::with_script(set, script);
    Ok(LoadedPolicy::new(
        policy,
        described,
        warnings,
        hash_of(&(hash, source)),
    ))
}

#[cfg(not(feature = "script"))]
fn with_script(
    _: Result<Rules, ConfigError>,
    script: ScriptOf<'_>,
    _: bool,
) -> Result<LoadedPolicy, ConfigError> {
    let why = "this doxy was built without policy scripts";
    let setting = match script {
        ScriptOf::File(setting) => setting,
        ScriptOf::Preset(_, setting) => {
            let help = "build it with the feature `script`, which is on by default, or choose a \
                        preset without a script (`doxy presets`)";
            return Err(setting.wrong(why, help));
        }
    };
    Err(match setting.place() {
        Some(_) => setting.wrong(
            why,
            "build it with the feature `script`, which is on by default, or leave the key out",
        ),
        None => ConfigError::new(
            setting.path().display(),
            why,
            "build it with the feature `script`, which is on by default, or leave out --script and \
             DOXY_SCRIPT",
        ),
    })
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
