//! The file: TOML becomes layers of settings, each with its place.
//!
//! It knows the form of a file and the names of the keys. What a value means is for others to check.
//! Nothing in a file is passed over: what is not known is an error.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use doxy_proxy::{io_reason, read_file};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::error::{ConfigError, Gathered};
use crate::config::keys::{self, Key, Kind, Scope};
use crate::config::layers::Layer;
use crate::config::settings::{Place, Setting, Spelled, on_one_line};

/// More than a file for ten thousand sockets has.
const MAX_SIZE: u64 = 16 << 20;
/// A socket's name is in every line of the log.
const MAX_NAME: usize = 64;
const SOCKETS_HELP: &str = "write a table for each socket: [socket.NAME]";
const EXAMPLE: &str = "`doxy config example` prints one that works";

/// A file as it was read.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) top: Layer,
    /// In the order of the file.
    pub(super) sockets: Vec<Table>,
    /// Whether there are tables in which something is wrong: they are left out.
    pub(super) left_out: bool,
}

/// A table `[socket.NAME]`.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) layer: Layer,
}

/// Reads the file that a setting names.
pub(super) fn read(setting: &Setting) -> Result<Contents, ConfigError> {
    let (path, bytes) = bytes_of(setting)?;
    parse(&path, &bytes)
}

/// The same, and goes on where something is wrong. None if nothing of it can be read.
pub(super) fn read_all(setting: &Setting, found: &mut Gathered) -> Option<Contents> {
    let (path, bytes) = found.take(bytes_of(setting))?;
    parse_all(&path, &bytes, found)
}

fn bytes_of(setting: &Setting) -> Result<(PathBuf, Vec<u8>), ConfigError> {
    if setting.value().is_empty() {
        return Err(setting.wrong("the path is empty", "name a file, or leave it out"));
    }
    let path = setting.path();
    let bytes = read_file(&path, MAX_SIZE).map_err(|error| {
        setting.wrong(
            format_args!("cannot read the configuration: {}", io_reason(&error)),
            "name a readable file",
        )
    })?;
    Ok((path, bytes))
}

/// Reads text. `path` is what messages call it.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Contents, ConfigError> {
    let mut found = Gathered::default();
    let contents = parse_all(path, bytes, &mut found);
    found.whole(contents)
}

fn parse_all(path: &Path, bytes: &[u8], found: &mut Gathered) -> Option<Contents> {
    let (valid, broken) = match str::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            (str::from_utf8(valid).unwrap_or_default(), true)
        }
    };
    let text = Text::new(path, valid);
    if broken {
        let place = text.place(valid.len());
        let error = place.wrong("the line is not valid UTF-8", "save the file as UTF-8");
        return found.take(Err(error));
    }
    let table = DeTable::parse(valid).map_err(|error| text.syntax(&error));
    let table = found.take(table)?;
    let mut contents = Contents::default();
    for (name, value) in in_order(table.get_ref()) {
        if name.get_ref() == "socket" {
            let sockets = text.sockets(name, value, &mut contents, found);
            contents.left_out |= found.take(sockets).is_none();
        } else {
            found.take(text.entry(name, value, None, &mut contents.top));
        }
    }
    if table.get_ref().is_empty() {
        let error = ConfigError::new(path.display(), "the file sets nothing", EXAMPLE);
        return found.take(Err(error));
    }
    Some(contents)
}

type Name<'t> = Spanned<std::borrow::Cow<'t, str>>;
type Value<'t> = Spanned<DeValue<'t>>;

/// The entries of a table as they stand in the file, so that the first error is about the first one.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Name<'i>, &'t Value<'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

