//! What a script could compare a request with, from what is written in it: names, paths, values of the
//! query, versions, callers. They are guesses: it must never be taken for all that a script can do.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use doxy_filter::api::{Api, Endpoint};
use doxy_filter::texts_matching;
use doxy_script::Literals;

use crate::proxy::explain::{Asker, AskingCertificate};

/// Versions of Docker's API that clients use.
const VERSIONS: [&str; 16] = [
    "1.24", "1.30", "1.36", "1.40", "1.41", "1.42", "1.43", "1.44", "1.45", "1.46", "1.47", "1.48",
    "1.49", "1.50", "1.51", "1.52",
];
/// Values of flags.
const FLAGS: [&str; 4] = ["", "0", "1", "true"];
/// The longest name.
const MAX_NAME: usize = 128;

/// What requests are made of.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// Names of objects.
    pub(super) names: Vec<String>,
    /// Paths without a version.
    pub(super) paths: Vec<String>,
    /// Names of parameters, and values.
    pub(super) values: Vec<String>,
    /// Versions of Docker's API, and of Podman's.
    docker: Vec<String>,
    libpod: Vec<String>,
    /// Processes, by their users.
    pub(super) users: Vec<Asker>,
    /// Clients on a network.
    pub(super) clients: Vec<Asker>,
}

impl Guesses {
    pub(super) fn new(literals: &Literals) -> Self {
        let mut texts = literals.texts.clone();
        for text in &literals.texts {
            // `GET /info` names a path.
            texts.extend(text.split_once(' ').map(|(_, path)| path.to_owned()));
            if text.contains(['*', '?', '[', '(', '|', '\\', '+', '.']) {
                texts.extend(texts_matching(text));
                texts.insert(text.replace('*', "a"));
            }
        }
        let beside = |number: &i64| [number.saturating_sub(1), *number, number.saturating_add(1)];
        let numbers: BTreeSet<i64> = literals.numbers.iter().flat_map(beside).collect();
        let mut names: BTreeSet<&str> = texts.iter().map(|text| &**text).collect();
        let paths = texts.iter().filter(|text| text.starts_with('/'));
        let paths: Vec<_> = paths.filter(|path| is_path(path)).cloned().collect();
        names.extend(texts.iter().flat_map(|text| text.split('/')));
        let names = names.into_iter().filter(|name| is_name(name));
        let values = texts.iter().cloned();
        let values = values.chain(numbers.iter().map(ToString::to_string));
        let values = values.chain(FLAGS.map(str::to_owned));
        let (docker, libpod) = versions(&texts, &numbers);
        Self {
            names: names.map(str::to_owned).collect(),
            paths,
            values: values.collect(),
            docker,
            libpod,
            users: numbers.iter().flat_map(users).collect(),
            clients: texts.iter().flat_map(|text| clients(text)).collect(),
        }
    }

    /// The versions in which an endpoint can be asked for.
    pub(super) fn versions(&self, endpoint: &Endpoint) -> &[String] {
        match endpoint.api {
            Api::Docker => &self.docker,
            Api::Libpod => &self.libpod,
        }
    }
}

/// Whether a text can stand for a name in a path as it is.
fn is_name(text: &str) -> bool {
    is_path(text) && !text.starts_with('/') && !matches!(text, "" | "." | "..")
}

fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+~=,!".contains(c);
    text.len() <= MAX_NAME && text.chars().all(plain)
}

fn versions(texts: &BTreeSet<String>, numbers: &BTreeSet<i64>) -> (Vec<String>, Vec<String>) {
    let parts = |text: &&String| {
        let mut parts = text.split('.');
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
        parts.all(digits).then(|| text.split('.').count())
    };
    let written = |count| {
        let fits = texts.iter().filter(move |text| parts(text) == Some(count));
        fits.cloned()
    };
    let numbers = || numbers.iter().filter(|number| (0..1000).contains(*number));
    let docker = VERSIONS.map(str::to_owned).into_iter();
    let docker = docker.chain(numbers().map(|minor| format!("1.{minor}")));
    let libpod = numbers().map(|major| format!("{major}.0.0"));
    (
        docker.chain(written(2)).collect(),
        libpod.chain(written(3)).collect(),
    )
}

fn users(number: &i64) -> Option<Asker> {
    let uid = u32::try_from(*number).ok()?;
    let pid = i32::try_from(*number).ok();
    Some(Asker::Unix { uid, gid: uid, pid })
}

/// Clients whose address or certificate has this text.
fn clients(text: &str) -> Vec<Asker> {
    let address = |ip: IpAddr| SocketAddr::new(ip, 4243);
    let ip = text.split('/').next().and_then(|ip| ip.parse().ok());
    let plain = ip.map(|ip| Asker::Net {
        address: address(ip),
        certificate: None,
    });
    let mut spki = [0; 32];
    let digits = text.as_bytes().chunks(2).map(|two| {
        let two = str::from_utf8(two).ok()?;
        u8::from_str_radix(two, 16).ok()
    });
    for (byte, digits) in spki.iter_mut().zip(digits) {
        *byte = digits.unwrap_or_default();
    }
    let shown = Asker::Net {
        address: address([192, 0, 2, 1].into()),
        certificate: Some(AskingCertificate {
            subject: text.to_owned(),
            sans: vec![text.to_owned()],
            spki,
        }),
    };
    plain.into_iter().chain([shown]).collect()
}
