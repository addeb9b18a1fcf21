//! The part of a compose file that a proxy is configured by: services with their image, environment,
//! command and labels.
//!
//! It reads block style, as people write such files and as `docker compose config` prints them. What it
//! does not read there is an error, never left out.

use super::env_file::scalar;
use super::{ImportError, Variable, on_one_line};

/// How deep blocks may be nested.
const MAX_DEPTH: usize = 32;

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// Its name in the file.
    pub name: String,
    /// The image that it runs. Empty if it is built.
    pub image: String,
    /// Its variables.
    pub environment: Vec<Variable>,
    /// Its arguments.
    pub command: Vec<String>,
    /// Its labels.
    pub labels: Vec<Variable>,
}

/// Whether a text is a compose file rather than a file of variables.
#[must_use]
pub fn is_compose(text: &str) -> bool {
    text.lines().any(|line| line.trim_end() == "services:")
}

/// The services in a text, in their order. `place` is its name for messages.
///
/// # Errors
///
/// For a text that is no such file, and where a service's settings are written in a way that is not read.
pub fn read(place: &str, text: &str) -> Result<Vec<Service>, ImportError> {
    let lines = Line::all(text);
    let mut reader = Reader {
        place,
        lines: &lines,
        at: 0,
    };
    let Node::Map(top) = reader.block(0)? else {
        return Err(reader.wrong(1, "not a compose file"));
    };
    let services = top.into_iter().find(|(key, _, _)| key == "services");
    let Some((_, _, Node::Map(services))) = services else {
        return Err(reader.wrong(1, "no services"));
    };
    let mut read = vec![];
    for (name, line, node) in services {
        let Node::Map(keys) = node else {
            return Err(reader.wrong(line, "a service is a block of keys"));
        };
        let mut service = Service {
            name,
            ..Service::default()
        };
        for (key, line, node) in keys {
            match &*key {
                "image" => service.image = reader.text(line, node)?,
                "environment" => service.environment = reader.variables(line, node)?,
                "labels" => service.labels = reader.variables(line, node)?,
                "command" => service.command = reader.words(line, node)?,
                "<<" | "env_file" | "extends" => {
                    return Err(reader.wrong(line, "the settings of this service stand elsewhere"));
                }
                _ => {}
            }
        }
        read.push(service);
    }
    Ok(read)
}

/// A line that says something.
struct Line<'t> {
    number: usize,
    indent: usize,
    text: &'t str,
    /// As it stands in the file, for a block of text.
    whole: &'t str,
}

impl<'t> Line<'t> {
    fn all(text: &'t str) -> Vec<Self> {
        let lines = text.lines().enumerate().map(|(at, whole)| {
            let text = whole.trim_start_matches(' ');
            Self {
                number: at + 1,
                indent: whole.len() - text.len(),
                text: text.trim_end(),
                whole,
            }
        });
        lines.collect()
    }

    fn says_nothing(&self) -> bool {
        self.text.is_empty() || self.text.starts_with('#') || self.text == "---"
    }
}

/// What stands behind a key or a dash.
enum Node {
    /// On the same line, with its quotes.
    Scalar(String),
    /// A block of text.
    Text(String),
    Map(Vec<(String, usize, Node)>),
    List(Vec<(usize, Node)>),
    /// What is not read: flow style, anchors, and the like.
    Other,
}

