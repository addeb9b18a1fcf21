//! What a configuration allows and is probably a mistake. It must never refuse anything.

use crate::config::file::{self, Contents};
use crate::config::keys::{KEYS, Scope};
use crate::config::layers::{Layer, Stack};
use crate::config::settings::Setting;
use crate::config::socket::{ListenConfig, SocketConfig};

/// What is allowed and probably a mistake.
pub(super) fn warnings(
    given: &Layer,
    contents: &Contents,
    stacks: &[Stack<'_>],
    sockets: &[SocketConfig],
) -> Vec<String> {
    let mut warnings = vec![];
    for setting in given.settings() {
        let key = setting.key();
        let of_socket = KEYS
            .iter()
            .any(|it| it.name == key && it.scope == Scope::Socket);
        let has = |table: &file::Table| !table.layer.get(key).is_empty();
        let tables = &contents.sockets;
        if of_socket && !setting.is_emptied() && !tables.is_empty() && tables.iter().all(has) {
            warnings.push(format!(
                "{setting}: no socket uses it, because every table in the file has its own"
            ));
        }
    }
    warnings.extend(formats_of_nothing(stacks, sockets));
    for socket in sockets {
        let plain_tcp = socket.has_tcp() && socket.tls.is_none();
        if plain_tcp && !socket.peers.containers.is_empty() {
            warnings.push(format!(
                "{}: allow-container over TCP without TLS goes by addresses, which others in the \
                 network can take; it is no reason to allow what leads to the host",
                socket.name
            ));
        }
        for bind in &socket.binds {
            let ListenConfig::Tcp(address) = &bind.listen else {
                continue;
            };
            if address.ip().is_loopback() {
                continue;
            }
            let listen = &bind.listen;
            if !socket.is_guarded() {
                warnings.push(format!(
                    "everyone who reaches {listen} may do what the policy allows, because of \
                     insecure-tcp"
                ));
            } else if plain_tcp && socket.peers.containers.is_empty() {
                warnings.push(format!(
                    "{listen} has no TLS: everyone on the way can read and change what goes \
                     over it, and allow-from goes by addresses, which others in the network can take"
                ));
            }
        }
    }
    warnings
}

/// Formats of an access log where there is none. Whoever turned it off knows that.
fn formats_of_nothing(stacks: &[Stack<'_>], sockets: &[SocketConfig]) -> Vec<String> {
    let said = |setting: &Setting| {
        format!(
            "{setting}: there is no access log that would have this format; set access-log to a file or \
             to stdout"
        )
    };
    let mut warnings = vec![];
    let (mut shared, mut used) = (None, false);
    for ((_, layers), socket) in stacks.iter().zip(sockets) {
        let Some(setting) = layers.optional("log-format") else {
            continue;
        };
        let own = layers
            .table
            .is_some_and(|table| !table.get("log-format").is_empty());
        let logs = socket.access_log.is_some() || layers.optional("access-log").is_some();
        match (logs, own) {
            (false, true) => warnings.push(said(setting)),
            (false, false) => shared = Some(setting),
            (true, _) => used |= !own,
        }
    }
    warnings.extend(shared.filter(|_| !used).map(said));
    warnings
}
