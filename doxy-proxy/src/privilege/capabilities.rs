//! Root's rights, one by one: dropping capabilities, and naming those that are missing.
//!
//! The kernel keeps capabilities for each thread, and these calls change the calling thread alone:
//! there must be no other. Nothing here gives a capability back.

use std::io;
use std::path::PathBuf;

use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set,
    set_capabilities,
};

use crate::net::listener::present::try_connect;
use crate::privilege::needs::{Needs, folder_of};
use crate::privilege::preflight::preflight;
use crate::upstream::UpstreamAddr;

/// No capability at all.
pub(super) const NONE: CapabilitySets = CapabilitySets {
    effective: CapabilitySet::empty(),
    permitted: CapabilitySet::empty(),
    inheritable: CapabilitySet::empty(),
};

/// Drops all capabilities of a doxy that keeps its user. It keeps `DAC_OVERRIDE` only if a file that
/// it needs belongs to somebody else. Says what is in force.
pub(super) fn drop_capabilities(engines: &[&UpstreamAddr], needs: &Needs) -> String {
    let Ok(held) = capabilities(None).map(|sets| sets.permitted) else {
        return "capabilities as they were".to_owned();
    };
    empty_bounding_set();
    // Permitted but not effective: this tries what doxy can do without any.
    let mut sets = CapabilitySets {
        permitted: held,
        ..NONE
    };
    let mut opens = None;
    if held.contains(CapabilitySet::DAC_OVERRIDE) && set_capabilities(None, sets).is_ok() {
        opens = engines
            .iter()
            .find_map(|engine| needs_override(engine))
            .or_else(|| preflight(needs).into_iter().map(|it| it.path).next());
    }
    sets.permitted = match opens {
        Some(_) => CapabilitySet::DAC_OVERRIDE,
        None => CapabilitySet::empty(),
    };
    sets.effective = sets.permitted;
    match (set_capabilities(None, sets), opens) {
        (Ok(()), None) => "no capabilities".to_owned(),
        (Ok(()), Some(path)) => format!("capability dac_override only (for {})", path.display()),
        (Err(_), _) => "capabilities as they were".to_owned(),
    }
}

/// Empties the set of capabilities that could be regained by running a program.
pub(super) fn empty_bounding_set() {
    for (_, capability) in CapabilitySet::all().iter_names() {
        // Fails for capabilities that the kernel does not know, and without SETPCAP. The sandbox
        // forbids running programs as well.
        let _ = remove_capability_from_bounding_set(capability);
    }
}

/// Of the capabilities that `--user` takes, those that root does not have here, as a container
/// without them runs it. Empty for other users, who have none anyway.
pub(super) fn missing_of_root() -> Vec<&'static str> {
    let Ok(held) = capabilities(None).map(|sets| sets.effective) else {
        return vec![];
    };
    [
        (CapabilitySet::SETUID, "SETUID"),
        (CapabilitySet::SETGID, "SETGID"),
        (CapabilitySet::CHOWN, "CHOWN"),
        (CapabilitySet::FOWNER, "FOWNER"),
    ]
    .into_iter()
    .filter(|(capability, _)| geteuid().is_root() && !held.contains(*capability))
    .map(|(_, name)| name)
    .collect()
}

/// The engine's socket, if only `DAC_OVERRIDE` opens it, or will once the engine has created it.
fn needs_override(engine: &UpstreamAddr) -> Option<PathBuf> {
    let UpstreamAddr::Unix(path) = engine else {
        return None;
    };
    let needed = match try_connect(path).err()?.kind() {
        io::ErrorKind::PermissionDenied => true,
        io::ErrorKind::NotFound => {
            rustix::fs::stat(folder_of(path)).is_ok_and(|stat| stat.st_uid != geteuid().as_raw())
        }
        _ => false,
    };
    needed.then(|| path.clone())
}
