//! The table of all settings: one name for option, variable and key, where it may stand, and what it
//! takes.
//!
//! It has no meaning of any value; the files beside it have. An option that is missing here does not
//! exist.

/// One setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// The key in the file. The option is `--NAME`, the variable `DOXY_NAME`.
    pub(crate) name: &'static str,
    pub(crate) scope: Scope,
    pub(crate) kind: Kind,
    /// Whether it takes several values.
    pub(crate) list: bool,
    /// What holds if nothing is given.
    pub(crate) default: Option<&'static str>,
}

/// What a setting is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Where the settings are. It is no key.
    CommandLine,
    /// The whole process.
    Process,
    /// One socket. At the top of the file it is for all that do not say otherwise.
    Socket,
}

/// What a setting takes in the file. On the command line everything is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// A number, or text such as `10s`, `1M` or a user's name.
    Number,
    /// Octal digits in quotes, or with `0o`.
    Mode,
    Flag,
    /// A flag, or a duration.
    FlagOrTime,
}

impl Key {
    const fn new(name: &'static str, scope: Scope, kind: Kind) -> Self {
        Self {
            name,
            scope,
            kind,
            list: false,
            default: None,
        }
    }

    const fn process(name: &'static str, kind: Kind) -> Self {
        Self::new(name, Scope::Process, kind)
    }

    const fn socket(name: &'static str, kind: Kind) -> Self {
        Self::new(name, Scope::Socket, kind)
    }

    const fn list(self) -> Self {
        Self { list: true, ..self }
    }

    const fn or(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    /// `DOXY_PROXY_SOCKET`
    pub(crate) fn variable(&self) -> String {
        format!("DOXY_{}", self.name.to_uppercase().replace('-', "_"))
    }
}

/// All settings, in the order in which they are shown.
pub(crate) const KEYS: &[Key] = &[
    Key::new("config", Scope::CommandLine, Kind::Text),
    Key::new("compat", Scope::CommandLine, Kind::Text),
    Key::process("watch", Kind::Flag),
    Key::process("takeover", Kind::Flag),
    Key::process("threads", Kind::Number).or("1"),
    Key::process("shutdown-grace", Kind::Number).or("10s"),
    Key::process("debug", Kind::Flag),
    Key::process("admin-listen", Kind::Text),
    Key::process("admin-allow-from", Kind::Text).list(),
    Key::process("user", Kind::Number),
    Key::process("group", Kind::Number),
    Key::process("sandbox", Kind::Text).or("auto"),
    Key::socket("proxy-socket", Kind::Text)
        .list()
        .or("/tmp/doxy.sock"),
    Key::socket("socket-mode", Kind::Mode).or("0660"),
    Key::socket("socket-owner", Kind::Number),
    Key::socket("socket-group", Kind::Number),
    Key::socket("docker-socket", Kind::Text).or("/var/run/docker.sock"),
    Key::socket("docker-tls-ca", Kind::Text),
    Key::socket("docker-tls-cert", Kind::Text),
    Key::socket("docker-tls-key", Kind::Text),
    Key::socket("preset", Kind::Text).list(),
    Key::socket("pattern-file", Kind::Text),
    Key::socket("patterns", Kind::Text),
    Key::socket("script", Kind::Text),
    Key::socket("dry-run", Kind::FlagOrTime),
    Key::socket("explain-denials", Kind::Flag),
    Key::socket("allow-uid", Kind::Number).list(),
    Key::socket("allow-gid", Kind::Number).list(),
    Key::socket("allow-from", Kind::Text).list(),
    Key::socket("allow-cert", Kind::Text).list(),
    Key::socket("allow-container", Kind::Text).list(),
    Key::socket("allow-host", Kind::Text).list(),
    Key::socket("insecure-tcp", Kind::Flag),
    Key::socket("accept-risk", Kind::Text).list(),
    Key::socket("tls-cert", Kind::Text),
    Key::socket("tls-key", Kind::Text),
    Key::socket("tls-client-ca", Kind::Text),
    Key::socket("max-connections", Kind::Number).or("4096"),
    Key::socket("max-body", Kind::Number).or("1M"),
    Key::socket("head-timeout", Kind::Number).or("30s"),
    Key::socket("idle-timeout", Kind::Number).or("10m"),
    Key::socket("access-log", Kind::Text).or("off"),
    Key::socket("log-format", Kind::Text).or("text"),
];

/// Settings of versions to come. Whoever gives one would take it for protection.
pub(crate) const LATER: [&str; 1] = ["redact"];

/// The setting of this name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The name that is probably meant by a wrong one.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let folded = name.to_lowercase().replace('_', "-");
    let distance = |key: &&Key| strsim::osa_distance(&folded, key.name);
    let near = KEYS
        .iter()
        .filter(|key| key.scope != Scope::CommandLine)
        .min_by_key(distance)?;
    // One slip of the fingers in three letters is still a slip.
    (distance(&near) <= folded.chars().count() / 3).then_some(near.name)
}

#[cfg(test)]
mod tests {
    use super::{KEYS, find, nearest};

    #[test]
    fn names_are_words_and_each_is_there_once() {
        for key in KEYS {
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(key.name.chars().all(plain), "{}", key.name);
            let same = KEYS.iter().filter(|other| other.name == key.name).count();
            assert_eq!(same, 1, "{}", key.name);
        }
        assert_eq!(find("nothing").map(|key| key.name), None);
    }

    #[test]
    fn the_nearest_name() {
        for (name, expected) in [
            ("alow-uid", Some("allow-uid")),
            ("proxy_socket", Some("proxy-socket")),
            ("Proxy-Socket", Some("proxy-socket")),
            ("pattern-fil", Some("pattern-file")),
            ("pattern", Some("patterns")),
            ("confi", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(name), expected, "{name:?}");
        }
    }
}
