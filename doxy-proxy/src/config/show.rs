//! What is in force, and where each value was given: for people, and as JSON.
//!
//! It checks the settings first, and shows none that doxy would not run by.

use std::fmt;

use serde_json::{Value, json};

use crate::config::error::{ConfigError, Gathered};
use crate::config::keys::{KEYS, Key, Kind, Scope};
use crate::config::layers::Layers;
use crate::config::settings::{Origin, Setting};
use crate::config::source::Source;

/// Where the notes on the values begin, if there is room.
const COLUMN: usize = 48;

/// All settings in force. Displayed, it is a file of its own.
#[derive(Debug)]
pub(crate) struct InForce {
    process: Vec<Row>,
    sockets: Vec<Socket>,
    warnings: Vec<String>,
}

#[derive(Debug)]
struct Socket {
    /// What logs call it.
    name: String,
    /// Whether it has a table.
    table: bool,
    policy: String,
    /// The hash by which metrics and the line at start name the policy.
    hash: String,
    rows: Vec<Row>,
}

/// A key and what was given for it.
#[derive(Debug)]
struct Row {
    key: &'static Key,
    values: Vec<Setting>,
}

impl Source {
    /// What is in force.
    pub(crate) fn show(&self) -> Result<InForce, ConfigError> {
        let contents = self.read()?;
        let config = self.check(&contents)?;
        let process = self.layers(&contents, None);
        let tables = !contents.sockets.is_empty();
        // At the top, this one holds for the process too.
        let of_process =
            |key: &Key| key.scope != Scope::Socket || (tables && key.name == "max-connections");
        let mut found = Gathered::default();
        let stacks = self.stacks(&contents, &mut found);
        let stacks = found.whole(Some(stacks))?;
        let sockets = stacks.iter().zip(&config.sockets);
        let sockets = sockets.map(|((name, layers), socket)| Socket {
            name: socket.name.clone(),
            table: name.is_some(),
            policy: socket.policy.described.clone(),
            hash: format!("{:016x}", socket.policy.hash),
            rows: rows(layers, |key| key.scope == Scope::Socket),
        });
        Ok(InForce {
            process: rows(&process, of_process),
            sockets: sockets.collect(),
            warnings: config.warnings,
        })
    }
}

/// The rows of these keys, without those that have no value.
fn rows(layers: &Layers<'_>, wanted: impl Fn(&Key) -> bool) -> Vec<Row> {
    let keys = KEYS.iter().filter(|key| wanted(key));
    let row = |key: &'static Key| {
        let given = layers.all(key.name);
        // Of what is no list, the last is in force.
        let given = match key.list {
            true => given.to_vec(),
            false => given.last().cloned().into_iter().collect(),
        };
        let values = match (
            given.is_empty(),
            key.default.is_some() || key.kind == Kind::Flag,
        ) {
            (true, true) => vec![Setting::default_of(key.name)],
            _ => given,
        };
        Row { key, values }
    };
    keys.map(row).filter(|row| !row.values.is_empty()).collect()
}

impl Row {
    /// The value in TOML.
    fn value(&self) -> String {
        let values: Vec<_> = self.values.iter().map(|it| self.one(it)).collect();
        match &values[..] {
            [value] => value.clone(),
            values => format!("[{}]", values.join(", ")),
        }
    }

    fn one(&self, setting: &Setting) -> String {
        let text = setting.value().to_string_lossy();
        match (self.key.kind, &*text) {
            (Kind::Flag, "") => "false".to_owned(),
            (Kind::Flag | Kind::FlagOrTime, "true" | "false") => text.into_owned(),
            _ => quoted(&text),
        }
    }

    /// Where it was given. Values of a list that come from one option or variable have one place.
    fn places(&self) -> String {
        let mut places: Vec<_> = self.values.iter().map(place).collect();
        places.dedup();
        places.join(", ")
    }

    fn json(&self) -> Value {
        let values = self.values.iter().map(|setting| {
            let text = setting.value().to_string_lossy();
            match (self.key.kind, &*text) {
                (Kind::Flag, text) => Value::Bool(text == "true"),
                (Kind::FlagOrTime, "true") => Value::Bool(true),
                (Kind::FlagOrTime, "false") => Value::Bool(false),
                _ => Value::String(text.into_owned()),
            }
        });
        let mut values: Vec<_> = values.collect();
        let from = match self.values.first().map(Setting::origin) {
            Some(Origin::Option | Origin::Named(_)) => "option",
            Some(Origin::Variable) => "variable",
            Some(Origin::File(_)) => "file",
            Some(Origin::Default) | None => "default",
        };
        json!({
            "key": self.key.name,
            "value": if self.key.list { Value::Array(values) } else { values.pop().unwrap_or_default() },
            "from": from,
            "at": self.places(),
        })
    }
}

/// `default`, `--threads`, `DOXY_THREADS` or `doxy.toml:3:11`.
fn place(setting: &Setting) -> String {
    match (setting.origin(), setting.place()) {
        (Origin::Default, _) => "default".to_owned(),
        (_, Some(place)) => place.to_string(),
        (_, None) => setting.name(),
    }
}

/// A text in TOML, on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

impl InForce {
    /// The same for programs.
    pub(crate) fn json(&self) -> String {
        let rows = |rows: &[Row]| rows.iter().map(Row::json).collect::<Vec<_>>();
        let sockets = self.sockets.iter().map(|socket| {
            json!({
                "name": socket.name,
                "policy": socket.policy,
                "hash": socket.hash,
                "settings": rows(&socket.rows),
            })
        });
        let all = json!({
            "process": rows(&self.process),
            "sockets": sockets.collect::<Vec<_>>(),
            "warnings": self.warnings,
        });
        format!("{all:#}\n")
    }
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on_one_line = |text: &str| text.replace('\n', " ");
        for warning in &self.warnings {
            writeln!(f, "# warning: {}", on_one_line(warning))?;
        }
        self.process
            .iter()
            .try_for_each(|row| writeln!(f, "{row}"))?;
        for socket in &self.sockets {
            match (socket.table, socket.name.contains('.')) {
                (true, true) => writeln!(f, "\n[socket.\"{}\"]", socket.name)?,
                (true, false) => writeln!(f, "\n[socket.{}]", socket.name)?,
                (false, _) => writeln!(f)?,
            }
            let policy = on_one_line(&socket.policy);
            writeln!(f, "# policy: {policy}; hash {}", socket.hash)?;
            socket
                .rows
                .iter()
                .try_for_each(|row| writeln!(f, "{row}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What says which file this is, is no key of it.
        if self.key.scope == Scope::CommandLine {
            f.write_str("# ")?;
        }
        let setting = format!("{} = {}", self.key.name, self.value());
        write!(f, "{setting:<COLUMN$} # {}", self.places())
    }
}
