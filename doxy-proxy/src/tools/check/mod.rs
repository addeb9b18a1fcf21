//! Checks what a start would read, and runs cases, without starting anything.
//!
//! It finds and never prints. What is wrong with one file must never hide what is wrong with another.

mod cases;
mod finding;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use doxy_filter::{RuleSet, RuleText};
use doxy_proxy::{Policy, io_reason, read_file};
#[cfg(feature = "script")]
use doxy_proxy::{Script, ScriptLimits};

#[cfg(feature = "script")]
use crate::config::no_rules;
use crate::config::{ConfigError, EMBEDDED_RULES, Setting, Source};
use crate::tools::check::cases::Judge;
pub(crate) use crate::tools::check::finding::{Finding, Level};

/// More than any of the files has, in bytes.
const MAX_SIZE: u64 = 16 << 20;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    /// What was looked at, for the last line.
    pub(crate) checked: Vec<String>,
    pub(crate) cases: usize,
}

impl Report {
    /// How many findings are of this level.
    pub(crate) fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|it| it.level == level).count()
    }

    fn error(&mut self, text: impl ToString) {
        self.add(Level::Error, text);
    }

    /// Sockets may share a file, and what is wrong with it is told once.
    fn add(&mut self, level: Level, text: impl ToString) {
        let finding = Finding::of(level, &text.to_string());
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn config_error(&mut self, error: &ConfigError) {
        error.all().for_each(|text| self.error(text));
    }
}

/// Checks what the settings name.
pub(crate) fn settings(source: &Source) -> Report {
    let mut report = Report::default();
    report.settings(source);
    report
}

/// Checks these files, each by what its name ends with.
pub(crate) fn files(source: &mut Source, paths: &[PathBuf]) -> Report {
    let mut report = Report::default();
    // Before a configuration among the files takes the place of the one in the settings.
    let lone = |path: &PathBuf| is(path, "cases") && beside(path).is_empty();
    let in_force = paths.iter().any(lone).then(|| in_force(source));
    for path in paths {
        report.checked.push(path.display().to_string());
        match path.extension().and_then(OsStr::to_str) {
            Some("pattern") => report.rules(path),
            Some("rhai") => report.script(path),
            Some("toml") => {
                source.replace(Setting::option("config", path.as_os_str()));
                report.settings(source);
            }
            Some("cases") => report.run(path, in_force.as_ref()),
            _ => report.error(ConfigError::new(
                path.display(),
                "it cannot be told what this file is",
                "name files that end in .pattern, .rhai, .toml or .cases",
            )),
        }
    }
    report
}

/// The policy of the only socket of the settings; none if they name none, and the embedded rules are
/// what is left.
fn in_force(source: &Source) -> Result<Option<Arc<Policy>>, ConfigError> {
    let config = source.load()?;
    match config.sockets.as_slice() {
        [socket] => {
            let policy = &socket.policy.policy;
            let chosen = policy.has_script() || policy.rules().source() != EMBEDDED_RULES;
            Ok(chosen.then(|| Arc::clone(policy)))
        }
        sockets => Err(ConfigError::new(
            "cases",
            format_args!("the settings have {} sockets with policies", sockets.len()),
            "put the cases beside NAME.pattern or NAME.rhai, as NAME.cases",
        )),
    }
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|it| it == extension)
}

/// The files of the policy that a file of cases goes with.
fn beside(path: &Path) -> Vec<PathBuf> {
    let names = ["rhai", "pattern"].map(|extension| path.with_extension(extension));
    names.into_iter().filter(|path| path.exists()).collect()
}

impl Report {
    fn settings(&mut self, source: &Source) {
        match source.check_all() {
            Err(error) => self.config_error(&error),
            Ok(config) => {
                for warning in &config.warnings {
                    self.add(Level::Warning, warning);
                }
                for socket in &config.sockets {
                    for warning in socket.policy.warnings() {
                        self.add(Level::Warning, warning);
                    }
                    let described = &socket.policy.described;
                    let opens = socket.policy.opens_in_full(&socket.name);
                    self.checked
                        .push(format!("{}: {described}; opens: {opens}", socket.name));
                }
            }
        }
    }

    fn rules(&mut self, path: &Path) {
        let Some(text) = self.read(path) else {
            return;
        };
        match RuleSet::check(&[text_of(&path.display().to_string(), &text)]) {
            Ok((_, warnings)) => {
                for warning in warnings {
                    self.findings.push(Finding::of_warning(&warning));
                }
            }
            Err(errors) => errors.iter().for_each(|error| self.error(error)),
        }
    }

