//! The rules of one policy: from presets, a pattern file and the settings, compiled together.
//!
//! It must never choose which rules hold: `policy_files` does.

use std::hash::{Hash, Hasher};
use std::io;
use std::path::PathBuf;

use doxy_filter::{RuleError, RuleSet, RuleText, RuleWarning};
use doxy_proxy::{io_reason, read_file};
use ring::digest::{Context, SHA256};

use crate::config::error::ConfigError;
use crate::config::presets::Preset;
use crate::config::settings::{Origin, Setting};

/// More than any policy has, in bytes.
pub(super) const MAX_SIZE: u64 = 16 << 20;
/// What rules are called where there are none.
pub(crate) const NO_RULES: &str = "no rules";

/// Rules, where they come from, and what is probably a mistake in them.
pub(super) struct Rules {
    pub(super) set: RuleSet,
    pub(super) described: String,
    pub(super) warnings: Vec<String>,
    pub(super) hash: u64,
}

pub(super) const PATTERN_FILE_HELP: &str = "name a readable file with --pattern-file; without this option the \
                                 embedded defaults apply";

pub(super) fn cannot_read(what: &str, error: &io::Error) -> String {
    format!("cannot read the {what}: {}", io_reason(error))
}

pub(super) fn counted(set: &RuleSet, from: &str) -> String {
    let count = set.rule_count();
    let noun = if count == 1 { "rule" } else { "rules" };
    format!("{count} {noun} from {from}")
}

/// The rules of presets, of a file, of the settings, or of all of them.
pub(super) fn named_rules(
    presets: &[(&Preset, &Setting)],
    given: (Option<&Setting>, Option<&Setting>),
    thorough: bool,
) -> Result<Rules, ConfigError> {
    let of_preset = |(preset, _): &(&Preset, &Setting)| {
        let text = preset.rules?.as_bytes().to_owned();
        Some((format!("preset {}", preset.name), 1, text))
    };
    let mut texts: Vec<Text> = presets.iter().filter_map(of_preset).collect();
    if let Some(setting) = given.0 {
        let path = file(setting)?;
        let text = read_file(&path, MAX_SIZE).map_err(|error| {
            let why = cannot_read("pattern file", &error);
            match setting.place() {
                Some(_) => setting.wrong(why, "name a readable file"),
                None => ConfigError::new(path.display(), why, PATTERN_FILE_HELP),
            }
        })?;
        texts.push((path.display().to_string(), 1, text));
    }
    if let Some(setting) = given.1 {
        texts.push(in_line(setting)?);
    }
    if texts.is_empty() {
        let set = no_rules().map_err(ConfigError::of)?;
        return Ok(Rules {
            described: NO_RULES.to_owned(),
            set,
            warnings: vec![],
            hash: 0,
        });
    }
    compile(&texts, thorough)
}

/// The rules of a script that decides alone. If it does ask, nothing is allowed.
pub(crate) fn no_rules() -> Result<RuleSet, RuleError> {
    RuleSet::parse(NO_RULES, b"!.*")
}

/// A text's name, the number of its first line, and the text.
pub(super) type Text = (String, usize, Vec<u8>);

/// Rules in the settings. Where they stand in the file, they have the file's name and lines.
fn in_line(setting: &Setting) -> Result<Text, ConfigError> {
    let text = setting.text()?;
    let none = |line: &str| line.trim().is_empty() || line.trim().starts_with('#');
    if text.lines().all(none) {
        return Err(setting.wrong(
            "no rules, so nothing would be allowed",
            "a rule is a regex for the path, with methods in front; to deny everything, write `!.*`",
        ));
    }
    let text = text.as_bytes();
    let Origin::File(spelled) = setting.origin() else {
        return Ok((setting.name(), 1, text.to_owned()));
    };
    match &spelled.text_at {
        Some(place) => {
            // Blanks before a rule mean nothing, and make its columns those of the file.
            let mut padded = vec![b' '; place.column.saturating_sub(1)];
            padded.extend(text);
            Ok((place.file.display().to_string(), place.line, padded))
        }
        None => Ok((setting.name(), 1, text.to_owned())),
    }
}

/// All errors are told; what is odd is looked for as far as is asked.
pub(super) fn compile(texts: &[Text], thorough: bool) -> Result<Rules, ConfigError> {
    let rules: Vec<_> = texts
        .iter()
        .map(|(source, first_line, text)| RuleText {
            source,
            first_line: *first_line,
            text,
        })
        .collect();
    let (set, warnings) = match thorough {
        true => RuleSet::check(&rules).map_err(ConfigError::of_all)?,
        false => RuleSet::parse_all(&rules).map_err(ConfigError::of)?,
    };
    let told = |warning: &RuleWarning| match thorough {
        true => {
            let RuleWarning {
                source_name,
                line,
                column,
                message,
                help,
            } = warning;
            format!("{source_name}:{line}:{column}: {message}\nhelp: {help}")
        }
        false => warning.to_string(),
    };
    let names = texts.iter().map(|(name, line, _)| match line {
        1 => name.clone(),
        line => format!("{name}:{line}"),
    });
    Ok(Rules {
        described: counted(&set, &names.collect::<Vec<_>>().join(" and ")),
        set,
        // Two presets may have the same rule, and each alone is tested to have no mistake.
        warnings: warnings
            .iter()
            .map(told)
            .filter(|warning| !warning.starts_with("preset "))
            .collect(),
        hash: hash_of(&texts.iter().map(|it| it.2.trim_ascii()).collect::<Vec<_>>()),
    })
}

/// A hash that is the same on every host: the first bytes of SHA-256.
pub(crate) fn hash_of(what: &impl Hash) -> u64 {
    let mut hasher = Sha256(Context::new(&SHA256));
    what.hash(&mut hasher);
    hasher.finish()
}

/// SHA-256, by what Rust hashes.
struct Sha256(Context);

impl Hasher for Sha256 {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finish();
        let first = digest.as_ref().first_chunk();
        first.copied().map_or(0, u64::from_be_bytes)
    }
}

/// The path of a file that is read.
pub(super) fn file(setting: &Setting) -> Result<PathBuf, ConfigError> {
    if setting.value().is_empty() {
        return Err(setting.wrong("the path is empty", "name a file, or leave it out"));
    }
    Ok(setting.path())
}
