//! The rules of the house, applied to one crate.
//!
//! It works on text that it is given, and touches no file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use crate::map::{HEADER, floors};
use crate::source::{Files, Source, root};

/// The longest product file, with the tests in it.
const MAX_LINES: usize = 400;

/// A broken rule: where, what, and what to do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) help: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            what,
            help,
        } = self;
        write!(f, "{file}:{line}: {what}\n    help: {help}")
    }
}

/// Everything that is wrong with the crate `name`.
pub(crate) fn faults(name: &str, files: &Files) -> Vec<Fault> {
    let source = Source::read(name, files);
    let mut house = House {
        source: &source,
        faults: BTreeSet::new(),
    };
    house.files(files);
    let floor_of = house.map(files);
    house.imports(&floor_of);
    house.circles();
    house.faults.into_iter().collect()
}

/// In one folder: who imports whom, and in which line of which file.
type Arrows = BTreeMap<(String, String), (String, usize)>;

struct House<'a> {
    source: &'a Source,
    faults: BTreeSet<Fault>,
}

/// A module uses another: `line` is where.
struct Import {
    from: String,
    line: usize,
    to: String,
    through: Vec<String>,
}

impl House<'_> {
    fn fault(&mut self, file: &str, line: usize, what: String, help: &str) {
        self.faults.insert(Fault {
            file: file.to_owned(),
            line,
            what,
            help: help.to_owned(),
        });
    }

    /// Length, module docs, and that every file is compiled.
    fn files(&mut self, files: &Files) {
        for (file, line, what) in &self.source.problems {
            self.fault(file, *line, what.clone(), "correct the `mod` item");
        }
        let mut compiled: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (path, module) in &self.source.modules {
            compiled.entry(&module.file).or_default().push(root(path));
        }
        for (file, text) in files {
            let is_test = self.source.test_files.contains(file);
            if is_test && (file.ends_with("/tests.rs") || file.contains("/tests/")) {
                continue;
            }
            let lines = text.lines().count();
            if lines > MAX_LINES {
                let what = format!("the file has {lines} lines, more than {MAX_LINES}");
                let help = "split it by what it does; move long tests to NAME/tests.rs";
                self.fault(file, lines, what, help);
            }
            if !text.trim_start().starts_with("//!") {
                let help = "begin with `//!` lines: what it is for and what it must never do";
                self.fault(file, 1, "the file has no module docs".to_owned(), help);
            }
            match compiled.get(file.as_str()).map(Vec::as_slice) {
                None if !is_test => {
                    let help = "declare the module or delete the file";
                    self.fault(file, 1, "no `mod` item leads to this file".to_owned(), help);
                }
                Some(roots) if roots.contains(&"lib") && roots.contains(&"main") => {
                    let help = "declare it in lib.rs and have main.rs use the library";
                    let what = "the library and the binary both compile this file";
                    self.fault(file, 1, what.to_owned(), help);
                }
                _ => {}
            }
        }
    }

    /// Reads the maps. Gives each top-level module, `lib::http`, its floor.
    fn map(&mut self, files: &Files) -> BTreeMap<String, usize> {
        let mut floor_of = BTreeMap::new();
        let mut rows = Vec::new();
        for file in ["src/lib.rs", "src/main.rs"] {
            match files.get(file).and_then(|source| floors(source)) {
                Some(Ok(floors)) => rows.extend(floors.into_iter().map(|floor| (file, floor))),
                Some(Err((line, what))) => {
                    let help = "a row has three cells: `MODULE`, purpose, what it must never know";
                    self.fault(file, line, what, help);
                    return floor_of;
                }
                None if file == "src/lib.rs" => {
                    let help = format!("add a table whose first line is `{HEADER}`");
                    self.fault(file, 1, "lib.rs has no crate map".to_owned(), &help);
                    return floor_of;
                }
                None => {}
            }
        }
        for (at, (file, floor)) in rows.iter().enumerate() {
            for name in &floor.modules {
                let found: Vec<String> = ["lib", "main"]
                    .iter()
                    .filter(|root| **root == "main" || *file == "src/lib.rs")
                    .map(|root| format!("{root}::{name}"))
                    .filter(|module| self.source.modules.contains_key(module))
                    .collect();
                if found.is_empty() {
                    let what = format!("the map names `{name}`, which is no module here");
                    self.fault(file, floor.line, what, "correct or remove the name");
                }
                for module in found {
                    if floor_of.insert(module, at).is_some() {
                        let what = format!("the map names `{name}` twice");
                        self.fault(file, floor.line, what, "leave one of them");
                    }
                }
            }
        }
        for (path, module) in &self.source.modules {
            if path.matches("::").count() == 1 && !floor_of.contains_key(path) {
                let (_, name) = path.split_once("::").unwrap();
                let (file, line) = &module.declared;
                let what = format!("the module `{name}` is missing from the crate map");
                let help =
                    "add a row above all floors that it imports and below all that import it";
                self.fault(file, *line, what, help);
            }
        }
        floor_of
    }

    fn all_imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (from, module) in &self.source.modules {
            let uses = module.uses.iter().filter_map(|item| {
                let target = self.source.resolve(from, &item.path.segments)?;
                // What a module names here it is asked of below, with the rest of the path.
                if target.is_module && !item.public && item.name != "*" {
                    return None;
                }
                // A module hands on what is below it without depending on it.
                let below = target.module.starts_with(&format!("{from}::"));
                if below && item.public && !module.words.contains(&item.name) {
                    return None;
                }
                Some((item.path.line, target))
            });
            let paths = module.paths.iter().filter_map(|path| {
                let target = self.source.resolve(from, &path.segments)?;
                Some((path.line, target))
            });
            imports.extend(uses.chain(paths).map(|(line, target)| Import {
                from: from.clone(),
                line,
                to: target.module,
                through: target.through,
            }));
        }
        imports
    }

    /// No module imports one from a floor above its own, nor one beside it.
    fn imports(&mut self, floor_of: &BTreeMap<String, usize>) {
        for import in self.all_imports() {
            let Some(own) = floor_of.get(top(&import.from)) else {
                continue; // a root, or missing from the map
            };
            let file = &self.source.modules[&import.from].file;
            if import.to == root(&import.from) {
                let what = format!("this is defined in {}.rs, above every floor", import.to);
                let help = "move the item into a module on a floor at or below this one";
                self.fault(file, import.line, what, help);
                continue;
            }
            for to in import.through.iter().chain([&import.to]) {
                let (from, to) = (top(&import.from), top(to));
                let Some(floor) = floor_of.get(to).filter(|_| from != to) else {
                    continue;
                };
                let names = |module: &str| module.rsplit("::").next().unwrap().to_owned();
                let (from, to) = (names(from), names(to));
                let (what, help) = if floor > own {
                    (
                        format!("`{from}` imports `{to}`, which stands on a floor above it"),
                        "move what both need down, or hand it in as an argument",
                    )
                } else if floor == own {
                    (
                        format!("`{from}` imports `{to}`, which stands on the same floor"),
                        "give them rows of their own in the crate map",
                    )
                } else {
                    continue;
                };
                self.fault(file, import.line, what, help);
            }
        }
    }

    /// Inside a folder no module leads back to itself. Between top-level modules the map sees to it.
    fn circles(&mut self) {
        let mut folders: BTreeMap<String, Arrows> = BTreeMap::new();
        for import in self.all_imports() {
            let (folder, from, to) = meet(&import.from, &import.to);
            if from == to || root(folder) == folder {
                continue;
            }
            let place = (self.source.modules[&import.from].file.clone(), import.line);
            folders
                .entry(folder.to_owned())
                .or_default()
                .entry((from.to_owned(), to.to_owned()))
                .or_insert(place);
        }
        for (folder, arrows) in folders {
            let Some(circle) = circle(&arrows) else {
                continue;
            };
            let (file, line) = arrows[&(circle[0].clone(), circle[1].clone())].clone();
            let places = circle.windows(2).map(|pair| {
                let (file, line) = &arrows[&(pair[0].clone(), pair[1].clone())];
                format!("{} -> {} at {file}:{line}", pair[0], pair[1])
            });
            let places: Vec<String> = places.collect();
            let what = format!(
                "modules of `{folder}` import each other in a circle: {}",
                places.join(", ")
            );
            let help = "move what they share into a file of its own below both";
            self.fault(&file, line, what, help);
        }
    }
}

