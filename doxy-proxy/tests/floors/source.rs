//! The modules of a crate, and what each names.
//!
//! Test code is left out: it may use whatever the crate has. It does not judge what it finds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::lexer::{Kind, Token, tokens};

/// The source files of a crate by their paths, `src/http/head.rs`.
pub(crate) type Files = BTreeMap<String, String>;

/// A path as written, `["crate", "http", "Head"]`, and its line.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// One leaf of a `use` item. `name` is `*` for a glob.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    pub(crate) path: Path,
    pub(crate) name: String,
    pub(crate) public: bool,
}

/// A module that is part of the product.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) file: String,
    /// Where it is declared: file and line.
    pub(crate) declared: (String, usize),
    pub(crate) children: BTreeSet<String>,
    pub(crate) uses: Vec<Use>,
    pub(crate) paths: Vec<Path>,
    /// Every identifier outside of `use` items.
    pub(crate) words: BTreeSet<String>,
}

/// The modules by their paths. The roots are `lib` and `main`: `lib::http::head`, `main::cli`.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) modules: BTreeMap<String, Module>,
    /// The files that only tests are made of.
    pub(crate) test_files: BTreeSet<String>,
    /// String literals outside of tests and attributes: file, line, contents.
    pub(crate) texts: Vec<(String, usize, String)>,
    /// `mod name;` without a file, or outside of `cfg(test)` though it is called `tests`.
    pub(crate) problems: Vec<(String, usize, String)>,
    /// The library as the binary calls it: `doxy_proxy`.
    pub(crate) library: String,
}

impl Source {
    /// Reads the crate `name`.
    pub(crate) fn read(name: &str, files: &Files) -> Self {
        let mut source = Self {
            library: name.replace('-', "_"),
            ..Self::default()
        };
        for root in ["lib", "main"] {
            let file = format!("src/{root}.rs");
            if files.contains_key(&file) {
                let declared = (file.clone(), 1);
                source.file(files, root.to_owned(), file, declared);
            }
        }
        source
    }

    fn file(&mut self, files: &Files, module: String, file: String, declared: (String, usize)) {
        let tokens = tokens(&files[&file]);
        self.modules.insert(
            module.clone(),
            Module {
                file,
                declared,
                ..Module::default()
            },
        );
        self.items(files, &module, &tokens);
    }

    /// Reads the tokens of one module.
    fn items(&mut self, files: &Files, module: &str, tokens: &[Token]) {
        let mut at = 0;
        let mut public = false;
        while let Some(token) = tokens.get(at) {
            if token.is('#') {
                let (end, only_test) = attribute(tokens, at);
                at = end;
                if only_test {
                    let item = item(tokens, at);
                    self.test_item(files, module, &tokens[item.clone()]);
                    at = item.end;
                }
                continue;
            }
            match token.word() {
                Some("pub") => {
                    public = true;
                    at += 1;
                    if tokens.get(at).is_some_and(|next| next.is('(')) {
                        at = block(tokens, at);
                    }
                    continue;
                }
                Some("use") => {
                    let end = (at..tokens.len()).find(|n| tokens[*n].is(';'));
                    let end = end.unwrap_or(tokens.len());
                    let mut leaves = Vec::new();
                    use_tree(&tokens[at + 1..end], &[], &mut leaves);
                    let uses = leaves
                        .into_iter()
                        .map(|(path, name)| Use { path, name, public });
                    self.modules.get_mut(module).unwrap().uses.extend(uses);
                    at = end;
                }
                Some("mod") if tokens.get(at + 1).is_some_and(|next| next.word().is_some()) => {
                    at = self.module(files, module, tokens, at);
                }
                Some(_) => at = self.path(module, tokens, at),
                None if token.kind == Kind::Colons => at = self.path(module, tokens, at),
                None => {
                    if let Kind::Text(text) = &token.kind {
                        let file = self.modules[module].file.clone();
                        self.texts.push((file, token.line, text.clone()));
                    }
                    at += 1;
                }
            }
            public = false;
        }
    }

    /// `mod name;` or `mod name { … }`. Gives the token after it.
    fn module(&mut self, files: &Files, parent: &str, tokens: &[Token], at: usize) -> usize {
        let name = tokens[at + 1].word().unwrap().to_owned();
        let line = tokens[at].line;
        let path = format!("{parent}::{name}");
        let file = self.modules[parent].file.clone();
        self.modules
            .get_mut(parent)
            .unwrap()
            .children
            .insert(name.clone());
        if name == "tests" {
            let what = "the module `tests` is not behind `#[cfg(test)]`";
            self.problems.push((file.clone(), line, what.to_owned()));
        }
        if tokens.get(at + 2).is_some_and(|next| next.is('{')) {
            let end = block(tokens, at + 2);
            self.modules.insert(
                path.clone(),
                Module {
                    file: file.clone(),
                    declared: (file, line),
                    ..Module::default()
                },
            );
            self.items(files, &path, &tokens[at + 3..end.saturating_sub(1)]);
            return end;
        }
        match file_of(files, &path) {
            Some(found) => self.file(files, path, found, (file, line)),
            None => {
                let what = format!("there is no file for the module `{name}`");
                self.problems.push((file, line, what));
            }
        }
        at + 3
    }

