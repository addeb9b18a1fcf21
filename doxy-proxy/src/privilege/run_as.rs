//! The user that doxy runs as: whether that user reaches the engine, and becoming it for good.
//!
//! The kernel keeps user and groups for each thread, and these calls change the calling thread alone:
//! there must be no other. Names are not looked up here; a [`RunAs`] has numbers.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{set_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::net::listener::present::try_connect;
use crate::net::listener::unix::UnixListenConfig;
use crate::net::reason::io_reason;
use crate::privilege::capabilities::{NONE, empty_bounding_set, missing_of_root};
use crate::privilege::error::PrivilegeError;
use crate::upstream::UpstreamAddr;

/// The user to run as, from the settings.
#[derive(Debug, Clone)]
pub struct RunAs {
    /// The setting as it was given, for messages: `--user NAME`.
    pub setting: String,
    /// The user's name, or its number if that was given.
    pub name: String,
    /// The user's number.
    pub uid: Uid,
    /// The number of its group.
    pub gid: Gid,
    /// Whether the settings name the group. Otherwise it is the user's own.
    pub group_named: bool,
}

impl RunAs {
    /// Checks that doxy can become this user and that this user reaches the engines. `None` if doxy
    /// runs as this user already. Changes nothing.
    ///
    /// # Errors
    /// Without the right to change the user; if the user cannot reach an engine's socket.
    pub fn credentials(
        self,
        engines: &[&UpstreamAddr],
    ) -> Result<Option<Credentials>, PrivilegeError> {
        let is = (getuid(), geteuid(), getgid(), getegid());
        if !self.uid.is_root() && is == (self.uid, self.uid, self.gid, self.gid) {
            return Ok(None);
        }
        self.as_user(&[], || ())?;
        let mut groups = vec![];
        for engine in engines {
            if let UpstreamAddr::Unix(path) = engine {
                groups.extend(self.group_of(path)?.filter(|group| !groups.contains(group)));
            }
        }
        Ok(Some(Credentials { user: self, groups }))
    }

    /// The supplementary group that reaching the engine's socket takes: none, or the socket's.
    fn group_of(&self, engine: &Path) -> Result<Option<Gid>, PrivilegeError> {
        let path = engine.display();
        let denied_with = |groups: &[Gid]| {
            let tried = self.as_user(groups, || try_connect(engine))?;
            Ok(tried.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied))
        };
        let denied = denied_with(&[])?;
        match rustix::fs::stat(engine) {
            Err(Errno::NOENT) if !denied && !self.group_named => Err(self.wrong(
                format_args!("{path} does not exist, so the group that may open it is unknown"),
                "start the engine first (in a container: mount its socket), or name the group of its \
                 socket with --group",
            )),
            _ if !denied => Ok(None),
            Ok(stat) if !denied_with(&[Gid::from_raw(stat.st_gid)])? => {
                Ok(Some(Gid::from_raw(stat.st_gid)))
            }
            _ => Err(self.wrong(
                format_args!("this user cannot open {path}, even with the socket's group"),
                "give the socket's group write permission, and everybody search permission (x) on \
                 the folders above it; or stay root, without its capabilities: --user root",
            )),
        }
    }

    /// Runs `act` as this user and becomes the old user again.
    fn as_user<T>(&self, groups: &[Gid], act: impl FnOnce() -> T) -> Result<T, PrivilegeError> {
        let (uid, gid) = (geteuid(), getegid());
        let switch = |uid, gid, groups: &[Gid], back: bool| {
            let group = || {
                set_thread_groups(groups)?;
                set_thread_res_gid(None, Some(gid), None)
            };
            let user = || set_thread_res_uid(None, Some(uid), None);
            // Changing groups takes root's rights, which this user does not have.
            if back {
                user().and_then(|()| group())
            } else {
                group().and_then(|()| user())
            }
        };
        let own = getgroups().map_err(|error| self.cannot_switch(error))?;
        switch(self.uid, self.gid, groups, false).map_err(|error| self.cannot_switch(error))?;
        let done = act();
        switch(uid, gid, &own, true).map_err(|error| self.cannot_switch(error))?;
        Ok(done)
    }

    fn cannot_switch(&self, error: impl Into<io::Error>) -> PrivilegeError {
        let error = error.into();
        let why = format!("cannot become this user: {}", io_reason(&error));
        let missing = missing_of_root().join(", ");
        let own = format!("{}:{}", self.uid.as_raw(), self.gid.as_raw());
        if missing.is_empty() || error.kind() != io::ErrorKind::PermissionDenied {
            return self.wrong(
                why,
                format_args!(
                    "start doxy as root (in a container with SETUID, SETGID, CHOWN and FOWNER) or as \
                     {own}, or leave it out"
                ),
            );
        }
        self.wrong(
            why,
            format_args!(
                "root lacks capabilities here; add them (in a compose file `cap_add: [{missing}]`), \
                 start doxy as {own} (`user: \"{own}\"`), or leave it out"
            ),
        )
    }

    fn wrong(&self, why: impl fmt::Display, help: impl fmt::Display) -> PrivilegeError {
        PrivilegeError::new(&self.setting, why, help)
    }
}

/// What the kernel is told to run doxy as: a user that reaches the engine, with the groups for that.
#[derive(Debug)]
pub struct Credentials {
    user: RunAs,
    groups: Vec<Gid>,
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RunAs { name, uid, gid, .. } = &self.user;
        write!(f, "user {name} ({uid}:{gid}")?;
        for group in &self.groups {
            write!(f, ", group {group}")?;
        }
        f.write_str(")")
    }
}

impl Credentials {
    /// Makes this user the owner of a socket for which the settings name none: a user may remove its
    /// own socket when doxy stops.
    pub fn default_owner(&self, bind: &mut UnixListenConfig) {
        bind.owner.get_or_insert(self.user.uid);
        bind.group.get_or_insert(self.user.gid);
    }

    /// Whether reaching an engine takes root's group.
    pub(super) fn is_in_group_of_root(&self) -> bool {
        self.groups.contains(&Gid::ROOT)
    }

    /// The user's name.
    pub(super) fn name(&self) -> &str {
        &self.user.name
    }

    /// Becomes this user, for good.
    pub(super) fn assume(&self) -> Result<(), PrivilegeError> {
        let assumed = self.try_assume();
        assumed.map_err(|error| self.user.cannot_switch(error))
    }

    fn try_assume(&self) -> io::Result<()> {
        let RunAs { uid, gid, .. } = self.user;
        if threads() > 1 {
            return Err(io::Error::other("there are other threads"));
        }
        empty_bounding_set();
        set_thread_groups(&self.groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        set_capabilities(None, NONE)?;
        // Without saved ids and capabilities there is no way back. If there is one, root was not
        // given up, and doxy must not serve.
        if !uid.is_root() && set_thread_res_uid(None, Some(Uid::ROOT), None).is_ok() {
            return Err(io::Error::other("it could become root again"));
        }
        Ok(())
    }
}

/// How many threads the process has; 1 if that cannot be read.
pub(super) fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
