//! What the running doxy says of itself, at its admin side: who it is, what it has given up, and which
//! policies are in force.
//!
//! Without an admin side nothing of it is known, and each line says so.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use doxy_proxy::{Shown, UpstreamAddr, listening_process};
use serde_json::Value;

use crate::config::{Bind, Config, ListenConfig, Reach, is_same_file};
use crate::tools::admin_client::AdminClient;
use crate::tools::verify::certificates;
use crate::tools::verify::report::Report;

const STATUS: &str = "/api/status";
const NOT_KNOWN: &str = "not known: no admin side";
const NONE: &str = "set admin-listen and restart doxy, or name its admin side: --admin ADDRESS";
const POLICY: &str = "policy";
const UNLIKE: &str = "give this the settings that doxy has, name the admin side of the doxy that is meant, or \
                      send SIGHUP to doxy";
const RELOAD: &str =
    "send SIGHUP to doxy; if its log says `not reloaded`, mend what it names first";

/// What is known of the running doxy.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    pub(super) status: Option<Arc<Value>>,
    /// Why nothing is.
    why_not: &'static str,
    cure: &'static str,
    /// The number that doxy has for itself.
    pub(super) pid: Option<i32>,
    /// The number that it has here: that of the process that listens at the admin side, if that is the one that
    /// speaks there.
    pub(super) listener: Option<i32>,
}

/// Whether something is there that speaks TLS, for those alone who show a certificate.
async fn is_for_others(admin: &AdminClient) -> bool {
    let Some((tcp, time)) = admin.for_certificates() else {
        return false;
    };
    let shown = certificates::shown_at(tcp, time).await;
    matches!(shown, Some(Shown::Certificate(_) | Shown::Refused(_)))
}