    /// Notes the files of an item that is compiled for tests alone.
    fn test_item(&mut self, files: &Files, parent: &str, tokens: &[Token]) {
        let skip = usize::from(tokens.first().is_some_and(|token| token.is_word("pub")));
        let [keyword, name, end, ..] = &tokens[skip..] else {
            return;
        };
        if keyword.is_word("mod") && end.is(';') {
            let path = format!("{parent}::{}", name.word().unwrap_or_default());
            if let Some(file) = file_of(files, &path) {
                let folder = file
                    .strip_suffix("/mod.rs")
                    .or(file.strip_suffix(".rs"))
                    .unwrap();
                let below = format!("{folder}/");
                let inside = files.keys().filter(|other| other.starts_with(&below));
                self.test_files.extend(inside.cloned());
                self.test_files.insert(file);
            }
        }
    }

    /// A path in code, or a lone word. Gives the token after it.
    fn path(&mut self, module: &str, tokens: &[Token], at: usize) -> usize {
        let mut segments = Vec::new();
        let mut end = at;
        let mut expect_word = tokens[at].word().is_some();
        if !expect_word {
            // `::name` is another crate; the rest of `<T>::name` is nobody's module.
            segments.push(String::new());
        }
        while let Some(token) = tokens.get(end) {
            match (&token.kind, expect_word) {
                (Kind::Word(word), true) => segments.push(word.clone()),
                (Kind::Colons, false) => {}
                _ => break,
            }
            expect_word = !expect_word;
            end += 1;
        }
        let entry = self.modules.get_mut(module).unwrap();
        entry.words.extend(segments.iter().cloned());
        let is_field = at > 0 && tokens[at - 1].is('.');
        if segments.len() > 1 && !segments[0].is_empty() && !is_field {
            entry.paths.push(Path {
                segments,
                line: tokens[at].line,
            });
        }
        end
    }
}

/// `lib` of `lib::http::head`.
pub(crate) fn root(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

fn file_of(files: &Files, module: &str) -> Option<String> {
    let (_, inner) = module.split_once("::")?;
    let stem = format!("src/{}", inner.replace("::", "/"));
    [format!("{stem}.rs"), format!("{stem}/mod.rs")]
        .into_iter()
        .find(|file| files.contains_key(file))
}

/// The token after the attribute at `at`, and whether what it stands before is for tests alone.
fn attribute(tokens: &[Token], at: usize) -> (usize, bool) {
    let inner = usize::from(tokens.get(at + 1).is_some_and(|token| token.is('!')));
    let open = at + 1 + inner;
    if !tokens.get(open).is_some_and(|token| token.is('[')) {
        return (at + 1, false);
    }
    let end = block(tokens, open);
    let words: Vec<&str> = tokens[open..end].iter().filter_map(Token::word).collect();
    let only_test = matches!(words[..], ["cfg", "test"] | ["cfg", "all", "test", ..]);
    (end, only_test && inner == 0)
}

/// The words that an item, or a statement, begins with.
const ITEMS: [&str; 15] = [
    "async", "const", "enum", "extern", "fn", "impl", "let", "mod", "static", "struct", "trait",
    "type", "union", "unsafe", "use",
];

/// The item that begins at `at`, with further attributes: to its `;`, or to the end of its block.
fn item(tokens: &[Token], at: usize) -> Range<usize> {
    let mut start = at;
    while tokens.get(start).is_some_and(|token| token.is('#')) {
        start = attribute(tokens, start).0;
    }
    let mut end = start;
    if tokens.get(end).is_some_and(|token| token.is_word("pub")) {
        end += 1;
        if tokens.get(end).is_some_and(|token| token.is('(')) {
            end = block(tokens, end);
        }
    }
    // A comma ends a field or a variant, not `fn name<A, B>`.
    let keyword = tokens.get(end).and_then(Token::word).unwrap_or_default();
    let is_item = ITEMS.contains(&keyword);
    while let Some(token) = tokens.get(end) {
        match token.kind {
            Kind::Mark(';') => return start..end + 1,
            Kind::Mark(',') if !is_item => return start..end + 1,
            Kind::Mark('}') => return start..end,
            Kind::Mark('(' | '[') => end = block(tokens, end),
            Kind::Mark('{') => {
                end = block(tokens, end);
                if keyword != "use" {
                    return start..end;
                }
            }
            _ => end += 1,
        }
    }
    start..end
}

/// The token after the bracket that closes the one at `open`.
fn block(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The leaves of a `use` tree: each with its path and the name that it gets.
fn use_tree(tokens: &[Token], prefix: &[String], leaves: &mut Vec<(Path, String)>) {
    let mut segments = prefix.to_vec();
    let mut at = 0;
    let line = tokens.first().map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match &token.kind {
            Kind::Word(word) if word == "as" => {
                let name = tokens.get(at + 1).and_then(Token::word).unwrap_or("_");
                leaves.push((Path { segments, line }, name.to_owned()));
                return;
            }
            Kind::Word(word) if word == "self" && !segments.is_empty() => {}
            Kind::Word(word) => segments.push(word.clone()),
            // `use ::name` is another crate.
            Kind::Colons if segments.is_empty() => segments.push(String::new()),
            Kind::Mark('*') => {
                leaves.push((Path { segments, line }, "*".to_owned()));
                return;
            }
            Kind::Mark('{') => {
                let mut start = at + 1;
                let mut end = start;
                while end < tokens.len() {
                    match tokens[end].kind {
                        Kind::Mark('{') => end = block(tokens, end),
                        Kind::Mark(',' | '}') => {
                            if start < end {
                                use_tree(&tokens[start..end], &segments, leaves);
                            }
                            end += 1;
                            start = end;
                        }
                        _ => end += 1,
                    }
                }
                return;
            }
            _ => {}
        }
        at += 1;
    }
    let name = segments.last().cloned().unwrap_or_default();
    leaves.push((Path { segments, line }, name));
}