/// `lib::http` of `lib::http::head::line`.
fn top(module: &str) -> &str {
    let mut ends = module.match_indices("::").map(|(at, _)| at);
    ends.nth(1).map_or(module, |end| &module[..end])
}

/// The innermost module that has both, and what they are in it: a module directly below, or itself.
fn meet<'a>(from: &'a str, to: &'a str) -> (&'a str, &'a str, &'a str) {
    let mut folder = from;
    while !(to == folder || to.starts_with(&format!("{folder}::"))) {
        folder = folder.rsplit_once("::").unwrap_or_default().0;
        if folder.is_empty() {
            return ("lib", from, to); // one in the binary, one in the library
        }
    }
    let below = |module: &'a str| {
        let rest = &module[folder.len()..];
        match rest.get(2..).and_then(|rest| rest.find("::")) {
            Some(end) => &module[..folder.len() + 2 + end],
            None => module,
        }
    };
    (folder, below(from), below(to))
}

/// A way along `arrows` from a module back to itself.
fn circle(arrows: &Arrows) -> Option<Vec<String>> {
    fn visit(arrows: &Arrows, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        let here = way.last().unwrap().clone();
        for (_, next) in arrows.keys().filter(|(from, _)| *from == here) {
            if let Some(start) = way.iter().position(|module| module == next) {
                way.drain(..start);
                way.push(next.clone());
                return true;
            }
            if !done.contains(next) {
                way.push(next.clone());
                if visit(arrows, way, done) {
                    return true;
                }
            }
        }
        done.insert(way.pop().unwrap());
        false
    }
    let mut done = BTreeSet::new();
    for (from, _) in arrows.keys() {
        let mut way = vec![from.clone()];
        if !done.contains(from) && visit(arrows, &mut way, &mut done) {
            return Some(way);
        }
    }
    None
}
