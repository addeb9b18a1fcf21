//! The manual, `docs/` and the pages beside it: that links lead somewhere, and that its options are the binary's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Markdown files of the repository, those of builds and hidden folders left out.
fn pages() -> Vec<PathBuf> {
    let (mut pages, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "corpus"].contains(&name) {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The lines of a page outside of its code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// What follows `](` and ends with `)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

/// The anchors that forges give to the headings of a page.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let anchor: String = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let again = (1..).map(|count| format!("{anchor}-{count}"));
        let free = [anchor.clone()].into_iter().chain(again);
        let free = free.into_iter().find(|name| !anchors.contains(name));
        anchors.extend(free);
    }
    anchors
}

#[test]
fn every_link_leads_somewhere() {
    let (mut count, mut broken) = (0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in prose(&text).flat_map(links) {
            if link.contains("://") {
                continue;
            }
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                _ => page.parent().unwrap().join(file),
            };
            let leads = match anchor {
                "" => target.exists(),
                _ => fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor)),
            };
            if !leads {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(count > 50, "only {count} links were found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The page names the presets at whose sockets the docker CLI fails at once, and no others.
#[test]
#[cfg(feature = "script")]
fn presets_without_a_ping_are_named() {
    let doxy = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doxy"));
        let output = command.env_clear().args(args).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let presets = doxy(&["presets", "--format", "json"]);
    let presets = presets["presets"]
        .as_array()
        .unwrap_or_else(|| panic!("{presets}"));
    let silent = presets.iter().filter_map(|preset| {
        let name = preset["name"].as_str().unwrap();
        let said = doxy(&[
            "explain", "HEAD", "/_ping", "--uid", "1000", "--preset", name, "--format", "json",
        ]);
        (said["verdict"] == "deny").then(|| name.to_owned())
    });
    let silent: BTreeSet<_> = silent.collect();
    let page = fs::read_to_string(root().join("docs/policies.md")).unwrap();
    let (_, rest) = page.split_once("that never ask it (").unwrap();
    let (named, _) = rest.split_once(')').unwrap();
    let named = named.split(',').map(|name| {
        let words = name.split_whitespace().collect::<Vec<_>>();
        words.join("-").to_lowercase()
    });
    assert_eq!(named.collect::<BTreeSet<_>>(), silent);
}

/// All options and variables in a text.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'))
        .filter(|word| word.starts_with("--") && word.len() > 2 || word.starts_with("DOXY_"))
        .collect()
}

/// The table of options has those that the binary has, with their variables, and no others.
#[test]
fn the_options_are_those_of_the_binary() {
    let help = Command::new(env!("CARGO_BIN_EXE_doxy"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (_, rest) = page.split_once("\n## Options\n").unwrap();
    let (section, _) = rest.split_once("\n## ").unwrap();
    // Of each row, the option and its variable: what they mean may name others.
    let rows = section.lines().filter(|line| line.starts_with("| `--"));
    let table: Vec<_> = rows
        .map(|row| row.split(" | ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    let listed: BTreeSet<_> = table.iter().flat_map(|row| names(row)).collect();
    let of_binary = names(&help);
    assert!(of_binary.len() > 30, "{of_binary:?}");
    if cfg!(feature = "script") {
        assert_eq!(listed, of_binary);
    }
}

/// The table of keys has every option, and no more.
#[test]
fn every_option_is_a_key_of_the_configuration() {
    let section = |page: &str, from: &str| {
        let page = fs::read_to_string(root().join(page)).unwrap();
        let (_, rest) = page.split_once(from).unwrap();
        rest.split("\n## ").next().unwrap().to_owned()
    };
    let options = section("docs/operations.md", "\n## Options\n");
    let rows = options.lines().filter(|line| line.starts_with("| `--"));
    let options = rows
        .filter_map(|row| row.split(" | ").next())
        .flat_map(names);
    let options = options.map(|name| name.trim_start_matches("--").to_owned());
    let other = ["compat", "config", "help", "version"];
    let expected: BTreeSet<_> = options.filter(|it| !other.contains(&it.as_str())).collect();
    let keys = section("docs/configuration.md", "\n## Keys\n");
    let rows = keys.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let keys: Vec<_> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    assert_eq!(keys.iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(keys.len(), expected.len(), "a key is there twice");
}
