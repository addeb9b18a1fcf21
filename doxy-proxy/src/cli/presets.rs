//! `doxy presets`: which policies come with doxy, and the text of one.

use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use crate::cli::print::{self, format, is_json};
use crate::config::{ConfigError, PRESETS, Preset, Source};
use crate::startup::Failure;

const EXAMPLES: &str = "\
Examples:
  doxy presets                                      # which there are
  doxy --preset traefik                             # use one
  doxy --preset uptime-kuma --preset autoheal       # rules add up; one script a socket
  doxy presets show uptime-kuma > my.pattern        # change it, then: doxy --pattern-file my.pattern
  doxy presets show traefik.rhai > my.rhai          # one file of two

`opens` names what a client can do at worst: host-root (become root on the host), exec (run commands), \
secrets (read environments, keys, passwords), files-out, files-in, state (change or stop what runs), \
egress (have the engine call other hosts), dos (slow the engine down), info (look). `withholds` names \
classes of endpoints that are open in part, which the script keeps from clients by what it allows in \
queries and bodies. `doxy coverage` and `accept-risk` count them as open: they do not know what a script means.";

pub(super) fn command() -> Command {
    Command::new("presets")
        .about("List the policies that come with doxy, or print one")
        .after_help(EXAMPLES)
        .arg(format())
        .subcommand(
            Command::new("show")
                .about("Print the text of a preset, ready to be saved and changed")
                .after_help(EXAMPLES)
                .arg(
                    Arg::new("name")
                        .value_name("NAME")
                        .required(true)
                        .help("A preset, or one of its files: traefik, traefik.rhai"),
                )
                .arg(format()),
        )
}

pub(super) fn run(matches: &ArgMatches, _: Source) -> Result<u8, Failure> {
    let text = match matches.subcommand_matches("show") {
        Some(show) => {
            let name = show.get_one::<String>("name").map_or("", String::as_str);
            let files = files(name)?;
            match is_json(show) {
                true => files_json(&files),
                false => files_text(&files),
            }
        }
        None if is_json(matches) => list_json(),
        None => list_text(),
    };
    print::result(&text)?;
    Ok(0)
}

/// A file's name and its text.
type File = (String, &'static str);

/// The files of a preset, or the one that is named.
fn files(name: &str) -> Result<Vec<File>, ConfigError> {
    if let Some(preset) = Preset::find(name) {
        return Ok(preset.files());
    }
    let all = PRESETS.iter().flat_map(Preset::files);
    let file: Vec<_> = all.filter(|(file, _)| file == name).collect();
    if !file.is_empty() {
        return Ok(file);
    }
    let all = "`doxy presets` lists all of them";
    let shown = name.escape_debug();
    Err(match Preset::nearest(name) {
        Some(near) => ConfigError::new(
            shown,
            "there is no such preset",
            format_args!("is `{near}` meant? {all}"),
        ),
        None => ConfigError::new(shown, "there is no such preset", all),
    })
}

/// One file as it is; two with their names above them.
fn files_text(files: &[File]) -> String {
    match files {
        [(_, text)] => (*text).to_owned(),
        files => {
            let named = files
                .iter()
                .map(|(name, text)| format!("==> {name} <==\n{text}"));
            named.collect::<Vec<_>>().join("\n")
        }
    }
}

fn files_json(files: &[File]) -> String {
    let files = files
        .iter()
        .map(|(name, text)| json!({"file": name, "text": text}));
    format!("{:#}\n", json!({"files": files.collect::<Vec<_>>()}))
}

fn list_json() -> String {
    let presets = PRESETS.iter().map(|preset| {
        let head = preset.head();
        let files = preset.files().into_iter().map(|(name, _)| name);
        json!({
            "name": preset.name,
            "for": head.purpose,
            "opens": head.opens(),
            "withholds": head.withholds(),
            "safe_for": head.safe_for,
            "edit": head.edit(),
            "files": files.collect::<Vec<_>>(),
        })
    });
    format!("{:#}\n", json!({"presets": presets.collect::<Vec<_>>()}))
}

fn list_text() -> String {
    let mut rows = vec![["preset", "for", "opens", "withholds"].map(str::to_owned)];
    rows.extend(PRESETS.iter().map(|preset| {
        let head = preset.head();
        [
            preset.name.to_owned(),
            head.purpose.to_owned(),
            head.opens().join(", "),
            head.withholds().join(", "),
        ]
    }));
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let (name_width, purpose_width, opens_width) = (width(0), width(1), width(2));
    let rows = rows.iter().map(|[name, purpose, opens, withholds]| {
        let row = format!(
            "{name:name_width$}  {purpose:purpose_width$}  {opens:opens_width$}  {withholds}"
        );
        format!("{}\n", row.trim_end())
    });
    rows.collect()
}
