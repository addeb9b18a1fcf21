//! Who doxy is while it serves: the user it becomes, the groups and capabilities that are left,
//! and then the sandbox. Whatever takes root has been done before; nothing here gives any back.
//!
//! The kernel keeps users and capabilities for each thread, and the calls used here change the
//! calling thread alone: there must be no other.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use doxy_proxy::privilege::{self, Needs, folder_of};
use doxy_proxy::{UnixListenConfig, UpstreamAddr, io_reason, try_connect};
use rustix::fs::{Access, AtFlags, CWD, Gid, Mode, RawMode, Uid};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set,
    set_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::config::{ConfigError, id, wrong};

/// How much the sandbox matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sandbox {
    /// What the kernel has.
    Auto,
    /// All of it, or no start.
    Require,
    /// None.
    Off,
}

impl Sandbox {
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        match text {
            "auto" => Ok(Self::Auto),
            "require" => Ok(Self::Require),
            "off" => Ok(Self::Off),
            _ => Err(wrong(
                format!("--sandbox {text}"),
                "unknown choice",
                "write `auto`, `require` or `off`",
            )),
        }
    }
}

/// The user that doxy is to become.
#[derive(Debug, Clone)]
pub(crate) struct RunAs {
    name: String,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    /// Did somebody name the group, or is it the user's own?
    group_named: bool,
}

impl RunAs {
    /// What `--user` and `--group` say.
    pub(crate) fn find(
        user: Option<&str>,
        group: Option<&str>,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(name) = user else {
            return match group {
                Some(group) => Err(wrong(
                    format!("--group {group}"),
                    "this is the group of --user, which is not given",
                    "name the user as well, or leave it out",
                )),
                None => Ok(None),
            };
        };
        let option = format!("--user {name}");
        let help = "use a name from there, or a number";
        let uid = id(name, "/etc/passwd")
            .ok_or_else(|| wrong(&option, "no such user in /etc/passwd", help))?;
        let gid = match group {
            Some(group) => id(group, "/etc/group").ok_or_else(|| {
                wrong(
                    format!("--group {group}"),
                    "no such group in /etc/group",
                    help,
                )
            })?,
            None => own_group(name, uid).ok_or_else(|| {
                wrong(
                    &option,
                    "/etc/passwd does not say what group this user has",
                    "name the group with --group",
                )
            })?,
        };
        Ok(Some(Self {
            name: name.to_owned(),
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            group_named: group.is_some(),
        }))
    }

    /// Makes sure, before anything is done, that doxy can become this user and that the engine
    /// is in reach then. Nothing to become if it is this user already.
    pub(crate) fn role(self, engine: &UpstreamAddr) -> Result<Option<Target>, ConfigError> {
        let is = (getuid(), geteuid(), getgid(), getegid());
        if !self.uid.is_root() && is == (self.uid, self.uid, self.gid, self.gid) {
            return Ok(None);
        }
        let groups = match engine {
            UpstreamAddr::Unix(path) => self.groups(path)?,
            UpstreamAddr::Tcp(_) => {
                self.acting(&[], || ())?;
                vec![]
            }
        };
        Ok(Some(Target { user: self, groups }))
    }

