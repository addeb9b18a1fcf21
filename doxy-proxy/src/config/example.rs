//! The example of a file that doxy prints.
//!
//! It is text alone, with every key in it, and doxy can run by it as it is.

/// A file with comments.
pub(crate) const EXAMPLE: &str = include_str!("example.toml");

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

    use std::path::Path;

    use super::EXAMPLE;
    use crate::config::file;
    use crate::config::keys::{KEYS, Scope};

    /// The example with all that stands in it as a comment.
    fn whole() -> String {
        let lines = EXAMPLE.lines().map(|line| {
            let bare = line.strip_prefix('#');
            let key =
                bare.filter(|it| it.starts_with(|c: char| c.is_ascii_lowercase() || c == '['));
            key.unwrap_or(line)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_key_is_in_the_example_and_takes_what_stands_there() {
        let contents = file::parse(Path::new("x.toml"), whole().as_bytes()).unwrap();
        let layers = contents.sockets.iter().map(|table| &table.layer);
        let layers: Vec<_> = layers.chain([&contents.top]).collect();
        for key in KEYS.iter().filter(|key| key.scope != Scope::CommandLine) {
            let found = layers.iter().any(|layer| !layer.get(key.name).is_empty());
            assert!(found, "{}", key.name);
        }
        assert_eq!(contents.sockets.len(), 3);
    }

    #[test]
    fn the_defaults_in_the_example_are_the_defaults() {
        let contents = file::parse(Path::new("x.toml"), whole().as_bytes()).unwrap();
        for key in KEYS {
            let top = contents.top.get(key.name).first();
            if let (Some(default), Some(setting)) = (key.default, top) {
                assert_eq!(setting.value(), default, "{}", key.name);
            }
        }
    }

    #[test]
    fn lines_are_short() {
        for line in EXAMPLE.lines() {
            assert!(line.chars().count() <= 110, "{line}");
        }
    }
}
