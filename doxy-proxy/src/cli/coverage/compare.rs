//! `doxy coverage --diff OLD NEW`: what one policy opens and another does not.

use std::fmt::Write as _;
use std::path::Path;

use doxy_filter::{Access, Coverage, RuleSet};
use doxy_proxy::{io_reason, read_file};
use serde_json::{Value, json};

use crate::admin::risks;
use crate::config::ConfigError;

/// More than any policy has, in bytes.
const MAX_SIZE: u64 = 16 << 20;

/// An endpoint that is as open as before, or not.
struct Change {
    row: Coverage,
    was: Access,
}

/// What differs between two files, for people or for programs.
pub(super) fn compared(old: &Path, new: &Path, format: &str) -> Result<String, ConfigError> {
    let (old, new) = (read(old)?, read(new)?);
    let changes = old.into_iter().zip(new).map(|(old, row)| Change {
        row,
        was: old.access,
    });
    let mut changes: Vec<_> = changes.filter(|it| it.row.access != it.was).collect();
    Ok(match format {
        "json" => json_of(&changes),
        "html" => {
            let help = "write text or JSON; a page shows one policy";
            return Err(ConfigError::new("--format html", "not for --diff", help));
        }
        _ => {
            // What is more open comes first.
            changes.sort_by_key(|it| it.row.access >= it.was);
            text_of(&changes)
        }
    })
}

/// How much of each endpoint a file opens, in the order of the table.
fn read(path: &Path) -> Result<Vec<Coverage>, ConfigError> {
    let text = read_file(path, MAX_SIZE).map_err(|error| unreadable(path, &io_reason(&error)))?;
    let ends = |end: &str| path.extension().is_some_and(|it| it == end);
    if ends("rhai") {
        return Err(unreadable(path, "a script is asked, not compared"));
    }
    if !ends("json") {
        let rules = RuleSet::parse(&path.display().to_string(), &text);
        return Ok(rules.map_err(ConfigError::of)?.coverage());
    }
    let printed: Option<Vec<(String, String, Access)>> =
        serde_json::from_slice(&text).ok().and_then(|value: Value| {
            value
                .get("endpoints")?
                .as_array()?
                .iter()
                .map(row)
                .collect()
        });
    let Some(printed) = printed else {
        return Err(unreadable(path, "not what `doxy coverage` prints"));
    };
    // One that the file does not have was not known to the doxy that wrote it.
    let mut all: Vec<_> = doxy_filter::api::endpoints()
        .map(|endpoint| Coverage {
            endpoint,
            access: Access::Denied,
        })
        .collect();
    for row in &mut all {
        let is_it = |it: &&(String, String, Access)| {
            it.0 == row.endpoint.method && it.1 == row.endpoint.template
        };
        if let Some((_, _, access)) = printed.iter().find(is_it) {
            row.access = *access;
        }
    }
    Ok(all)
}

fn row(row: &Value) -> Option<(String, String, Access)> {
    let text = |key| Some(row.get(key)?.as_str()?.to_owned());
    let access = access_named(&text("access")?)?;
    Some((text("method")?, text("endpoint")?, access))
}

fn json_of(changes: &[Change]) -> String {
    let changes = changes.iter().map(|it| {
        json!({
            "method": it.row.endpoint.method,
            "endpoint": it.row.endpoint.template,
            "access": it.row.access.name(),
            "was": it.was.name(),
            "risks": risks(it.row.endpoint),
        })
    });
    format!("{:#}\n", json!({"endpoints": changes.collect::<Vec<_>>()}))
}

fn text_of(changes: &[Change]) -> String {
    let mut text = String::new();
    for Change { row, was } in changes {
        let (access, endpoint) = (row.access.name(), row.endpoint);
        let risks = match risks(endpoint) {
            risks if risks.is_empty() => "harmless".to_owned(),
            risks => risks.join(", "),
        };
        let name = format!("{} {}", endpoint.method, endpoint.template);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{was:>7} -> {access:<7}  {name}  ({risks})",
            was = was.name()
        );
    }
    let opened = changes.iter().filter(|it| it.row.access < it.was).count();
    let closed = changes.len() - opened;
    let _ = writeln!(text, "more open: {opened}; less open: {closed}");
    text
}

/// The access with this name.
fn access_named(name: &str) -> Option<Access> {
    let all = [Access::Allowed, Access::Partly, Access::Denied];
    all.into_iter().find(|access| access.name() == name)
}

/// What is wrong with a file that is to be compared.
fn unreadable(path: &Path, why: &str) -> ConfigError {
    let help = "name pattern files, or files that `doxy coverage --format json` has printed";
    ConfigError::new(path.display(), why, help)
}
