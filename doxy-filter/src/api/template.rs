//! The path of an endpoint as a pattern, matched without a regex and without memory of its own.
//!
//! A template is spelled as the engine's router spells it. `{name}` is one segment, `{name:.+}` any
//! text but none, `{name:.*}` any text. Text never holds a newline: the router's `.` does not match
//! one.

/// A template, taken apart at compile time: what stands before its first name and behind its last
/// one, and the names in between. Without a name all of it stands behind.
#[derive(Debug)]
pub(super) struct Template {
    head: &'static str,
    names: Names,
    tail: &'static str,
}

#[derive(Debug)]
enum Names {
    None,
    One(Name),
    /// Two names, and what stands between them.
    Two(Name, &'static str, Name),
}

/// What a name may be.
#[derive(Debug, Clone, Copy)]
enum Name {
    /// `{name}`
    Segment,
    /// `{name:.+}`
    Text,
    /// `{name:.*}`
    TextOrNone,
}

impl Template {
    /// Takes a template apart. One that is not well formed is an error of the compiler.
    pub(super) const fn new(template: &'static str) -> Self {
        let (head, rest) = split(template, b'{');
        if rest.is_empty() {
            return Self {
                head: "",
                names: Names::None,
                tail: head,
            };
        }
        let (first, rest) = Name::new(rest);
        let (between, rest) = split(rest, b'{');
        if rest.is_empty() {
            return Self {
                head,
                names: Names::One(first),
                tail: between,
            };
        }
        let (second, tail) = Name::new(rest);
        Self {
            head,
            names: Names::Two(first, between, second),
            tail,
        }
    }

    /// The path without the end that all paths of this template have. Compared from the last byte
    /// on: there most paths differ already.
    #[inline(always)]
    pub(super) fn strip_tail<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (mut rest, mut tail) = (path.as_bytes(), self.tail.as_bytes());
        while let [tail_before @ .., expected] = tail {
            match rest {
                [before @ .., last] if last == expected => (rest, tail) = (before, tail_before),
                _ => return None,
            }
        }
        path.get(..rest.len())
    }

    /// Whether a canonical path is one of this template's. `path` is what [`Self::strip_tail`] has
    /// left of it.
    pub(super) fn matches(&self, path: &str) -> bool {
        let Some(names) = path.strip_prefix(self.head) else {
            return false;
        };
        match self.names {
            Names::None => names.is_empty(),
            // In the middle of a canonical path nothing can be empty.
            Names::One(_) if names.is_empty() && !self.tail.is_empty() => false,
            Names::One(name) => name.matches(names),
            Names::Two(first, between, second) => first
                .cut(names, between)
                .is_some_and(|(one, other)| first.matches(one) && second.matches(other)),
        }
    }
}

impl Name {
    /// Reads a name, from its `{` on: what it may be, and what stands behind its `}`.
    #[expect(clippy::panic, reason = "it would be the compiler's error")]
    const fn new(template: &'static str) -> (Self, &'static str) {
        let (name, rest) = split(template, b'}');
        let (_, behind) = rest.split_at(1);
        let (_, pattern) = split(name, b':');
        let name = match pattern.as_bytes() {
            b"" => Self::Segment,
            b":.+" => Self::Text,
            b":.*" => Self::TextOrNone,
            _ => panic!("nothing, `:.+` or `:.*` stands behind a name"),
        };
        (name, behind)
    }

    /// What this name takes of a text that goes on with `between`, and what stands behind that.
    fn cut<'t>(self, text: &'t str, between: &str) -> Option<(&'t str, &'t str)> {
        match self {
            Self::Segment => {
                let end = text.bytes().position(|byte| byte == b'/')?;
                let (segment, rest) = text.split_at_checked(end)?;
                Some((segment, rest.strip_prefix(between)?))
            }
            Self::Text | Self::TextOrNone => text.split_once(between),
        }
    }

    fn matches(self, text: &str) -> bool {
        let has = |byte| text.bytes().any(|other| other == byte);
        match self {
            Self::Segment => !text.is_empty() && !has(b'/'),
            Self::Text => !text.is_empty() && !has(b'\n'),
            Self::TextOrNone => !has(b'\n'),
        }
    }
}

/// What stands before the first such byte, and the rest with it.
const fn split(text: &'static str, byte: u8) -> (&'static str, &'static str) {
    let mut at = 0;
    let mut rest = text.as_bytes();
    while let [next, behind @ ..] = rest {
        if *next == byte {
            break;
        }
        at += 1;
        rest = behind;
    }
    text.split_at(at)
}