impl Inside {
    /// Asks the admin side, if there is one.
    pub(super) async fn ask(admin: Option<&AdminClient>, report: &mut Report) -> Self {
        let mut inside = Self {
            status: None,
            why_not: NOT_KNOWN,
            cure: NONE,
            pid: None,
            listener: None,
        };
        let mut listening = None;
        let Some(admin) = admin else {
            report.skipped("admin", "", inside.why_not, inside.cure);
            return inside;
        };
        let address = admin.address().to_string();
        if let UpstreamAddr::Unix(path) = admin.address() {
            match listening_process(path) {
                Ok(found) => listening = Some(found),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    inside.why_not = "not known: this user may not ask the admin side";
                    inside.cure = "run this as root, or as doxy's user";
                    report.skipped("admin", &address, inside.why_not, inside.cure);
                    return inside;
                }
                Err(_) => {}
            }
        }
        match admin.json(STATUS).await {
            Ok(status) => inside.status = Some(Arc::new(status)),
            Err(_) if is_for_others(admin).await => {
                inside.why_not =
                    "not known: the admin side answers only to who shows a certificate";
                inside.cure =
                    "give it an admin-listen on this host that takes none, such as a unix socket";
                report.skipped("admin", &address, inside.why_not, inside.cure);
                return inside;
            }
            Err(error) => {
                inside.why_not = "not known: the admin side does not answer";
                inside.cure = "mend what the line `admin` says";
                let cure = "start doxy with this admin-listen, or name the admin side that it has: --admin \
                            ADDRESS";
                report.failed("admin", &address, error.to_string(), cure);
                return inside;
            }
        }
        let (version, own) = (inside.text(&["version"]), env!("CARGO_PKG_VERSION"));
        let pid = inside.number(&["pid"]);
        inside.pid = i32::try_from(pid).ok().filter(|pid| *pid > 0);
        // Not that of the service manager, or of a relay.
        let listening = listening.filter(|it| it.own_pid.is_some() && it.own_pid == inside.pid);
        inside.listener = listening.and_then(|it| it.pid);
        let says = format!("doxy {version}, process {pid}");
        match version == own {
            true => report.ok("admin", &address, says),
            false => {
                let says = format!("{says}; this is doxy {own}");
                let cure = "restart doxy to have it run the version that is installed";
                report.warning("admin", &address, says, cure);
            }
        }
        inside
    }

    /// What holds for the whole process.
    pub(super) fn process(&self, report: &mut Report) {
        if self.status.is_none() {
            for check in ["user", "sandbox", "reload", "log"] {
                report.skipped(check, "", self.why_not, self.cure);
            }
            return;
        }
        let sandbox = self.text(&["sandbox"]);
        // It stands behind the words about the user, if doxy became one.
        let off = sandbox == "off" || sandbox.ends_with(", off");
        let (uid, gid) = (self.number(&["user", "uid"]), self.number(&["user", "gid"]));
        let user = format!("uid {uid}, gid {gid}");
        match uid == 0 && off {
            true => report.warning(
                "user",
                "",
                format!("{user}: root, with all that root may"),
                "set `user`, or leave `sandbox` at auto",
            ),
            false => report.ok("user", "", user),
        }
        let cure = match off {
            true => "leave `sandbox` at auto",
            false => "use a kernel that has what is missing",
        };
        match off || sandbox.contains("missing: ") {
            true => report.warning("sandbox", "", sandbox, cure),
            false => report.ok("sandbox", "", sandbox),
        }
        let error = self.at(&["reloads", "last_error"]).and_then(Value::as_str);
        match error {
            Some(error) => {
                let error = error.split('\n').next().unwrap_or_default();
                let says =
                    format!("the last one failed, and what was in force before is still: {error}");
                let cure = "mend what it names (doxy check), then send SIGHUP to doxy";
                report.failed("reload", "", says, cure);
            }
            None => {
                let count = self.number(&["reloads", "ok"]);
                report.ok(
                    "reload",
                    "",
                    format!("{count} since the start, none failed last"),
                );
            }
        }
        match self.number(&["log", "dropped"]) {
            0 => report.ok("log", "", "no line was dropped"),
            dropped => report.warning(
                "log",
                "",
                format!("{dropped} lines were dropped"),
                "see whether the disk of the access log is full or slow, and who reads standard error",
            ),
        }
    }

    /// Whether the policy of a socket is the one that the settings have now.
    pub(super) fn policy(&self, name: &str, config: Option<&Config>, report: &mut Report) {
        let Some(status) = &self.status else {
            return report.skipped(POLICY, name, self.why_not, self.cure);
        };
        let Some(config) = config else {
            let says = "not known: the settings cannot be read";
            return report.skipped(POLICY, name, says, "mend what the line `settings` says");
        };
        let now = config.sockets.iter().find(|socket| socket.name == name);
        let in_force = now.and_then(|now| served(status, name, &now.binds));
        let (Some(now), Some(in_force)) = (now, in_force) else {
            let says = "the doxy of the admin side does not serve this socket".to_owned();
            return report.warning(POLICY, name, says, UNLIKE);
        };
        let has = addresses(in_force);
        for bind in &now.binds {
            let address = bind.listen.to_string();
            if !has.is_empty() && !has.iter().any(|it| is_at(bind, it)) {
                let says = format!("the doxy of the admin side does not listen at {address}");
                report.warning(POLICY, name, says, UNLIKE);
            }
        }
        let text = |key: &str| in_force.get("policy")?.get(key)?.as_str();
        let hash = format!("{:016x}", now.policy.hash);
        if text("hash") != Some(&hash) {
            let says = format!(
                "another one is in force than the settings have now: {} is, {} would be",
                text("hash").unwrap_or("unknown"),
                hash
            );
            return report.failed(POLICY, name, says, RELOAD);
        }
        let says = format!("{}; hash {hash}", now.policy.described);
        told(name, says, in_force, report);
    }

    /// The policy of a socket of which there are no settings.
    pub(super) fn in_force(&self, name: &str, report: &mut Report) {
        let of_socket = self
            .status
            .as_deref()
            .and_then(|status| of(status).remove(name));
        let Some(socket) = of_socket else { return };
        let policy = |key: &str| socket.get("policy")?.get(key)?.as_str();
        let unknown = "unknown";
        let says = format!(
            "{}; hash {}",
            policy("described").unwrap_or(unknown),
            policy("hash").unwrap_or(unknown)
        );
        told(name, says, socket, report);
    }

    /// What is served that the settings do not have.
    pub(super) fn others(&self, sockets: &[Reach], report: &mut Report) {
        let Some(status) = &self.status else { return };
        for (name, served) in of(status) {
            let all = addresses(served);
            let alike = |socket: &&Reach| {
                socket.name == name
                    || all
                        .iter()
                        .any(|at| socket.binds.iter().any(|it| is_at(it, at)))
            };
            let Some(socket) = sockets.iter().find(alike) else {
                let says = "doxy serves this socket, which these settings do not have".to_owned();
                report.warning(POLICY, name, says, UNLIKE);
                continue;
            };
            for address in all {
                if !socket.binds.iter().any(|bind| is_at(bind, address)) {
                    let says =
                        format!("doxy listens at {address}, which these settings do not have");
                    report.warning(POLICY, name, says, UNLIKE);
                }
            }
        }
    }

    /// The user that doxy is.
    pub(super) fn uid(&self) -> Option<u32> {
        let uid = self.at(&["user", "uid"])?.as_u64()?;
        u32::try_from(uid).ok()
    }

    fn at(&self, keys: &[&str]) -> Option<&Value> {
        let status = self.status.as_deref()?;
        keys.iter().try_fold(status, |value, key| value.get(key))
    }

    fn text(&self, keys: &[&str]) -> String {
        let text = self.at(keys).and_then(Value::as_str);
        text.unwrap_or("unknown").to_owned()
    }

    fn number(&self, keys: &[&str]) -> u64 {
        self.at(keys).and_then(Value::as_u64).unwrap_or_default()
    }
}