    #[cfg(feature = "script")]
    fn script(&mut self, path: &Path) {
        let Some(text) = self.read(path) else {
            return;
        };
        match Script::check(&path.display().to_string(), &text) {
            Ok(script) => {
                for warning in script.warnings() {
                    self.add(Level::Warning, warning);
                }
            }
            Err(errors) => errors.iter().for_each(|error| self.error(error)),
        }
    }

    #[cfg(not(feature = "script"))]
    fn script(&mut self, path: &Path) {
        self.error(no_scripts(path));
    }

    /// Runs the cases of a file.
    fn run(&mut self, path: &Path, in_force: Option<&Result<Option<Arc<Policy>>, ConfigError>>) {
        let Some(text) = self.read(path) else {
            return;
        };
        let name = path.display().to_string();
        let cases = doxy_filter::cases::parse(&name, &text);
        let cases = cases.map_err(|errors| errors.iter().for_each(|error| self.error(error)));
        let judge = self.judge(path, in_force);
        let (Ok(cases), Some(judge)) = (cases, judge) else {
            return;
        };
        self.cases += cases.len();
        let wrong = cases
            .iter()
            .filter_map(|case| Judge::json_error(&name, case));
        let wrong: Vec<_> = wrong.collect();
        if !wrong.is_empty() {
            self.findings.extend(wrong);
            return;
        }
        let differences = cases.iter().filter_map(|case| judge.run(&name, case));
        self.findings.extend(differences);
    }

    /// What judges the cases of a file: the policy beside it, or the one in the settings.
    fn judge(
        &mut self,
        path: &Path,
        in_force: Option<&Result<Option<Arc<Policy>>, ConfigError>>,
    ) -> Option<Judge> {
        let files = beside(path);
        let rules = files.iter().find(|path| is(path, "pattern"));
        let script = files.iter().find(|path| is(path, "rhai"));
        match (rules, script) {
            (None, None) => match in_force? {
                Ok(Some(policy)) => Some(Judge::new(Arc::clone(policy))),
                Ok(None) => {
                    self.error(ConfigError::new(
                        path.display(),
                        "nothing says which policy these cases are for",
                        "put NAME.pattern or NAME.rhai beside NAME.cases, or give --pattern-file, --script or \
                         --preset (`--preset original` for the embedded rules)",
                    ));
                    None
                }
                Err(error) => {
                    self.config_error(error);
                    None
                }
            },
            (Some(rules), None) => {
                let rules = self.rule_set(rules)?;
                Some(Judge::new(Arc::new(Policy::new(rules))))
            }
            (rules, Some(script)) => self.with_script(rules, script),
        }
    }

    fn rule_set(&mut self, path: &Path) -> Option<RuleSet> {
        let text = self.read(path)?;
        let parsed = RuleSet::parse(&path.display().to_string(), &text);
        parsed.map_err(|error| self.error(error)).ok()
    }

    #[cfg(feature = "script")]
    fn with_script(&mut self, rules: Option<&PathBuf>, script: &Path) -> Option<Judge> {
        let text = self.read(script)?;
        let compiled = Script::compile(&script.display().to_string(), &text);
        let compiled = compiled.map_err(|error| self.error(error)).ok()?;
        // A case that a busy machine runs is not to fail for that.
        let compiled = compiled.with_limits(ScriptLimits {
            time: std::time::Duration::from_secs(10),
            ..ScriptLimits::default()
        });
        let set = match rules {
            Some(path) => self.rule_set(path)?,
            None => no_rules().map_err(|error| self.error(error)).ok()?,
        };
        let policy = Policy::with_script(set, compiled);
        Some(Judge::new(Arc::new(policy)))
    }

    #[cfg(not(feature = "script"))]
    fn with_script(&mut self, _: Option<&PathBuf>, script: &Path) -> Option<Judge> {
        self.error(no_scripts(script));
        None
    }

    fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        let read = read_file(path, MAX_SIZE).map_err(|error| {
            self.error(ConfigError::new(
                path.display(),
                format_args!("cannot read the file: {}", io_reason(&error)),
                "name a readable file",
            ));
        });
        read.ok()
    }
}

#[cfg(not(feature = "script"))]
fn no_scripts(path: &Path) -> ConfigError {
    ConfigError::new(
        path.display(),
        "this doxy was built without policy scripts",
        "build it with the feature `script`, which is on by default",
    )
}

fn text_of<'t>(source: &'t str, text: &'t [u8]) -> RuleText<'t> {
    RuleText {
        source,
        first_line: 1,
        text,
    }
}
