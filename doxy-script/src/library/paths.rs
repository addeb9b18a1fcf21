//! Paths, globs and binds.
//!
//! Only names are compared. Where a link on the engine's host leads cannot be known here.

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString};

/// A limit on the work for one glob: the length of the text times the length of the glob.
const MAX_GLOB: usize = 1 << 22;

/// A bind, or a named volume, as `HostConfig.Binds` has it: `source:target:options`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bind {
    source: ImmutableString,
    target: ImmutableString,
    options: ImmutableString,
}

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("under", under)
        .register_fn(
            "glob",
            |text: &str, pattern: &str| -> Result<bool, Box<EvalAltResult>> {
                match text.len().saturating_mul(pattern.len()) {
                    0..=MAX_GLOB => Ok(glob(text, pattern)),
                    _ => Err("the text and the glob are too long".into()),
                }
            },
        )
        .register_fn("clean_path", |path: &str| {
            clean(path).map_or(Dynamic::UNIT, |path| path.into())
        })
        .register_type_with_name::<Bind>("bind")
        .register_fn("bind", |text: &str| {
            bind(text).map_or(Dynamic::UNIT, Dynamic::from)
        })
        .register_get("source", |bind: &mut Bind| bind.source.clone())
        .register_get("target", |bind: &mut Bind| bind.target.clone())
        .register_get("options", |bind: &mut Bind| bind.options.clone())
        .register_get("is_path", |bind: &mut Bind| bind.source.starts_with('/'));
}

/// The path after `.`, `..` and doubled slashes are resolved. `None` if it is not absolute.
fn clean(path: &str) -> Option<String> {
    if !path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let mut clean = String::with_capacity(path.len());
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => clean.truncate(clean.rfind('/').unwrap_or_default()),
            name => clean.extend(["/", name]),
        }
    }
    if clean.is_empty() {
        clean.push('/');
    }
    Some(clean)
}

/// Whether a path is this folder or lies inside it, after both are cleaned.
fn under(path: &str, folder: &str) -> bool {
    let (Some(path), Some(folder)) = (clean(path), clean(folder)) else {
        return false;
    };
    path.strip_prefix(&folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder == "/")
}

/// Whether the whole text matches a glob: `*` is any text without a slash, `**` any text, `?` one
/// character except a slash; any other character stands for itself.
fn glob(text: &str, glob: &str) -> bool {
    let tokens = tokens(glob);
    // For each character, the set of tokens that may come next. The number of steps is at most the
    // number of characters times the number of tokens.
    let mut states = vec![false; tokens.len() + 1];
    enter(&mut states, &tokens, 0);
    for c in text.chars() {
        let mut next = vec![false; states.len()];
        for (at, token) in tokens.iter().enumerate() {
            if !states.get(at).copied().unwrap_or_default() {
                continue;
            }
            match token {
                Token::Exactly(own) if *own == c => enter(&mut next, &tokens, at + 1),
                Token::One if c != '/' => enter(&mut next, &tokens, at + 1),
                Token::Any => enter(&mut next, &tokens, at),
                Token::Within if c != '/' => enter(&mut next, &tokens, at),
                _ => {}
            }
        }
        states = next;
    }
    states.last().copied().unwrap_or_default()
}

enum Token {
    Exactly(char),
    One,
    Within,
    Any,
}

fn tokens(glob: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for c in glob.chars() {
        match (c, tokens.last_mut()) {
            ('*', Some(last @ (Token::Within | Token::Any))) => *last = Token::Any,
            ('*', _) => tokens.push(Token::Within),
            ('?', _) => tokens.push(Token::One),
            (c, _) => tokens.push(Token::Exactly(c)),
        }
    }
    tokens
}

/// Marks a token as possible, and the next one too if this one may match the empty text.
fn enter(states: &mut [bool], tokens: &[Token], at: usize) {
    for (offset, state) in states.iter_mut().skip(at).enumerate() {
        *state = true;
        if !matches!(tokens.get(at + offset), Some(Token::Within | Token::Any)) {
            break;
        }
    }
}

/// Parses a bind as the engine does. `None` if the engine would not accept it.
fn bind(text: &str) -> Option<Bind> {
    let mut parts = text.split(':');
    let (first, second, third) = (parts.next()?, parts.next(), parts.next());
    if parts.next().is_some() {
        return None;
    }
    // A single part is the target; the engine creates a volume for it.
    let (source, target) = match second {
        Some(second) => (first, second),
        None => ("", first),
    };
    Some(Bind {
        source: source.into(),
        target: target.into(),
        options: third.unwrap_or_default().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::{bind, glob, under};

    #[test]
    fn under_is_about_names_and_not_about_beginnings() {
        for (path, folder, expected) in [
            ("/srv/ci", "/srv/ci", true),
            ("/srv/ci/", "/srv/ci", true),
            ("/srv/ci/x", "/srv/ci/", true),
            ("/srv//ci/./x", "/srv/ci", true),
            ("/srv/ci/a/../b", "/srv/ci", true),
            ("/srv/ci/../../etc", "/srv/ci", false),
            ("/srv/ci/..", "/srv/ci", false),
            ("/srv/ci-other", "/srv/ci", false),
            ("/srv", "/srv/ci", false),
            ("srv/ci/x", "/srv/ci", false),
            ("", "/srv/ci", false),
            ("/etc", "/", true),
            ("/", "/", true),
            ("/../..", "/", true),
            ("/srv/ci\0/x", "/srv/ci", false),
            ("/srv/ci", "srv/ci", false),
            ("/srv/ci", "", false),
        ] {
            assert_eq!(under(path, folder), expected, "{path} {folder}");
        }
    }

    #[test]
    fn globs() {
        for (text, pattern, expected) in [
            ("ci-12", "ci-*", true),
            ("ci-", "ci-*", true),
            ("xci-1", "ci-*", false),
            ("ci-1/x", "ci-*", false),
            ("ci-1/x", "ci-**", true),
            ("a/b/c.rs", "a/**.rs", true),
            ("a/b/c.rs", "a/*.rs", false),
            ("a/b/c.rs", "**/c.rs", true),
            ("aaab", "*a*b", true),
            ("aaa", "*a*b", false),
            ("abc", "a?c", true),
            ("a/c", "a?c", false),
            ("é", "?", true),
            ("", "", true),
            ("", "*", true),
            ("a.b", "a.b", true),
            ("axb", "a.b", false),
            ("[a]", "[a]", true),
        ] {
            assert_eq!(glob(text, pattern), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn binds() {
        for (text, expected) in [
            ("/a:/b", Some(("/a", "/b", ""))),
            ("/a:/b:ro,z", Some(("/a", "/b", "ro,z"))),
            ("vol:/b", Some(("vol", "/b", ""))),
            ("/b", Some(("", "/b", ""))),
            ("/a:/b:ro:x", None),
        ] {
            let found = bind(text);
            let found = found
                .as_ref()
                .map(|bind| (&*bind.source, &*bind.target, &*bind.options));
            assert_eq!(found, expected, "{text}");
        }
    }
}
