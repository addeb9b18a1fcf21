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
mod endpoints;
mod lexer;
mod map;
mod resolve;
mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use crate::endpoints::{Mention, mentions};
use crate::rules::faults;
use crate::source::Files;

const CRATES: [&str; 4] = ["doxy-filter", "doxy-script", "doxy-proxy", "doxy-bench"];

#[test]
fn no_floor_imports_one_above_it() {
    let mut complaints = Vec::new();
    for name in CRATES {
        let files = sources(name);
        assert!(files.len() > 2, "{name}: too few files were found");
        let faults = faults(name, &files);
        complaints.extend(faults.iter().map(|fault| format!("{name}/{fault}")));
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn only_the_api_table_names_endpoints() {
    // doxy-bench is no product: its stand-in engine and its load are made of endpoints.
    let product = CRATES.iter().filter(|name| **name != "doxy-bench");
    let mut complaints = Vec::new();
    for name in product {
        for Mention { file, line, text } in mentions(name, &sources(name)) {
            if *name != "doxy-filter" || !file.starts_with("src/api/") {
                complaints.push(format!(
                    "{name}/{file}:{line}: {text:?} names an endpoint\n    help: ask doxy_filter::api for it"
                ));
            }
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
