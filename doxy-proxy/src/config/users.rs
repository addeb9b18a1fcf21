//! Names of users and groups, looked up in /etc/passwd and /etc/group.
//!
//! The files are read here because the C library's lookup loads plugins, and does not work in a
//! static binary. It only looks up; `privilege` becomes a user.

use std::fs;

use doxy_proxy::privilege::RunAs;
use rustix::fs::{Gid, Uid};

use crate::config::error::ConfigError;
use crate::config::settings::Setting;

const HELP: &str = "use a name from there, or a number";

/// Users and groups as the system had them when doxy started: in the sandbox it cannot ask again.
#[derive(Debug, Default)]
pub(super) struct Users {
    passwd: String,
    group: String,
}

impl Users {
    /// Reads both files. One that cannot be read names nobody.
    pub(super) fn read() -> Self {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        Self {
            passwd: read("/etc/passwd"),
            group: read("/etc/group"),
        }
    }

    /// The number of a user.
    pub(super) fn user(&self, setting: &Setting) -> Result<u32, ConfigError> {
        id(setting.text()?, &self.passwd)
            .ok_or_else(|| setting.wrong("no such user in /etc/passwd", HELP))
    }

    /// The number of a group.
    pub(super) fn group(&self, setting: &Setting) -> Result<u32, ConfigError> {
        id(setting.text()?, &self.group)
            .ok_or_else(|| setting.wrong("no such group in /etc/group", HELP))
    }

    /// The user that `--user` and `--group` name.
    pub(super) fn run_as(
        &self,
        name: Option<&Setting>,
        group_name: Option<&Setting>,
    ) -> Result<Option<RunAs>, ConfigError> {
        let Some(setting) = name else {
            return match group_name {
                Some(group) => Err(group.wrong(
                    "this is the group of --user, which is not given",
                    "name the user as well, or leave it out",
                )),
                None => Ok(None),
            };
        };
        let name = setting.text()?;
        let uid = self.user(setting)?;
        let gid = match group_name {
            Some(setting) => self.group(setting)?,
            None => own_group(name, uid, &self.passwd).ok_or_else(|| {
                setting.wrong(
                    "/etc/passwd does not say what group this user has",
                    "name the group with --group",
                )
            })?,
        };
        Ok(Some(RunAs {
            setting: setting.to_string(),
            name: name.to_owned(),
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            group_named: group_name.is_some(),
        }))
    }
}

/// A number, or the third field of the name's line.
///
/// The highest number belongs to nobody: it means "do not change" to the kernel.
fn id(name: &str, lines: &str) -> Option<u32> {
    let number = name.parse().ok().or_else(|| {
        lines.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
        })
    });
    number.filter(|id| *id != u32::MAX)
}

/// The fourth field of the user's line.
fn own_group(name: &str, uid: u32, passwd: &str) -> Option<u32> {
    let gid = passwd.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let [other, _, number, group, ..] = fields[..] else {
            return None;
        };
        let found = other == name || number.parse() == Ok(uid);
        found.then(|| group.parse().ok())?
    });
    gid.filter(|gid| *gid != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_users() {
        let passwd = Users::read().passwd;
        assert_eq!(id("root", &passwd), Some(0));
        assert_eq!(id("1234", &passwd), Some(1234));
        assert_eq!(id("4294967295", &passwd), None);
        assert_eq!(id("no such user", &passwd), None);
    }
}
