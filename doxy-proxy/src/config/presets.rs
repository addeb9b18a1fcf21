//! The presets: the policies of the folder `scripts/`, embedded under the names of their files.
//!
//! A preset is a `.pattern`, a `.rhai`, or both. Its first lines are comments of a fixed form, which
//! say what it is for, what it opens, and for whom that is safe. This file reads no file and
//! compiles nothing.

use crate::config::error::ConfigError;
use crate::config::settings::Setting;

/// One preset.
#[derive(Debug)]
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    /// The text of its `.pattern`.
    pub(crate) rules: Option<&'static str>,
    /// The text of its `.rhai`.
    pub(crate) script: Option<&'static str>,
}

/// What the first lines of a preset say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// `For:` in one line.
    pub(crate) purpose: &'static str,
    /// `Opens:` classes of risk, separated by commas.
    opens: &'static str,
    /// `Withholds:` classes of endpoints that are open, which the script keeps from its clients by what
    /// it allows in queries and bodies.
    withholds: &'static str,
    /// `Safe for:` whom.
    pub(crate) safe_for: &'static str,
    /// `Edit:` constants of the script, separated by commas. Empty if it can be used as it is.
    edit: &'static str,
}

macro_rules! presets {
    (@text $name:literal in $extension:literal) => {
        Some(include_str!(concat!("../../../scripts/", $name, $extension)))
    };
    (@rules $name:literal rules) => { presets!(@text $name in ".pattern") };
    (@rules $name:literal script) => { None };
    (@rules $name:literal rules script) => { presets!(@text $name in ".pattern") };
    (@script $name:literal rules) => { None };
    (@script $name:literal script) => { presets!(@text $name in ".rhai") };
    (@script $name:literal rules script) => { presets!(@text $name in ".rhai") };
    ($($name:literal: $($kind:ident)+,)+) => {
        &[$(Preset {
            name: $name,
            rules: presets!(@rules $name $($kind)+),
            script: presets!(@script $name $($kind)+),
        }),+]
    };
}

/// All presets, in the order of the alphabet.
pub(crate) const PRESETS: &[Preset] = presets! {
    "agent": script,
    "autoheal": script,
    "beszel": rules,
    "ci-build": script,
    "ci-runner": script,
    "compose": script,
    "crowdsec": rules,
    "diun": rules,
    "docker-cli-read-only": script,
    "dozzle": rules,
    "glances": rules,
    "homepage": rules,
    "netdata": rules,
    "no-privileged": script,
    "original": rules,
    "own-containers": script,
    "podman-read-only": rules,
    "portainer-read-only": script,
    "prometheus": rules script,
    "prometheus-swarm": rules,
    "puller": script,
    "read-only": script,
    "sandbox": script,
    "telegraf": rules,
    "testcontainers": script,
    "traefik": rules script,
    "traefik-swarm": rules,
    "uptime-kuma": rules,
    "vector": rules,
    "watchtower": script,
};

impl Preset {
    /// The preset of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// The name that is probably meant by a wrong one.
    pub(crate) fn nearest(name: &str) -> Option<&'static str> {
        let folded = name.to_lowercase().replace('_', "-");
        let distance = |preset: &&Self| strsim::osa_distance(&folded, preset.name);
        let near = PRESETS.iter().min_by_key(distance)?;
        // One slip of the fingers in three letters is still a slip.
        (distance(&near) <= folded.chars().count() / 3).then_some(near.name)
    }

    /// Its files, each with its text.
    pub(crate) fn files(&self) -> Vec<(String, &'static str)> {
        let named = |extension: &str, text: Option<&'static str>| {
            text.map(|text| (format!("{}.{extension}", self.name), text))
        };
        let files = [named("pattern", self.rules), named("rhai", self.script)];
        files.into_iter().flatten().collect()
    }

    /// What its first lines say; those of its script, if it has one.
    pub(crate) fn head(&self) -> Head {
        let text = self.script.or(self.rules).unwrap_or_default();
        let line = |word: &str| {
            let head = text.lines().map_while(|line| {
                let rest = line.strip_prefix("//").or(line.strip_prefix('#'))?;
                rest.strip_prefix(' ')
            });
            let mut head = head.take_while(|line| !line.is_empty());
            head.find_map(|line| line.strip_prefix(word)?.strip_prefix(": "))
                .unwrap_or_default()
        };
        Head {
            purpose: line("For"),
            opens: line("Opens"),
            withholds: line("Withholds"),
            safe_for: line("Safe for"),
            edit: line("Edit"),
        }
    }
}

impl Head {
    /// The classes of risk that it opens.
    pub(crate) fn opens(&self) -> Vec<&'static str> {
        listed(self.opens)
    }

    /// The classes of open endpoints that its script keeps from clients.
    pub(crate) fn withholds(&self) -> Vec<&'static str> {
        listed(self.withholds)
    }

    /// The constants that are to be edited before the script is of use.
    pub(crate) fn edit(&self) -> Vec<&'static str> {
        listed(self.edit)
    }
}

fn listed(list: &'static str) -> Vec<&'static str> {
    list.split(", ").filter(|item| !item.is_empty()).collect()
}

/// The presets of a socket, each once, with the settings that name them.
pub(super) fn named(settings: &[Setting]) -> Result<Vec<(&'static Preset, &Setting)>, ConfigError> {
    let mut named: Vec<(&'static Preset, &Setting)> = vec![];
    for setting in settings {
        let name = setting.text()?;
        let Some(preset) = Preset::find(name) else {
            let all = "`doxy presets` lists all of them";
            return Err(match Preset::nearest(name) {
                Some(near) => setting.wrong(
                    "there is no such preset",
                    format_args!("is `{near}` meant? {all}"),
                ),
                None => setting.wrong("there is no such preset", all),
            });
        };
        if !named.iter().any(|(other, _)| other.name == preset.name) {
            named.push((preset, setting));
        }
    }
    Ok(named)
}

/// What to say of a preset that allows next to nothing as it is.
pub(super) fn to_edit((preset, setting): &(&Preset, &Setting)) -> Option<String> {
    let constants = preset.head().edit().join(", ");
    let name = preset.name;
    (!constants.is_empty()).then(|| {
        format!(
            "{setting}: it is an example until {constants} are yours: `doxy presets show {name} > \
             {name}.rhai`, edit it, and use it with --script"
        )
    })
}

/// The script of a socket: a file's, or a preset's.
#[derive(Debug, Clone, Copy)]
pub(super) enum ScriptOf<'s> {
    File(&'s Setting),
    Preset(&'static Preset, &'s Setting),
}

/// The one script of a socket, of all that are named.
pub(super) fn script<'s>(
    file: Option<&'s Setting>,
    presets: &[(&'static Preset, &'s Setting)],
) -> Result<Option<ScriptOf<'s>>, ConfigError> {
    let mut script = file.map(ScriptOf::File);
    for (preset, setting) in presets {
        if preset.script.is_none() {
            continue;
        }
        let other = match script {
            None => {
                script = Some(ScriptOf::Preset(preset, setting));
                continue;
            }
            Some(ScriptOf::File(file)) => file.to_string(),
            Some(ScriptOf::Preset(other, _)) => format!("preset {}", other.name),
        };
        return Err(setting.wrong(
            format_args!("a second policy script, beside {other}"),
            format_args!(
                "a socket has one script: give each program a socket of its own, or write one script \
                 from both (`doxy presets show {}` prints the preset)",
                preset.name
            ),
        ));
    }
    Ok(script)
}

#[cfg(test)]
mod tests;