struct Reader<'t> {
    place: &'t str,
    lines: &'t [Line<'t>],
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self, line: usize, what: &str) -> ImportError {
        let what = format!("{}:{line}: {what}", self.place);
        ImportError::new(
            what,
            "give what `docker compose config` prints of the file, with --env",
        )
    }

    /// The next line that says something.
    fn next(&mut self) -> Option<&Line<'_>> {
        while self.lines.get(self.at).is_some_and(Line::says_nothing) {
            self.at += 1;
        }
        self.lines.get(self.at)
    }

    /// The block that begins at the next line.
    fn block(&mut self, depth: usize) -> Result<Node, ImportError> {
        let Some(first) = self.next() else {
            return Ok(Node::Other);
        };
        let (indent, number) = (first.indent, first.number);
        if depth > MAX_DEPTH {
            return Err(self.wrong(number, "too many levels"));
        }
        match first.text == "-" || first.text.starts_with("- ") {
            true => self.list(indent, depth),
            false => self.map(indent, depth),
        }
    }

    fn map(&mut self, indent: usize, depth: usize) -> Result<Node, ImportError> {
        let mut map = vec![];
        while let Some(line) = self.next().filter(|line| line.indent >= indent) {
            let (number, text) = (line.number, line.text.to_owned());
            if line.indent > indent || text == "-" || text.starts_with("- ") {
                return Err(self.wrong(number, "this line belongs to nothing"));
            }
            let Some((key, value)) = key(&text) else {
                return Err(self.wrong(number, "not KEY: VALUE"));
            };
            self.at += 1;
            let node = self.value(value, indent, true, depth)?;
            map.push((key.to_owned(), number, node));
        }
        Ok(Node::Map(map))
    }

    fn list(&mut self, indent: usize, depth: usize) -> Result<Node, ImportError> {
        let mut list = vec![];
        while let Some(line) = self.next().filter(|line| line.indent >= indent) {
            let (number, text) = (line.number, line.text.to_owned());
            let Some(item) = text.strip_prefix('-').filter(|_| line.indent == indent) else {
                return match line.indent == indent {
                    true => Ok(Node::List(list)),
                    false => Err(self.wrong(number, "this line belongs to nothing")),
                };
            };
            self.at += 1;
            let item = item.trim_start();
            // A map within a list is nothing that is looked for.
            let is_map = !item.starts_with(['"', '\'']) && key(item).is_some();
            let node = match is_map {
                true => {
                    self.skip(indent);
                    Node::Other
                }
                false => self.value(item, indent, false, depth)?,
            };
            list.push((number, node));
        }
        Ok(Node::List(list))
    }

    /// What stands behind a key or a dash of this indent.
    fn value(
        &mut self,
        value: &str,
        indent: usize,
        of_key: bool,
        depth: usize,
    ) -> Result<Node, ImportError> {
        let value = match value.starts_with('#') {
            true => "",
            false => value,
        };
        if matches!(value, "|" | "|-" | "|+") {
            return Ok(Node::Text(self.text_block(indent)));
        }
        match value.chars().next() {
            None => {
                let deeper = |line: &Line<'_>| {
                    let dash = line.text == "-" || line.text.starts_with("- ");
                    line.indent > indent || of_key && dash && line.indent == indent
                };
                match self.next().is_some_and(deeper) {
                    true => self.block(depth + 1),
                    false => Ok(Node::Scalar(String::new())),
                }
            }
            Some('[' | '{' | '&' | '*' | '>' | '|' | '!' | '@' | '`') => {
                self.skip(indent);
                Ok(Node::Other)
            }
            Some(_) => {
                // A plain scalar may go on in the lines behind it. That is not read.
                let more = self.next().is_some_and(|line| line.indent > indent);
                if more {
                    self.skip(indent);
                    return Ok(Node::Other);
                }
                Ok(Node::Scalar(value.to_owned()))
            }
        }
    }

    /// Skips what lies deeper.
    fn skip(&mut self, indent: usize) {
        while self.next().is_some_and(|line| line.indent > indent) {
            self.at += 1;
        }
    }

    fn text_block(&mut self, indent: usize) -> String {
        let mut text = String::new();
        let mut own = None;
        while let Some(line) = self.lines.get(self.at) {
            let empty = line.text.is_empty();
            if !empty && line.indent <= indent {
                break;
            }
            if !empty {
                own.get_or_insert(line.indent);
            }
            let from = own.unwrap_or(0).min(line.indent);
            text.push_str(line.whole.get(from..).unwrap_or_default().trim_end());
            text.push('\n');
            self.at += 1;
        }
        text.trim_end().to_owned()
    }

    fn text(&self, line: usize, node: Node) -> Result<String, ImportError> {
        match node {
            Node::Scalar(text) => scalar(&format!("{}:{line}", self.place), &text),
            Node::Text(text) => Ok(text.replace("$$", "$")),
            _ => Err(self.wrong(line, "this way of writing is not read")),
        }
    }

    /// `- NAME=VALUE` or `NAME: VALUE`.
    fn variables(&self, line: usize, node: Node) -> Result<Vec<Variable>, ImportError> {
        let mut variables = vec![];
        match node {
            Node::Map(map) => {
                for (name, line, node) in map {
                    let value = match self.text(line, node)? {
                        null if matches!(&*null, "null" | "~") => String::new(),
                        value => value,
                    };
                    variables.push((name, value));
                }
            }
            Node::List(list) => {
                for (line, node) in list {
                    let item = self.text(line, node)?;
                    let Some((name, value)) = item.split_once('=') else {
                        let what = format!("`{}` has its value elsewhere", on_one_line(&item));
                        return Err(self.wrong(line, &what));
                    };
                    variables.push((name.to_owned(), value.to_owned()));
                }
            }
            Node::Scalar(text) if text.is_empty() => {}
            _ => return Err(self.wrong(line, "this way of writing is not read")),
        }
        Ok(variables)
    }

    fn words(&self, line: usize, node: Node) -> Result<Vec<String>, ImportError> {
        match node {
            Node::List(list) => {
                let words = list.into_iter().map(|(line, node)| self.text(line, node));
                words.collect()
            }
            node => {
                let text = self.text(line, node)?;
                if text.contains(['\'', '"', '\\']) {
                    return Err(self.wrong(line, "a command with quotes; write it as a list"));
                }
                Ok(text.split_whitespace().map(str::to_owned).collect())
            }
        }
    }
}

/// A key and what stands behind it on its line.
fn key(text: &str) -> Option<(&str, &str)> {
    let (key, value) = match text.split_once(": ") {
        Some((key, value)) => (key, value.trim_start()),
        None => (text.strip_suffix(':')?, ""),
    };
    let key = key.trim_matches(['"', '\'']);
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-/<$".contains(c);
    (!key.is_empty() && key.chars().all(plain)).then_some((key, value))
}