/// A policy in force that is as it should be, but for a dry run.
fn told(name: &str, says: String, socket: &Value, report: &mut Report) {
    match socket.get("dry_run").and_then(Value::as_bool) {
        Some(true) => report.warning(
            POLICY,
            name,
            format!("{says}; a dry run: what it denies is forwarded"),
            "remove dry-run when the policy is right, and send SIGHUP to doxy",
        ),
        _ => report.ok(POLICY, name, says),
    }
}

/// The socket of a status that has this name, or one of these addresses: without a table, it is called by how its
/// path was written.
fn served<'s>(status: &'s Value, name: &str, binds: &[Bind]) -> Option<&'s Value> {
    let mut all = of(status);
    if let Some(socket) = all.remove(name) {
        return Some(socket);
    }
    let is_one = |socket: &&Value| {
        let at = addresses(socket);
        at.iter().any(|at| binds.iter().any(|bind| is_at(bind, at)))
    };
    all.into_values().find(is_one)
}

/// Whether this is the address, however its path is written.
fn is_at(bind: &Bind, address: &str) -> bool {
    match &bind.listen {
        listen if listen.to_string() == address => true,
        ListenConfig::Unix(unix) => is_same_file(&unix.path, Path::new(address)),
        _ => false,
    }
}

/// Where a socket of a status is served.
fn addresses(socket: &Value) -> Vec<&str> {
    let addresses = socket.get("addresses").and_then(Value::as_array);
    let addresses = addresses.into_iter().flatten();
    addresses
        .filter_map(|it| it.get("address")?.as_str())
        .collect()
}

/// The sockets of a status, by their names.
fn of(status: &Value) -> BTreeMap<&str, &Value> {
    let sockets = status.get("sockets").and_then(Value::as_array);
    let sockets = sockets.into_iter().flatten();
    sockets
        .filter_map(|socket| Some((socket.get("name")?.as_str()?, socket)))
        .collect()
}
