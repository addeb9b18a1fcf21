//! Settings of TLS that are for nothing.

use doxy_proxy::UpstreamAddr;

use crate::config::admin::AdminConfig;
use crate::config::error::ConfigError;
use crate::config::layers::Stack;
use crate::config::socket::SocketConfig;

/// Refuses settings of TLS that nothing uses: whoever wrote them takes them for protection.
pub(super) fn check(
    stacks: &[Stack<'_>],
    sockets: &[SocketConfig],
    admin: Option<&AdminConfig>,
) -> Result<(), ConfigError> {
    type Uses = fn(&SocketConfig) -> bool;
    let clients: Uses = SocketConfig::has_tcp;
    let engine: Uses = |socket| matches!(socket.engine, UpstreamAddr::Tcp(_));
    let no_clients = "proxy-socket names no tcp:// address";
    let no_engine = "docker-socket is no tcp:// address";
    let keys = [
        ("tls-cert", clients, no_clients),
        ("tls-client-ca", clients, no_clients),
        ("docker-tls-ca", engine, no_engine),
        ("docker-tls-cert", engine, no_engine),
    ];
    for (key, uses, why) in keys {
        let mut unused = None;
        // The admin side has what stands at the top.
        let mut used = key.starts_with("tls-") && admin.is_some_and(|admin| admin.tls.is_some());
        for ((_, layers), socket) in stacks.iter().zip(sockets) {
            let Some(setting) = layers.optional(key) else {
                continue;
            };
            let own = layers.table.is_some_and(|table| !table.get(key).is_empty());
            match uses(socket) {
                true => used = true,
                false if own => return Err(setting.wrong(why, "TLS is for TCP: leave it out")),
                false => unused = Some(setting),
            }
        }
        if let Some(setting) = unused.filter(|_| !used) {
            return Err(setting.wrong(why, "TLS is for TCP: leave it out"));
        }
    }
    Ok(())
}