    /// The supplementary groups that it takes to reach the engine's socket: none, or the socket's.
    fn groups(&self, engine: &Path) -> Result<Vec<Gid>, ConfigError> {
        let option = format!("--user {}", self.name);
        let path = engine.display();
        let out_of_reach = |groups: &[Gid]| {
            let probed = self.acting(groups, || try_connect(engine))?;
            Ok(probed.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied))
        };
        let denied = out_of_reach(&[])?;
        match rustix::fs::stat(engine) {
            Err(Errno::NOENT) if !denied && !self.group_named => Err(wrong(
                option,
                format_args!("there is no {path}, so what group it takes is not known"),
                "start the engine first, or name the group that its socket will have with --group",
            )),
            _ if !denied => Ok(vec![]),
            Ok(stat) if Gid::from_raw(stat.st_gid).is_root() => Err(wrong(
                option,
                format_args!("only root and its group may write to {path}"),
                "give the engine's socket a group of its own (dockerd --group), or say --group root",
            )),
            Ok(stat) if !out_of_reach(&[Gid::from_raw(stat.st_gid)])? => {
                Ok(vec![Gid::from_raw(stat.st_gid)])
            }
            _ => Err(wrong(
                option,
                format_args!("this user cannot reach {path}, not with the socket's group either"),
                "let the socket's group write to it, and everybody pass through the folders it is in",
            )),
        }
    }

    /// Does something as this user, and becomes root again.
    fn acting<T>(&self, groups: &[Gid], act: impl FnOnce() -> T) -> Result<T, ConfigError> {
        let (uid, gid) = (geteuid(), getegid());
        let become_another = |uid, gid, groups: &[Gid], back: bool| {
            let group = || {
                set_thread_groups(groups)?;
                set_thread_res_gid(None, Some(gid), None)
            };
            let user = || set_thread_res_uid(None, Some(uid), None);
            if back {
                user().and_then(|()| group())
            } else {
                group().and_then(|()| user())
            }
        };
        let own = getgroups().map_err(|error| self.stuck(error))?;
        become_another(self.uid, self.gid, groups, false).map_err(|error| self.stuck(error))?;
        let done = act();
        become_another(uid, gid, &own, true).map_err(|error| self.stuck(error))?;
        Ok(done)
    }

    fn stuck(&self, error: impl Into<io::Error>) -> ConfigError {
        wrong(
            format!("--user {}", self.name),
            format_args!("cannot become this user: {}", io_reason(&error.into())),
            "start doxy as root (in a container with SETUID, SETGID, CHOWN and FOWNER), or leave it out",
        )
    }
}

/// What the fourth field of the user's line says.
fn own_group(name: &str, uid: u32) -> Option<u32> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
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

/// A user to become who reaches the engine, with the groups which that takes.
#[derive(Debug)]
pub(crate) struct Target {
    user: RunAs,
    groups: Vec<Gid>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RunAs { name, uid, gid, .. } = &self.user;
        write!(f, "user {name} ({uid}:{gid}")?;
        for group in &self.groups {
            write!(f, ", group {group}")?;
        }
        f.write_str(")")
    }
}

impl Target {
    /// What nobody else was named for is this user's: it removes the socket at the end.
    pub(crate) fn default_owner(&self, bind: &mut UnixListenConfig) {
        bind.owner.get_or_insert(self.user.uid);
        bind.group.get_or_insert(self.user.gid);
    }

    /// Becomes this user, for good.
    fn take(&self) -> io::Result<()> {
        let RunAs { uid, gid, .. } = self.user;
        if privilege::threads() > 1 {
            return Err(io::Error::other("there are other threads"));
        }
        empty_bounding_set();
        set_thread_groups(&self.groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        set_capabilities(None, none())?;
        // Without saved ids and capabilities there is no way back; if there is, nothing was given up.
        if !uid.is_root() && set_thread_res_uid(None, Some(Uid::ROOT), None).is_ok() {
            return Err(io::Error::other("could becomes root again"));
        }
        Ok(())
    }
}

/// Gives up everything that is not needed to serve. Says what is in force, or what is wrong.
pub(crate) fn drop_privileges(
    role: Option<&Target>,
    sandbox: Sandbox,
    engine: &UpstreamAddr,
    needs: &Needs,
) -> Result<String, ConfigError> {
    let mut parts = vec![];
    if let Some(role) = role {
        role.take().map_err(|error| role.user.stuck(error))?;
        parts.push(role.to_string());
        parts.push("no capabilities".to_owned());
        for obstacle in preflight(needs) {
            tracing::warn!("as user {}: {obstacle}", role.user.name);
        }
    }
    if sandbox == Sandbox::Off {
        parts.push("off".to_owned());
        return Ok(parts.join(", "));
    }
    if role.is_none() {
        parts.push(drop_capabilities(engine, needs));
    }
    let in_force = privilege::enter(needs);
    if sandbox == Sandbox::Require && !in_force.missing.is_empty() {
        return Err(wrong(
            "--sandbox require",
            format_args!("missing: {}", in_force.missing.join(", ")),
            "use a kernel that has it, or `--sandbox auto`, which takes what there is",
        ));
    }
    parts.push(in_force.to_string());
    Ok(parts.join(", "))
}

fn none() -> CapabilitySets {
    CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    }
}

