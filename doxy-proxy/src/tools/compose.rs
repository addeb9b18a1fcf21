//! The part of a compose file that a proxy is configured by: services with their image, environment,
//! command and labels.
//!
//! Of a service that is asked for, all of it is read or it is an error: nothing is left out. What the
//! file leaves to other files or to variables is such an error.

use std::rc::Rc;

use doxy_filter::import::{Variable, env_file};

use crate::config::ConfigError;
use crate::tools::yaml::{self, Fault, Kind, Node};

/// What doxy is given of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Settings {
    /// Its variables.
    pub(crate) environment: Vec<Variable>,
    /// Its arguments.
    pub(crate) command: Vec<String>,
    /// Its labels.
    pub(crate) labels: Vec<Variable>,
}

/// One service, whose settings are not read yet.
#[derive(Debug)]
pub(crate) struct Service<'p> {
    /// Its name in the file.
    pub(crate) name: String,
    /// The image that it runs, as written. Empty if it is built.
    pub(crate) image: String,
    place: &'p str,
    node: Rc<Node>,
}

/// Whether a text is a compose file rather than a file of variables: it begins with a key or a bracket.
pub(crate) fn is_compose(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| {
        let key = line.split([':', '{']).next();
        line.starts_with("---")
            || key.is_some_and(|key| key.len() < line.len() && !key.contains('='))
    })
}

/// The services in a text, in their order. `place` is its name for messages.
pub(crate) fn read<'p>(place: &'p str, text: &str) -> Result<Vec<Service<'p>>, ConfigError> {
    services(place, text).map_err(|fault| at(place, &fault))
}

fn services<'p>(place: &'p str, text: &str) -> Result<Vec<Service<'p>>, Fault> {
    let top = yaml::read(text)?;
    let Kind::Map(top) = &top.kind else {
        return Err(Fault::new(top.line, "not a compose file"));
    };
    let services = top.iter().find(|entry| entry.key == "services");
    let Some(services) = services else {
        return Err(Fault::new(1, "no services"));
    };
    let Kind::Map(entries) = &services.value.kind else {
        return Err(Fault::new(services.line, "services are keys with maps"));
    };
    let mut read = vec![];
    for entry in entries {
        let Kind::Map(keys) = &entry.value.kind else {
            return Err(Fault::new(entry.line, "a service is a map"));
        };
        let image = keys.iter().find(|it| it.key == "image");
        read.push(Service {
            name: entry.key.clone(),
            image: match image.map(|image| &image.value.kind) {
                Some(Kind::Text(image)) => image.clone(),
                _ => String::new(),
            },
            place,
            node: Rc::clone(&entry.value),
        });
    }
    Ok(read)
}

impl Service<'_> {
    /// Its settings, all of them.
    pub(crate) fn settings(&self) -> Result<Settings, ConfigError> {
        let mut settings = Settings::default();
        let Kind::Map(keys) = &self.node.kind else {
            return Ok(settings);
        };
        for entry in keys {
            let (line, node) = (entry.line, &*entry.value);
            match entry.key.as_str() {
                "environment" => settings.environment = self.variables(node)?,
                "labels" => settings.labels = self.variables(node)?,
                "command" => settings.command = self.words(node)?,
                "env_file" | "extends" => {
                    let what = "the settings of this service stand elsewhere";
                    return Err(self.wrong(line, what));
                }
                _ => {}
            }
        }
        Ok(settings)
    }

    fn wrong(&self, line: usize, what: &str) -> ConfigError {
        at(self.place, &Fault::new(line, what))
    }

    /// A text in which nothing refers to a variable.
    fn text(&self, node: &Node) -> Result<String, ConfigError> {
        match &node.kind {
            Kind::Text(text) => {
                let place = format!("{}:{}", self.place, node.line);
                env_file::without_references(&place, text).map_err(ConfigError::of)
            }
            Kind::Null => Ok(String::new()),
            Kind::List(_) | Kind::Map(_) => Err(self.wrong(node.line, "this is no text")),
            Kind::Tagged(tag) => {
                let what = format!("the tag {} is not read", tag.escape_debug());
                Err(self.wrong(node.line, &what))
            }
        }
    }

    /// `NAME=VALUE` in a list, or a map.
    fn variables(&self, node: &Node) -> Result<Vec<Variable>, ConfigError> {
        let mut variables = vec![];
        match &node.kind {
            Kind::Map(entries) => {
                for entry in entries {
                    variables.push((entry.key.clone(), self.text(&entry.value)?));
                }
            }
            Kind::List(items) => {
                for item in items {
                    let text = self.text(item)?;
                    let Some((name, value)) = text.split_once('=') else {
                        let what = format!("`{}` has its value elsewhere", text.escape_debug());
                        return Err(self.wrong(item.line, &what));
                    };
                    variables.push((name.to_owned(), value.to_owned()));
                }
            }
            Kind::Null => {}
            Kind::Text(_) | Kind::Tagged(_) => {
                return Err(self.wrong(node.line, "neither a map nor a list"));
            }
        }
        Ok(variables)
    }

    fn words(&self, node: &Node) -> Result<Vec<String>, ConfigError> {
        if let Kind::List(items) = &node.kind {
            return items.iter().map(|item| self.text(item)).collect();
        }
        let text = self.text(node)?;
        if text.contains(['\'', '"', '\\']) {
            return Err(self.wrong(node.line, "a command with quotes; write it as a list"));
        }
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }
}

fn at(place: &str, fault: &Fault) -> ConfigError {
    ConfigError::new(
        format_args!("{place}:{}", fault.line),
        &fault.what,
        "give what `docker compose config` prints of the file, with --env",
    )
}

#[cfg(test)]
mod tests;
