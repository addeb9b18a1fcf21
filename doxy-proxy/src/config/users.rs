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

/// A user as it logs in: with all its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// Its name, or its number if nobody has named it.
    pub(crate) name: String,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    /// The groups that it is a member of besides.
    pub(crate) groups: Vec<Gid>,
    /// Its home folder, if it has one.
    pub(crate) home: Option<String>,
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

    /// A user with all its groups.
    pub(super) fn login(
        &self,
        user: &Setting,
        group: Option<&Setting>,
    ) -> Result<Login, ConfigError> {
        let Some(run_as) = self.run_as(Some(user), group)? else {
            return Err(user.wrong("no user", HELP));
        };
        let fields = self.passwd.lines().map(|line| line.split(':').collect());
        let own = |fields: &Vec<&str>| {
            fields.first() == Some(&&*run_as.name)
                || fields.get(2).and_then(|uid| uid.parse().ok()) == Some(run_as.uid.as_raw())
        };
        let entry = fields.into_iter().find(own).unwrap_or_default();
        let name = entry.first().map_or(&*run_as.name, |name| *name).to_owned();
        let home = entry.get(5).filter(|home| !home.is_empty());
        Ok(Login {
            groups: memberships(&name, &self.group),
            name,
            uid: run_as.uid,
            gid: run_as.gid,
            home: home.map(|home| (*home).to_owned()),
        })
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

/// The groups that list this user as a member, in the fourth field of their lines.
fn memberships(name: &str, group: &str) -> Vec<Gid> {
    let member = |line: &str| {
        let fields: Vec<_> = line.split(':').collect();
        let [_, _, number, members, ..] = fields[..] else {
            return None;
        };
        let gid = number.parse().ok().filter(|gid| *gid != u32::MAX)?;
        let listed = members.split(',').any(|member| member.trim() == name);
        listed.then(|| Gid::from_raw(gid))
    };
    let mut groups: Vec<_> = group.lines().filter_map(member).collect();
    groups.sort_unstable_by_key(|group| group.as_raw());
    groups.dedup();
    groups
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

    #[test]
    fn a_login_has_all_groups_of_its_user() {
        let users = Users {
            passwd: "root:x:0:0::/root:/bin/sh\nagent:x:1001:1002:An agent:/home/agent:/bin/sh\n\
                     homeless:x:1003:1003:::\n"
                .to_owned(),
            group: "root:x:0:\nagent:x:1002:\ndocker:x:998:other,agent\nagents:x:997:agents\n\
                    broken\nlast:x:996:agent"
                .to_owned(),
        };
        for (user, group, expected) in [
            (
                "agent",
                None,
                Some(("agent", 1002, &[996, 998][..], Some("/home/agent"))),
            ),
            (
                "1001",
                None,
                Some(("agent", 1002, &[996, 998], Some("/home/agent"))),
            ),
            (
                "1001",
                Some("998"),
                Some(("agent", 998, &[996, 998], Some("/home/agent"))),
            ),
            ("homeless", None, Some(("homeless", 1003, &[], None))),
            ("4711", Some("4711"), Some(("4711", 4711, &[], None))),
            ("4711", None, None),
            ("nobody-here", None, None),
        ] {
            let user = Setting::option("user", user.as_ref());
            let group = group.map(|group: &str| Setting::option("group", group.as_ref()));
            let login = users.login(&user, group.as_ref()).ok();
            let expected = expected.map(|(name, gid, groups, home)| {
                let groups: Vec<u32> = groups.to_vec();
                (name.to_owned(), gid, groups, home.map(str::to_owned))
            });
            let found = login.map(|it| {
                let groups: Vec<_> = it.groups.iter().map(|group| group.as_raw()).collect();
                (it.name, it.gid.as_raw(), groups, it.home)
            });
            assert_eq!(found, expected, "{user}");
        }
    }
}
