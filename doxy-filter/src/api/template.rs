//! Path templates, matched without a regex and without allocating.
//!
//! Templates are spelled as in the engine's router: `{name}` is one segment, `{name:.+}` any text
//! that is not empty, `{name:.*}` any text. As in the router's regexes, text contains no newline.

/// A template, parsed at compile time: what is before its first name, what is after its last one,
/// and the names. A template without names is all tail.
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
    /// Two names, and what is between them.
    Two(Name, &'static str, Name),
}

/// What a name may match.
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
    /// Parses a template. A malformed one does not compile.
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

    /// The path without the tail of this template. Compares from the last byte backwards, because
    /// most paths differ there.
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

    /// Whether a canonical path matches. `path` is what [`Self::strip_tail`] returned.
    pub(super) fn matches(&self, path: &str) -> bool {
        let Some(names) = path.strip_prefix(self.head) else {
            return false;
        };
        match self.names {
            Names::None => names.is_empty(),
            // A canonical path has no `//`, so a name in its middle is not empty.
            Names::One(_) if names.is_empty() && !self.tail.is_empty() => false,
            Names::One(name) => name.matches(names),
            Names::Two(first, between, second) => first
                .cut(names, between)
                .is_some_and(|(one, other)| first.matches(one) && second.matches(other)),
        }
    }
}

impl Name {
    /// Parses a name from its `{` on. Returns it and what is after its `}`.
    #[expect(clippy::panic, reason = "evaluated at compile time")]
    const fn new(template: &'static str) -> (Self, &'static str) {
        let (name, rest) = split(template, b'}');
        let (_, behind) = rest.split_at(1);
        let (_, pattern) = split(name, b':');
        let name = match pattern.as_bytes() {
            b"" => Self::Segment,
            b":.+" => Self::Text,
            b":.*" => Self::TextOrNone,
            _ => panic!("a name is followed by nothing, `:.+` or `:.*`"),
        };
        (name, behind)
    }

    /// Splits a text into what this name matches and what is after `between`.
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

/// Splits a text before the first such byte.
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