/// What could be regained by running a program, which the sandbox forbids as well.
fn empty_bounding_set() {
    for (_, capability) in CapabilitySet::all().iter_names() {
        // Fails for those that the kernel does not know, and where there is no right to do it.
        let _ = remove_capability_from_bounding_set(capability);
    }
}

/// Drops all capabilities of a doxy that stays who it is; but where files that it needs are not
/// its own, it keeps the one that opens them.
fn drop_capabilities(engine: &UpstreamAddr, needs: &Needs) -> String {
    let Ok(held) = capabilities(None).map(|sets| sets.permitted) else {
        return "capabilities as they were".to_owned();
    };
    empty_bounding_set();
    // Still permitted, not in effect: how would it be without?
    let mut sets = CapabilitySets {
        permitted: held,
        ..none()
    };
    let mut wanted = None;
    if held.contains(CapabilitySet::DAC_OVERRIDE) && set_capabilities(None, sets).is_ok() {
        wanted = foreign(engine).or_else(|| preflight(needs).into_iter().map(|it| it.path).next());
    }
    sets.permitted = match wanted {
        Some(_) => CapabilitySet::DAC_OVERRIDE,
        None => CapabilitySet::empty(),
    };
    sets.effective = sets.permitted;
    match (set_capabilities(None, sets), wanted) {
        (Ok(()), None) => "no capabilities".to_owned(),
        (Ok(()), Some(path)) => format!("capability dac_override only (for {})", path.display()),
        (Err(_), _) => "capabilities as they were".to_owned(),
    }
}

/// The engine's socket if it takes more than an owner's rights to reach it, or will when it is there.
fn foreign(engine: &UpstreamAddr) -> Option<PathBuf> {
    let UpstreamAddr::Unix(path) = engine else {
        return None;
    };
    let foreign = match try_connect(path).err()?.kind() {
        io::ErrorKind::PermissionDenied => true,
        io::ErrorKind::NotFound => {
            rustix::fs::stat(folder_of(path)).is_ok_and(|stat| stat.st_uid != geteuid().as_raw())
        }
        _ => false,
    };
    foreign.then(|| path.clone())
}

/// Something that will be needed and will fail.
struct Obstacle {
    path: PathBuf,
    what: &'static str,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path.display(), self.what)
    }
}

fn preflight(needs: &Needs) -> Vec<Obstacle> {
    let mut found = vec![];
    let mut note = |path: &Path, what| {
        let path = path.to_owned();
        found.push(Obstacle { path, what });
    };
    for file in &needs.read_files {
        if forbidden(file, Access::READ_OK) {
            note(file, "cannot be read again");
        }
    }
    for file in &needs.write_files {
        let create = Access::WRITE_OK | Access::EXEC_OK;
        if forbidden(file, Access::WRITE_OK) || forbidden(&folder_of(file), create) {
            note(file, "cannot be created and written again");
        }
    }
    for file in &needs.remove_files {
        if !removable(file) {
            note(
                file,
                "stays behind when doxy stops; the next start replaces it",
            );
        }
    }
    found
}

fn forbidden(path: &Path, access: Access) -> bool {
    // By the effective user. What is not there is not forbidden.
    rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS) == Err(Errno::ACCESS)
}

/// May the file be removed, and its folder be opened for the lock?
fn removable(file: &Path) -> bool {
    let folder = folder_of(file);
    if forbidden(
        &folder,
        Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK,
    ) {
        return false;
    }
    let (Ok(folder), Ok(file)) = (rustix::fs::stat(&folder), rustix::fs::lstat(file)) else {
        return true;
    };
    let sticky = folder.st_mode & RawMode::from(Mode::SVTX.bits()) != 0;
    !sticky || [folder.st_uid, file.st_uid].contains(&geteuid().as_raw())
}
