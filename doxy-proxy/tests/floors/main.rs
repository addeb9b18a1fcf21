//! The rules of the house: folders are floors, and no floor imports one above it.
//!
//! Reads the sources of every crate and compares them with the crate map in the docs of its `lib.rs`.
//! CONTRIBUTING.md says what the rules are for.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod cases;
mod lexer;
mod map;
mod resolve;
mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use crate::rules::{faults, has_map};
use crate::source::Files;

const CRATES: [&str; 4] = ["doxy-filter", "doxy-script", "doxy-proxy", "doxy-bench"];

/// Crates that have no map yet, and so are not checked. A crate that has one must leave this list.
const WITHOUT_A_MAP: &[&str] = &["doxy-script", "doxy-proxy"];

#[test]
fn no_floor_imports_one_above_it() {
    let mut complaints = Vec::new();
    for name in CRATES {
        let files = sources(name);
        assert!(files.len() > 2, "{name}: too few files were found");
        let listed = WITHOUT_A_MAP.contains(&name);
        if listed && has_map(&files) {
            complaints.push(format!(
                "{name} has a crate map now\n    help: remove it from WITHOUT_A_MAP"
            ));
        }
        if !listed {
            let faults = faults(name, &files);
            complaints.extend(faults.iter().map(|fault| format!("{name}/{fault}")));
        }
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The files below `src` of a crate of this workspace.
fn sources(name: &str) -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let root = root.join(name);
    let mut files = Files::new();
    let mut folders: Vec<PathBuf> = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                files.insert(name.to_owned(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}
