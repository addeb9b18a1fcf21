//! What the running doxy says of itself, at its admin side: who it is, what it has given up, and which
//! policies are in force.
//!
//! Without an admin side nothing of it is known, and each line says so.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use doxy_proxy::{UpstreamAddr, listening_process};
use serde_json::Value;

use crate::config::{Config, Reach};
use crate::tools::admin_client::AdminClient;
use crate::tools::verify::listener::own_number;
use crate::tools::verify::report::Report;

const STATUS: &str = "/api/status";
const NOT_KNOWN: &str = "not known: no admin side";
const NONE: &str = "set admin-listen and restart doxy, or name its admin side: --admin ADDRESS";
const RELOAD: &str =
    "send SIGHUP to doxy; if its log says `not reloaded`, mend what it names first";

/// What is known of the running doxy.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    status: Option<Arc<Value>>,
    /// Why nothing is.
    why_not: &'static str,
    cure: &'static str,
    /// The process that listens at the admin side, where that is a unix socket.
    pub(super) listener: Option<i32>,
}

impl Inside {
    /// Asks the admin side, if there is one.
    pub(super) async fn ask(admin: Option<&AdminClient>, report: &mut Report) -> Self {
        let mut inside = Self {
            status: None,
            why_not: NOT_KNOWN,
            cure: NONE,
            listener: None,
        };
        let Some(admin) = admin else {
            report.skipped("admin", "", inside.why_not, inside.cure);
            return inside;
        };
        let address = admin.address().to_string();
        if let UpstreamAddr::Unix(path) = admin.address() {
            match listening_process(path) {
                Ok(listening) => inside.listener = own_number(&listening),
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
        const POLICY: &str = "policy";
        let Some(status) = &self.status else {
            return report.skipped(POLICY, name, self.why_not, self.cure);
        };
        let Some(config) = config else {
            let says = "not known: the settings cannot be read";
            return report.skipped(POLICY, name, says, "mend what the line `settings` says");
        };
        let now = config.sockets.iter().find(|socket| socket.name == name);
        let in_force = of(status).get(name).copied();
        let (Some(now), Some(in_force)) = (now, in_force) else {
            let says = "doxy does not serve this socket, which the settings have".to_owned();
            return report.failed(POLICY, name, says, RELOAD);
        };
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
        let described = &now.policy.described;
        match in_force.get("dry_run").and_then(Value::as_bool) {
            Some(true) => report.warning(
                POLICY,
                name,
                format!("{described}; hash {hash}; a dry run: what it denies is forwarded"),
                "remove dry-run when the policy is right, and send SIGHUP to doxy",
            ),
            _ => report.ok(POLICY, name, format!("{described}; hash {hash}")),
        }
    }

    /// What is served that the settings do not have.
    pub(super) fn others(&self, sockets: &[Reach], report: &mut Report) {
        let Some(status) = &self.status else { return };
        for name in of(status).keys() {
            if sockets.iter().all(|socket| socket.name != *name) {
                let says = "doxy serves this socket, which these settings do not have".to_owned();
                let cure = "give this the settings that doxy has, or send SIGHUP to doxy";
                report.warning("policy", name, says, cure);
            }
        }
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

/// The sockets of a status, by their names.
fn of(status: &Value) -> BTreeMap<&str, &Value> {
    let sockets = status.get("sockets").and_then(Value::as_array);
    let sockets = sockets.into_iter().flatten();
    sockets
        .filter_map(|socket| Some((socket.get("name")?.as_str()?, socket)))
        .collect()
}
