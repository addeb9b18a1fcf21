//! The sockets that an admin side says it serves, for a look without the settings of that doxy.
//!
//! Only what can be found from here is looked at. The rest is named, with what would tell.

use std::path::Path;

use doxy_proxy::UpstreamAddr;
use serde_json::Value;

use crate::config::{Layer, Reach, Setting, Source};
use crate::tools::verify::report::Report;

/// What messages call a setting that comes from there.
const NAME: &str = "--admin";
const GIVE: &str = "give the settings that doxy has: the same variables, or --config";

/// The sockets, and those of them whose engine can be asked.
pub(super) fn sockets(status: &Value, report: &mut Report) -> (Vec<Reach>, Vec<bool>) {
    let listed = status.get("sockets").and_then(Value::as_array);
    let (mut sockets, mut engines) = (vec![], vec![]);
    for socket in listed.into_iter().flatten() {
        let Some(name) = socket.get("name").and_then(Value::as_str) else {
            continue;
        };
        let Some(reach) = reach(socket, report) else {
            continue;
        };
        engines.push(match &reach.engine {
            UpstreamAddr::Unix(path) if path.is_absolute() => true,
            engine => {
                let says = match engine {
                    UpstreamAddr::Unix(_) => RELATIVE,
                    UpstreamAddr::Tcp(_) => {
                        "not known: only the settings say whether it speaks TLS"
                    }
                };
                report.skipped("engine", &engine.to_string(), says, GIVE);
                false
            }
        });
        let name = name.to_owned();
        sockets.push(Reach { name, ..reach });
    }
    (sockets, engines)
}

const RELATIVE: &str = "not known: its path begins in the folder in which doxy was started";

/// One of them, as far as its addresses are known. None if none is.
fn reach(socket: &Value, report: &mut Report) -> Option<Reach> {
    let mut layer = Layer::default();
    let mut add = |key, value: &str| layer.add(Setting::named(NAME, key, value.as_ref()));
    if let Some(engine) = socket.get("engine").and_then(Value::as_str) {
        add("docker-socket", engine);
    }
    let addresses = socket.get("addresses").and_then(Value::as_array);
    let mut any = false;
    for address in addresses.into_iter().flatten() {
        let text = |key: &str| address.get(key).and_then(Value::as_str);
        let Some(at) = text("address") else { continue };
        let mut skipped = |says| report.skipped("socket", at, says, GIVE);
        match text("kind") {
            Some("tls") => {
                skipped("not known: over TLS, and only the settings name the certificate");
                continue;
            }
            Some("unix") if !at.contains("://") && Path::new(at).is_relative() => {
                skipped(RELATIVE);
                continue;
            }
            _ => {}
        }
        add("proxy-socket", at);
        any = true;
        if let Some(mode) = text("mode") {
            add("socket-mode", mode);
        }
    }
    if !any {
        return None;
    }
    match Source::new(layer).reach() {
        Ok(sockets) => sockets.into_iter().next(),
        Err(error) => {
            let error = error.to_string();
            let (what, _) = error.split_once('\n').unwrap_or((&error, ""));
            let cure = "see whether this is the admin side of a doxy, and of this version";
            report.failed("admin", "", what.to_owned(), cure);
            None
        }
    }
}