/// The text of a file, with its places.
struct Text<'t> {
    path: Arc<Path>,
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'t> Text<'t> {
    fn new(path: &Path, text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            path: path.into(),
            text,
            lines: [0].into_iter().chain(ends).collect(),
        }
    }

    /// The place of a byte.
    fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..at).unwrap_or_default();
        // Editors show no byte order mark.
        let before = before.trim_start_matches('\u{FEFF}');
        Place {
            file: Arc::clone(&self.path),
            line,
            column: before.chars().count() + 1,
        }
    }

    fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let at = error.span().map_or(self.text.len(), |span| span.start);
        let place = self.place(at);
        let line = self.text.lines().nth(place.line - 1).unwrap_or_default();
        let help = if line.trim_start().starts_with("socket-mode") {
            "write a mode as \"0660\" or 0o660"
        } else if ["escape", "unicode"]
            .iter()
            .any(|word| error.message().contains(word))
        {
            "write patterns between `'''`, in which a backslash is a backslash"
        } else {
            EXAMPLE
        };
        place.wrong(error.message().replace('\n', " "), help)
    }

    /// The tables `[socket.NAME]`.
    fn sockets(
        &self,
        name: &Name<'_>,
        value: &Value<'_>,
        contents: &mut Contents,
        found: &mut Gathered,
    ) -> Result<(), ConfigError> {
        let Some(tables) = value.get_ref().as_table() else {
            let place = self.place(name.span().start);
            return Err(place.wrong("`socket` is no table of sockets", SOCKETS_HELP));
        };
        if tables.is_empty() {
            let place = self.place(name.span().start);
            return Err(place.wrong("[socket] has no sockets", SOCKETS_HELP));
        }
        for (name, value) in in_order(tables) {
            match found.take(self.socket(name, value)) {
                Some(table) => contents.sockets.push(table),
                None => contents.left_out = true,
            }
        }
        Ok(())
    }

    /// A table `[socket.NAME]`.
    fn socket(&self, name: &Name<'_>, value: &Value<'_>) -> Result<Table, ConfigError> {
        let place = self.place(name.span().start);
        let Some(table) = value.get_ref().as_table() else {
            let what = format_args!("`{}` is no table", shown(name.get_ref()));
            return Err(place.wrong(what, SOCKETS_HELP));
        };
        let name = name.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(plain) {
            return Err(place.wrong(
                format_args!("`{}` cannot be the name of a socket", shown(name)),
                "a name has 1 to 64 of these characters: A-Z a-z 0-9 . _ -",
            ));
        }
        let mut layer = Layer::default();
        let mut found = Gathered::default();
        for (key, value) in in_order(table) {
            found.take(self.entry(key, value, Some(name), &mut layer));
        }
        found.whole(Some(Table {
            name: name.to_string(),
            place,
            layer,
        }))
    }

    /// One key and its value, at the top or in a socket's table.
    fn entry(
        &self,
        name: &Name<'_>,
        value: &Value<'_>,
        socket: Option<&str>,
        layer: &mut Layer,
    ) -> Result<(), ConfigError> {
        let place = self.place(name.span().start);
        let name = name.get_ref().as_ref();
        if keys::LATER.contains(&name) {
            return Err(place.wrong(format_args!("`{name}` is not in this version"), "remove it"));
        }
        let key = match (keys::find(name), socket) {
            (Some(key), Some(socket)) if key.scope == Scope::Process => {
                return Err(place.wrong(
                    format_args!("`{}` is not for one socket but for the process", key.name),
                    format_args!("write it at the top, above [socket.{socket}]"),
                ));
            }
            (Some(key), _) if key.scope != Scope::CommandLine => key,
            (Some(key), _) => {
                return Err(place.wrong(
                    format_args!("`{}` is no key of the file", key.name),
                    format_args!("give it as --{} or {}", key.name, key.variable()),
                ));
            }
            (None, _) => {
                let what = match value.get_ref().as_table() {
                    Some(_) => format!("unknown table `{}`", shown(name)),
                    None => format!("unknown key `{}`", shown(name)),
                };
                return Err(match (keys::nearest(name), value.get_ref()) {
                    (_, DeValue::Table(_)) => {
                        place.wrong(what, "the tables are called [socket.NAME]")
                    }
                    (Some(near), _) => place.wrong(what, format_args!("is `{near}` meant?")),
                    (None, _) => place.wrong(what, "`doxy config example` lists the keys"),
                });
            }
        };
        match value.get_ref() {
            DeValue::Array(values) if key.list => {
                if values.is_empty() {
                    return Err(self
                        .setting(key, value, "")
                        .wrong("the list is empty", "name at least one, or leave it out"));
                }
                for value in values.iter() {
                    layer.add(self.value(key, value)?);
                }
            }
            _ => layer.add(self.value(key, value)?),
        }
        Ok(())
    }

    fn setting(&self, key: &'static Key, value: &Value<'_>, text: &str) -> Setting {
        let span = value.span();
        let spelling = self.text.get(span.clone()).unwrap_or_default();
        let long = [r#"""""#, "'''"]
            .iter()
            .any(|quotes| spelling.starts_with(quotes));
        let written = spelling.get(if long { 3 } else { 1 }..).unwrap_or_default();
        // A line end behind the quotes is no part of the text.
        let begun = written.strip_prefix("\r\n").or(written.strip_prefix('\n'));
        let inner = begun.filter(|_| long).unwrap_or(written);
        let breaks = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
        let text_at = (breaks(inner) == breaks(text))
            .then(|| self.place(span.start + spelling.len() - inner.len()));
        Setting::spelled(
            key.name,
            text,
            Spelled {
                place: self.place(span.start),
                spelling: on_one_line(spelling).into(),
                text_at,
            },
        )
    }

    /// One value.
    fn value(&self, key: &'static Key, value: &Value<'_>) -> Result<Setting, ConfigError> {
        let setting = |text: &str| Ok(self.setting(key, value, text));
        let wrong = |why: &str, help: &str| Err(self.setting(key, value, "").wrong(why, help));
        let spelling = self.text.get(value.span()).unwrap_or_default();
        match (key.kind, value.get_ref()) {
            (Kind::Text | Kind::Number | Kind::Mode | Kind::FlagOrTime, DeValue::String(text)) => {
                setting(text)
            }
            (Kind::Flag | Kind::FlagOrTime, DeValue::Boolean(on)) => {
                setting(if *on { "true" } else { "false" })
            }
            (Kind::Number, DeValue::Integer(number)) if number.radix() == 10 => {
                setting(number.as_str())
            }
            (Kind::Mode, DeValue::Integer(_)) if spelling.starts_with("0o") => setting(spelling),
            (Kind::Mode, DeValue::Integer(_)) => wrong(
                "a number without 0o is decimal, and a mode is octal",
                &match spelling.parse::<u16>() {
                    Ok(_) => format!("write \"{spelling:0>4}\" or 0o{spelling}"),
                    Err(_) => "write it in octal, such as \"0660\" or 0o660".to_owned(),
                },
            ),
            (Kind::Text, _) => wrong(
                "not a text",
                &format!("write it in quotes: {} = \"…\"", key.name),
            ),
            (Kind::Flag, _) => wrong("not a flag", "write true or false, without quotes"),
            (Kind::FlagOrTime, _) => wrong(
                "neither a flag nor a duration",
                "write true, false, or a duration such as \"24h\"",
            ),
            (Kind::Number, _) => wrong(
                "neither a number nor a text",
                "write a number in decimal, or a text in quotes",
            ),
            (Kind::Mode, _) => wrong("not a mode", "write it in octal, such as \"0660\" or 0o660"),
        }
    }
}

/// A name for a message: on one line, whatever is in it, and not endless.
fn shown(name: &str) -> String {
    name.escape_debug().take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests;
