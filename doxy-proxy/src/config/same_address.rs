//! Whether two sockets would listen at one address, however it is spelled.
//!
//! It looks at folders and links, and changes nothing.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{self, Path, PathBuf};

use crate::config::admin::AdminConfig;
use crate::config::error::ConfigError;
use crate::config::socket::{Bind, ListenConfig, SocketConfig};

/// An address that is the same only if it is equal.
#[derive(PartialEq, Eq, Hash)]
enum Named<'a> {
    Path(PathBuf),
    Fd(&'a str),
}

/// An address, and what listens there.
type Owned<'a> = (Listens<'a>, &'a Bind);

/// What listens at an address.
#[derive(Clone, Copy)]
enum Listens<'a> {
    Socket(&'a str),
    Admin,
}

impl std::fmt::Display for Listens<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(name) => write!(f, "the socket {name}"),
            Self::Admin => f.write_str("the admin side"),
        }
    }
}

/// Refuses two equal addresses. The error is at the second.
pub(super) fn check(
    sockets: &[SocketConfig],
    admin: Option<&AdminConfig>,
) -> Result<(), ConfigError> {
    let mut named: HashMap<Named<'_>, Owned<'_>> = HashMap::new();
    let mut ports: HashMap<u16, Vec<(SocketAddr, Owned<'_>)>> = HashMap::new();
    let all = sockets.iter().flat_map(|socket| {
        let binds = socket.binds.iter();
        binds.map(move |bind| (Listens::Socket(&socket.name), bind))
    });
    let admin = admin.into_iter().flat_map(|admin| &admin.binds);
    for owned in all.chain(admin.map(|bind| (Listens::Admin, bind))) {
        let name = match &owned.1.listen {
            ListenConfig::Unix(unix) => Named::Path(real(&unix.path)),
            ListenConfig::Inherited(name) => Named::Fd(name),
            ListenConfig::Tcp(address) => {
                let others = ports.entry(address.port()).or_default();
                if let Some((_, other)) = others.iter().find(|it| overlap(it.0, *address)) {
                    return Err(twice(owned, *other));
                }
                others.push((*address, owned));
                continue;
            }
        };
        if let Some(other) = named.insert(name, owned) {
            return Err(twice(owned, other));
        }
    }
    Ok(())
}

fn twice((_, bind): Owned<'_>, (listens, other): Owned<'_>) -> ConfigError {
    let at = match other.setting.place() {
        Some(place) => place.to_string(),
        None => other.setting.to_string(),
    };
    bind.setting.wrong(
        format_args!("{listens} listens there already ({at})"),
        "give each socket addresses of its own",
    )
}

/// Whether a listener at one address is in the way of one at the other, on the same port. The
/// unspecified address of IPv6 serves both families.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let all = |address: SocketAddr| address.ip().is_unspecified();
    let (one_all, other_all) = (all(one), all(other));
    match (one, other) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => one_all || other_all || one.ip() == other.ip(),
        (SocketAddr::V6(a), SocketAddr::V6(b)) => {
            let same = a.ip() == b.ip() && a.scope_id() == b.scope_id();
            one_all || other_all || same
        }
        (SocketAddr::V6(_), SocketAddr::V4(_)) => one_all,
        (SocketAddr::V4(_), SocketAddr::V6(_)) => other_all,
    }
}

/// A path without links and dots. The file itself need not exist; a link in its place is no other
/// file, because nobody can listen through it.
pub(super) fn real(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let real = fs::canonicalize(folder).ok().zip(path.file_name());
    match real {
        Some((folder, name)) => folder.join(name),
        None => path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_addresses() {
        for (one, other, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::]:1", "0.0.0.0:1", true),
            ("[::]:1", "[::1]:1", true),
            ("[::1]:1", "[::1]:1", true),
            ("[::1]:1", "[::2]:1", false),
            ("[::1]:1", "127.0.0.1:1", false),
            ("[::1]:1", "0.0.0.0:1", false),
            ("[fe80::1%1]:1", "[fe80::1%2]:1", false),
            ("[fe80::1%1]:1", "[fe80::1%1]:1", true),
        ] {
            let address = |text: &str| text.parse::<SocketAddr>().ok();
            let both = address(one).zip(address(other));
            let found = both.map(|(one, other)| (overlap(one, other), overlap(other, one)));
            assert_eq!(found, Some((expected, expected)), "{one} {other}");
        }
    }
}
