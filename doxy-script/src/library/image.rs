//! References to images, parsed as Docker's `distribution/reference` parses them.

use rhai::{Dynamic, Engine, ImmutableString};

/// The longest repository name that the engine accepts.
const MAX_NAME: usize = 255;

/// A reference, with the defaults for the parts that the text leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Image {
    /// `docker.io` if the text names none; empty for an image id.
    registry: ImmutableString,
    /// Without the registry: `library/busybox`, `team/app`.
    repository: ImmutableString,
    /// `latest` if the text has neither tag nor digest.
    tag: ImmutableString,
    digest: ImmutableString,
}

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Image>("image")
        .register_fn("image", |text: &str| {
            parse(text).map_or(Dynamic::UNIT, Dynamic::from)
        })
        .register_get("registry", |image: &mut Image| image.registry.clone())
        .register_get("repository", |image: &mut Image| image.repository.clone())
        .register_get("name", |image: &mut Image| {
            format!("{}/{}", image.registry, image.repository)
        })
        .register_get("tag", |image: &mut Image| image.tag.clone())
        .register_get("digest", |image: &mut Image| image.digest.clone());
}

/// Parses a reference. `None` if the engine would not accept it.
fn parse(text: &str) -> Option<Image> {
    if let Some(id) = own_id(text) {
        return Some(Image {
            registry: ImmutableString::new(),
            repository: ImmutableString::new(),
            tag: ImmutableString::new(),
            digest: format!("sha256:{id}").into(),
        });
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) if is_digest(digest) => (rest, digest),
        Some(_) => return None,
        None => (text, ""),
    };
    // A colon before the last slash begins a port, not a tag.
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (rest, ""),
    };
    if rest.len() > name.len() && !is_tag(tag) {
        return None;
    }
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || has_capital(first) =>
        {
            (first, rest)
        }
        _ => ("docker.io", name),
    };
    let registry = match registry {
        "index.docker.io" => "docker.io",
        other => other,
    };
    let repository = match registry == "docker.io" && !repository.contains('/') {
        true => format!("library/{repository}"),
        false => repository.to_owned(),
    };
    let named = registry.len() + 1 + repository.len();
    if !is_host(registry) || !repository.split('/').all(is_component) || named > MAX_NAME {
        return None;
    }
    Some(Image {
        registry: registry.into(),
        repository: repository.into(),
        tag: if tag.is_empty() && digest.is_empty() {
            "latest"
        } else {
            tag
        }
        .into(),
        digest: digest.into(),
    })
}

/// The 64 digits of an image id, if the text is one.
fn own_id(text: &str) -> Option<&str> {
    let id = text.strip_prefix("sha256:").unwrap_or(text);
    let hex = id
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (hex && id.len() == 64).then_some(id)
}

fn has_capital(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+._-".contains(&byte))
            && hex.len() >= 32
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = text.bytes();
    bytes.next().is_some_and(word)
        && text.len() <= 128
        && bytes.all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let plain = !host.is_empty()
        && host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let v6 = bracketed.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (plain || v6) && port.is_none_or(digits)
}

/// Lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_component(text: &str) -> bool {
    let alnum = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separators = text.as_bytes().split(alnum).filter(|part| !part.is_empty());
    let between =
        text.as_bytes().first().is_some_and(alnum) && text.as_bytes().last().is_some_and(alnum);
    between
        && separators.all(|separator| {
            matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|byte| *byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::parse;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn what_was_left_out_is_put_in() {
        let digest = format!("sha256:{HEX}");
        for (text, registry, repository, tag, with_digest) in [
            ("busybox", "docker.io", "library/busybox", "latest", ""),
            ("busybox:1.36", "docker.io", "library/busybox", "1.36", ""),
            ("team/app", "docker.io", "team/app", "latest", ""),
            (
                "docker.io/busybox",
                "docker.io",
                "library/busybox",
                "latest",
                "",
            ),
            (
                "index.docker.io/team/app",
                "docker.io",
                "team/app",
                "latest",
                "",
            ),
            ("ghcr.io/org/app:v1", "ghcr.io", "org/app", "v1", ""),
            ("localhost/app", "localhost", "app", "latest", ""),
            ("localhost:5000/app", "localhost:5000", "app", "latest", ""),
            ("reg:5000/a/b/c:t", "reg:5000", "a/b/c", "t", ""),
            ("Reg/app", "Reg", "app", "latest", ""),
            ("[::1]:5000/app", "[::1]:5000", "app", "latest", ""),
            (
                &format!("app@{digest}"),
                "docker.io",
                "library/app",
                "",
                &digest,
            ),
            (
                &format!("app:1@{digest}"),
                "docker.io",
                "library/app",
                "1",
                &digest,
            ),
            (HEX, "", "", "", &digest),
            (&digest, "", "", "", &digest),
        ] {
            let found = parse(text);
            let found = found.as_ref().map(|image| {
                (
                    &*image.registry,
                    &*image.repository,
                    &*image.tag,
                    &*image.digest,
                )
            });
            assert_eq!(
                found,
                Some((registry, repository, tag, with_digest)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_the_engine_refuses_is_none() {
        for text in [
            "",
            "/",
            "App",
            "a//b",
            "a/",
            "/a",
            "a:",
            "a:b:c",
            "a@x",
            "a b",
            "ghcr.io/",
            "ghcr.io/App",
            "a..b",
            "-a",
            "a_-b",
            "ghcr.io:x/a",
            "a@sha256:12",
            "a\n",
            "é",
            "a.-b",
            "ghcr.io@x/a",
            "evil/../a",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
