//! Results on standard output, for people or for programs. Errors and what happens on the way go to standard error, elsewhere.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

use clap::{Arg, ArgMatches};

/// Prints a result. Whoever reads no further has what it wants.
pub(super) fn result(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Whether a result may have colours: on a terminal that has them, unless NO_COLOR is set.
pub(super) fn has_colours() -> bool {
    let set = |name| env::var_os(name).unwrap_or_default();
    io::stdout().is_terminal() && set("NO_COLOR").is_empty() && set("TERM") != "dumb"
}

/// The option of every tool that can print for programs.
pub(super) fn format() -> Arg {
    Arg::new("format")
        .long("format")
        .value_name("text|json")
        .value_parser(["text", "json"])
        .default_value("text")
        .help("How to print: for people, or for programs")
}

/// Whether to print for programs.
pub(super) fn is_json(matches: &ArgMatches) -> bool {
    matches
        .get_one::<String>("format")
        .is_some_and(|format| format == "json")
}

/// Text that is not doxy's own, on one line: what could move the cursor or hide something is escaped.
pub(super) fn on_one_line(text: &str) -> String {
    let mut shown = String::new();
    for char in text.chars() {
        match char {
            ' ' | '…' => shown.push(char),
            _ if char.is_alphanumeric() || char.is_ascii_punctuation() => shown.push(char),
            _ => shown.extend(char.escape_unicode()),
        }
    }
    shown
}

/// A value as a shell reads it, on one line.
pub(super) fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._:=@,-".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    let value: String = value
        .chars()
        .flat_map(|c| match c.is_control() {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect();
    format!("'{}'", value.replace('\'', r"'\''"))
}
