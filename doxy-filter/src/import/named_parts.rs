//! The parts of a CetusGuard rule that have a name: `%CONTAINER_ID_OR_NAME%`.
//!
//! It must never know a rule.

/// How deep named parts may name others.
const MAX_DEPTH: usize = 16;
/// The longest regex, with its named parts written out.
const MAX_REGEX: usize = 64 << 10;

/// The parts of a rule that have a name. Those of sections are made of the section's name.
const PARTS: [(&str, &str); 28] = [
    ("_LABEL", "[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?"),
    ("DOMAIN", r"(?:%_LABEL%(?:\.%_LABEL%)*)"),
    ("IPV4", r"(?:\d{1,3}(?:\.\d{1,3}){3})"),
    (
        "IPV6",
        r"(?:\[[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:%\w+)?\])",
    ),
    ("IP", "(?:%IPV4%|%IPV6%)"),
    ("DOMAIN_OR_IP", "(?:%DOMAIN%|%IP%)"),
    ("HOST", r"(?:%DOMAIN_OR_IP%(?::\d+)?)"),
    ("_OBJECT_ID", "[0-9A-Fa-f]+"),
    ("_OBJECT_NAME", r"(?:[0-9A-Za-z][\w.-]+)"),
    ("IMAGE_ID", "%_OBJECT_ID%"),
    (
        "IMAGE_COMPONENT",
        r"(?:[0-9A-Za-z]+(?:(?:\.|__?|-+)[0-9A-Za-z]+)*)",
    ),
    ("IMAGE_TAG", r"(?:\w[\w.-]{0,127})"),
    (
        "IMAGE_DIGEST",
        "(?:[A-Za-z][0-9A-Za-z]*(?:[_.+-][A-Za-z][0-9A-Za-z]*)*:[0-9A-Fa-f]{32,})",
    ),
    (
        "IMAGE_NAME",
        "(?:(?:%HOST%/)?%IMAGE_COMPONENT%(?:/%IMAGE_COMPONENT%)*)",
    ),
    (
        "IMAGE_REFERENCE",
        "(?:%IMAGE_NAME%(?::%IMAGE_TAG%)?(?:@%IMAGE_DIGEST%)?)",
    ),
    ("IMAGE_ID_OR_REFERENCE", "(?:%IMAGE_ID%|%IMAGE_REFERENCE%)"),
    ("CONTAINER_ID", "%_OBJECT_ID%"),
    ("CONTAINER_NAME", "%_OBJECT_NAME%"),
    (
        "CONTAINER_ID_OR_NAME",
        "(?:%CONTAINER_ID%|%CONTAINER_NAME%)",
    ),
    ("VOLUME_ID", "%_OBJECT_ID%"),
    ("VOLUME_NAME", "%_OBJECT_NAME%"),
    ("VOLUME_ID_OR_NAME", "(?:%VOLUME_ID%|%VOLUME_NAME%)"),
    ("NETWORK_ID", "%_OBJECT_ID%"),
    ("NETWORK_NAME", "[^/]+"),
    ("NETWORK_ID_OR_NAME", "(?:%NETWORK_ID%|%NETWORK_NAME%)"),
    ("PLUGIN_ID", "%_OBJECT_ID%"),
    ("PLUGIN_NAME", "%IMAGE_NAME%"),
    ("PLUGIN_ID_OR_NAME", "(?:%PLUGIN_ID%|%PLUGIN_NAME%)"),
];

const LIBPOD: &str = "libpod";
const VERSION: &str = r"(?:/v\d+(?:\.\d+)*)";

/// The sections of the API that have a name of their own. That of the ping has no underscore.
const SECTIONS: [&str; 24] = [
    "auth",
    "build",
    "commit",
    "configs",
    "containers",
    "distribution",
    "events",
    "exec",
    "grpc",
    "images",
    "info",
    "networks",
    "nodes",
    "_ping",
    "plugins",
    "secrets",
    "services",
    "session",
    "swarm",
    "system",
    "tasks",
    "version",
    "volumes",
    "",
];
/// And those of Podman's own API.
const LIBPOD_SECTIONS: [&str; 18] = [
    "build",
    "commit",
    "containers",
    "events",
    "exec",
    "generate",
    "images",
    "info",
    "manifests",
    "networks",
    "_ping",
    "play",
    "pods",
    "secrets",
    "system",
    "version",
    "volumes",
    "",
];

/// The regex that a name stands for.
fn part(name: &str) -> Option<String> {
    let section = |prefix: String, sections: &[&str], name: &str| {
        let found = sections
            .iter()
            .find(|it| it.trim_start_matches('_').to_uppercase() == name)?;
        Some(match *found {
            "" => prefix,
            section => format!("{prefix}/{section}"),
        })
    };
    if let Some(rest) = name.strip_prefix("API_PREFIX") {
        let below = |rest: &str| match rest {
            "" => Some(String::new()),
            rest => rest.strip_prefix('_').map(str::to_owned),
        };
        return match rest.strip_prefix("_LIBPOD") {
            Some(rest) => section(
                format!("{VERSION}/{LIBPOD}"),
                &LIBPOD_SECTIONS,
                &below(rest)?,
            ),
            None => section(format!("{VERSION}?"), &SECTIONS, &below(rest)?),
        };
    }
    let found = PARTS.iter().find(|(it, _)| *it == name);
    found.map(|(_, regex)| (*regex).to_owned())
}

/// A regex with its named parts written out.
pub(super) fn written_out(regex: &str) -> Result<String, String> {
    let mut text = regex.to_owned();
    for _ in 0..MAX_DEPTH {
        let mut out = String::new();
        let mut rest = &*text;
        let mut replaced = false;
        while let Some((before, behind)) = rest.split_once('%') {
            out.push_str(before);
            match behind
                .split_once('%')
                .and_then(|(name, rest)| Some((part(name)?, rest)))
            {
                Some((regex, behind)) => {
                    out.push_str(&regex);
                    rest = behind;
                    replaced = true;
                }
                None => {
                    out.push('%');
                    rest = behind;
                }
            }
        }
        out.push_str(rest);
        if out.len() > MAX_REGEX {
            return Err("the regex is too long with its named parts".to_owned());
        }
        if !replaced {
            return Ok(out);
        }
        text = out;
    }
    Err("its named parts do not end".to_owned())
}
