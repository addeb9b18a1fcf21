//! What doxy gives up once it listens: files, addresses and system calls that a proxy never uses.
//!
//! Whoever takes over a proxy still holds what the proxy needs, the engine's socket above all. The
//! sandbox keeps it from everything else, and a fault in doxy from becoming more than that.
//!
//! What is needed later is data, [`Needs`]: nothing here asks what for. Nothing here fails the
//! process either: [`enter`] says what is in force and what is missing, and the caller decides.
//!
//! Capabilities must be gone before: some lead past Landlock (`CAP_PERFMON` to other processes'
//! memory maps and environments). And it must run before there is a second thread; threads that
//! are started later are in it too.
//!
//! The seccomp filter is a list of what is refused, not of what is allowed: a list of what is
//! allowed breaks with the next version of the C library. Calls newer than this file do not exist
//! for doxy (`ENOSYS`), so that the list does not grow old.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use crate::net::reason::io_reason;
use crate::upstream::UpstreamAddr;

/// What Landlock is asked for. Later versions add connecting to sockets by path, which is what
/// doxy is there for; the rest of them is about what is logged.
const LANDLOCK: ABI = ABI::V6;
/// The kernel that has it.
const LANDLOCK_SINCE: &str = "Linux 6.12";

/// What doxy goes on needing while it serves. Sockets and files that are open stay usable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files that are opened again to be read. As they may be replaced by new ones under the same
    /// name, what is granted is the folders that they, and what they link to, are in.
    pub read_files: Vec<PathBuf>,
    /// Folders in which every file may be read, and in the folders within.
    pub read_folders: Vec<PathBuf>,
    /// Files that are created or appended to. The folder they are in is granted.
    pub write_files: Vec<PathBuf>,
    /// Files that are removed at the end.
    pub remove_files: Vec<PathBuf>,
    /// What may be connected to besides unix sockets.
    pub network: Network,
}

/// Addresses that may be connected to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// None, only unix sockets.
    #[default]
    None,
    /// This TCP port.
    Port(u16),
    /// This TCP port of a host whose name is looked up anew each time.
    NameAndPort(u16),
}

impl Needs {
    /// What it takes to connect to the engine, again and again.
    pub fn of(engine: &UpstreamAddr) -> Self {
        let mut needs = Self::default();
        let UpstreamAddr::Tcp(address) = engine else {
            // A unix socket is found by its path, which takes no right to read anything.
            return needs;
        };
        if let Ok(address) = address.parse::<SocketAddr>() {
            needs.network = Network::Port(address.port());
        } else {
            let port = address
                .rsplit(':')
                .next()
                .and_then(|port| port.parse().ok());
            needs.network = Network::NameAndPort(port.unwrap_or_default());
            // `resolv.conf` and `hosts` are replaced while doxy runs, so it is all of /etc; the C
            // library loads what it looks names up with when it first does.
            needs.read_folders = [
                "/etc",
                "/run/systemd/resolve",
                "/run/resolvconf",
                "/run/NetworkManager",
                "/lib",
                "/lib64",
                "/usr/lib",
                "/usr/lib64",
                "/nix/store",
            ]
            .map(PathBuf::from)
            .to_vec();
        }
        needs
    }
}

/// What [`enter`] has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxReport {
    /// What is in force, in a few words each.
    pub parts: Vec<String>,
    /// What is not, and why.
    pub missing: Vec<String>,
}

impl fmt::Display for SandboxReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join(", "))?;
        if !self.missing.is_empty() {
            write!(f, "; missing: {}", self.missing.join(", "))?;
        }
        Ok(())
    }
}

/// Gives up everything but `needs`, for good, as far as the kernel can.
pub fn enter(needs: &Needs) -> SandboxReport {
    let mut done = SandboxReport::default();
    let mut note = |part: Result<String, String>| match part {
        Ok(part) => done.parts.push(part),
        Err(why) => done.missing.push(why),
    };
    note(match rustix::thread::set_no_new_privs(true) {
        Ok(()) => Ok("no-new-privs".to_owned()),
        Err(error) => Err(format!("no-new-privs ({})", io_reason(&error.into()))),
    });
    if threads() > 1 {
        note(Err("landlock on threads that run already".to_owned()));
    }
    match restrict(needs) {
        Ok(abi) => {
            note(Ok(format!("landlock v{abi}")));
            if abi < LANDLOCK {
                note(Err(format!("landlock v{LANDLOCK} ({LANDLOCK_SINCE})")));
            }
        }
        Err(why) => note(Err(format!("landlock ({why})"))),
    }
    note(match seccomp::install(needs.network) {
        Ok(()) => Ok("seccomp".to_owned()),
        Err(why) => Err(format!("seccomp ({why})")),
    });
    done
}

/// How many threads there are; 1 if that cannot be seen.
pub fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// Landlock: files, TCP ports, abstract sockets and signals. Says which version is in force.
fn restrict(needs: &Needs) -> Result<ABI, String> {
    let status = ruleset(needs).map_err(|error| error.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => {
            Err("switched off in this kernel".to_owned())
        }
        (
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced,
            LandlockStatus::Available { effective_abi, .. },
        ) => Ok(effective_abi.min(LANDLOCK)),
        _ => Err("not in this kernel or container".to_owned()),
    }
}

fn ruleset(needs: &Needs) -> Result<landlock::RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?;
    for (folder, access) in folders(needs) {
        // One that is not there, or that cannot be reached, is one that is not needed.
        if let Ok(folder) = PathFd::new(folder) {
            rules = rules.add_rule(PathBeneath::new(folder, access))?;
        }
    }
    let ports = match needs.network {
        Network::None => vec![],
        Network::Port(port) => vec![port],
        // Answers that are too long for a datagram come by TCP.
        Network::NameAndPort(port) => vec![port, 53],
    };
    for port in ports {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    rules.restrict_self()
}

/// Which folders are granted, and what may be done in each.
fn folders(needs: &Needs) -> Vec<(PathBuf, BitFlags<AccessFs>)> {
    let read = BitFlags::from(AccessFs::ReadFile);
    let mut folders = vec![];
    for file in &needs.read_files {
        folders.push((folder_of(file), read));
        if let Ok(real) = fs::canonicalize(file) {
            folders.push((folder_of(&real), read));
        }
    }
    for folder in &needs.read_folders {
        folders.push((folder.clone(), read));
    }
    for file in &needs.write_files {
        let write = AccessFs::WriteFile | AccessFs::MakeReg;
        folders.push((folder_of(file), write));
        if let Ok(real) = fs::canonicalize(file) {
            folders.push((folder_of(&real), write));
        }
    }
    for file in &needs.remove_files {
        // It is removed under a lock on the folder, which has to be opened for that.
        folders.push((folder_of(file), AccessFs::RemoveFile | AccessFs::ReadDir));
    }
    folders
}

/// The folder that a path is in.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The filter of system calls, for the processors whose numbers are known here.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod seccomp {
    use libc::c_long;
    use seccompiler::{
        BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp,
        SeccompCondition, SeccompFilter, SeccompRule, TargetArch, sock_filter,
    };

    use super::{BTreeMap, Network};

    /// Refused, whatever the arguments.
    ///
    /// With an error, not with death: a library that tries something falls back to something else,
    /// and clients in service are not cut off by it. Who has taken doxy over gains nothing by
    /// trying again.
    const REFUSED: &[c_long] = &[
        // Other programs and processes.
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_process_madvise,
        libc::SYS_kcmp,
        libc::SYS_pidfd_getfd,
        libc::SYS_pidfd_send_signal,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
        libc::SYS_move_pages,
        libc::SYS_migrate_pages,
        // Mounts and namespaces.
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fspick,
        libc::SYS_mount_setattr,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_quotactl,
        libc::SYS_quotactl_fd,
        libc::SYS_nfsservctl,
        // The kernel and the machine.
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_lookup_dcookie,
        libc::SYS_syslog,
        libc::SYS_acct,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_clock_adjtime,
        libc::SYS_adjtimex,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_vhangup,
        libc::SYS_personality,
        // What faults in the kernel have been used through.
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_io_setup,
        libc::SYS_io_submit,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
        libc::SYS_memfd_secret,
        libc::SYS_vmsplice,
        // Files by other ways than their names.
        libc::SYS_open_by_handle_at,
        libc::SYS_name_to_handle_at,
        libc::SYS_fanotify_init,
        libc::SYS_fanotify_mark,
        libc::SYS_mknodat,
        // Becoming somebody else.
        libc::SYS_setuid,
        libc::SYS_setgid,
        libc::SYS_setreuid,
        libc::SYS_setregid,
        libc::SYS_setresuid,
        libc::SYS_setresgid,
        libc::SYS_setfsuid,
        libc::SYS_setfsgid,
        libc::SYS_setgroups,
        libc::SYS_capset,
    ];

    /// What only this processor has, or has under another name.
    #[cfg(target_arch = "x86_64")]
    const REFUSED_HERE: &[c_long] = &[
        libc::SYS_fork,
        libc::SYS_vfork,
        libc::SYS_kexec_file_load,
        libc::SYS_ioperm,
        libc::SYS_iopl,
        libc::SYS_modify_ldt,
        libc::SYS_uselib,
        libc::SYS_mknod,
    ];
    #[cfg(target_arch = "aarch64")]
    const REFUSED_HERE: &[c_long] = &[294]; // kexec_file_load, which the libc crate lacks for musl

    /// The last call known here. Everything behind it, and with it the calls of x86's third ABI,
    /// x32, which are these again with other numbers, does not exist.
    const NEWEST: u32 = libc::SYS_mseal as u32;
    /// Its flags are in memory, where a filter cannot see them; without it `clone` is used.
    const CLONE3: u32 = libc::SYS_clone3 as u32;

    const NAMESPACES: [libc::c_int; 7] = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];

    pub(super) fn install(network: Network) -> Result<(), String> {
        let program = program(network).map_err(|error| error.to_string())?;
        // On every thread there is, and every one to come.
        seccompiler::apply_filter_all_threads(&program).map_err(|error| match error {
            seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => {
                super::io_reason(&error)
            }
            error => error.to_string(),
        })
    }

    /// The filter, as the kernel takes it.
    ///
    /// Its length hardly matters: since Linux 5.11 the kernel works out once which calls it allows
    /// whatever their arguments, and never runs it for them. Arguments are therefore looked at
    /// only of calls that are not made for every request.
    pub(super) fn program(network: Network) -> Result<BpfProgram, BackendError> {
        let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = BTreeMap::new();
        for call in REFUSED.iter().chain(REFUSED_HERE) {
            rules.insert(*call, vec![]);
        }
        let own = u64::from(std::process::id());
        rules.insert(libc::SYS_clone, clone()?);
        rules.insert(libc::SYS_socket, socket(network)?);
        // Signals to itself: `abort` sends one.
        for call in [libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill] {
            rules.insert(call, vec![all([(0, SeccompCmpOp::Ne, own)])?]);
        }
        // Typing into the terminal that doxy was started from.
        #[allow(clippy::unnecessary_cast, reason = "musl's are another type")]
        let typing = [libc::TIOCSTI as u64, libc::TIOCLINUX as u64];
        rules.insert(
            libc::SYS_ioctl,
            each(typing.map(|what| all([(1, SeccompCmpOp::Eq, what)])))?,
        );
        let filter = SeccompFilter::new(
            rules,
            SeccompAction::Allow,
            SeccompAction::Errno(libc::EPERM as u32),
            TargetArch::try_from(std::env::consts::ARCH)?,
        )?;
        let mut program = absent();
        program.extend(BpfProgram::try_from(filter)?);
        Ok(program)
    }

    /// Threads of doxy's own, and nothing else: no processes, no namespaces.
    fn clone() -> Result<Vec<SeccompRule>, BackendError> {
        let flag = |flag: libc::c_int, set: bool| {
            let flag = flag as u64;
            let value = if set { flag } else { 0 };
            all([(0, SeccompCmpOp::MaskedEq(flag), value)])
        };
        let namespaces = NAMESPACES.map(|namespace| flag(namespace, true));
        each(
            [flag(libc::CLONE_THREAD, false)]
                .into_iter()
                .chain(namespaces),
        )
    }

    /// Unix sockets; and what the engine's address takes, in TCP and, for names, UDP.
    fn socket(network: Network) -> Result<Vec<SeccompRule>, BackendError> {
        use SeccompCmpOp::{MaskedEq, Ne};
        let unix = (0, Ne, libc::AF_UNIX as u64);
        let inet = (0, Ne, libc::AF_INET as u64);
        let inet6 = (0, Ne, libc::AF_INET6 as u64);
        // By which the C library learns whether there is IPv6.
        let netlink = (0, Ne, libc::AF_NETLINK as u64);
        let datagram = (1, MaskedEq(0xf), libc::SOCK_DGRAM as u64);
        // Not what Landlock does not know: MPTCP, SCTP.
        let protocol = all([
            (2, Ne, 0),
            (2, Ne, libc::IPPROTO_TCP as u64),
            (2, Ne, libc::IPPROTO_UDP as u64),
        ]);
        match network {
            Network::None => each([all([unix])]),
            Network::Port(_) => each([
                all([unix.clone(), inet, inet6]),
                all([unix, datagram]),
                protocol,
            ]),
            Network::NameAndPort(_) => each([all([unix, inet, inet6, netlink]), protocol]),
        }
    }

    /// Refused if all of it holds: argument, comparison, value.
    fn all<const N: usize>(
        conditions: [(u8, SeccompCmpOp, u64); N],
    ) -> Result<SeccompRule, BackendError> {
        let conditions = conditions
            .into_iter()
            .map(|(argument, operator, value)| {
                SeccompCondition::new(argument, Dword, operator, value)
            })
            .collect::<Result<_, _>>()?;
        SeccompRule::new(conditions)
    }

    fn each(
        rules: impl IntoIterator<Item = Result<SeccompRule, BackendError>>,
    ) -> Result<Vec<SeccompRule>, BackendError> {
        rules.into_iter().collect()
    }

    /// What comes first: calls that do not exist for doxy. Their numbers are the same on all
    /// processors, so this stands before the question which one it is.
    fn absent() -> BpfProgram {
        let statement = |code: u32, jt, jf, k| sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        };
        let jump = libc::BPF_JMP | libc::BPF_K;
        let enosys = u32::from(SeccompAction::Errno(libc::ENOSYS as u32));
        vec![
            // The number is the first thing there is.
            statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            statement(jump | libc::BPF_JGT, 1, 0, NEWEST),
            statement(jump | libc::BPF_JEQ, 0, 1, CLONE3),
            statement(libc::BPF_RET | libc::BPF_K, 0, 0, enosys),
        ]
    }
}

/// On other processors the calls have other numbers.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod seccomp {
    pub(super) fn install(_: super::Network) -> Result<(), String> {
        Err("not for this processor".to_owned())
    }
}

#[cfg(test)]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and says where"
)]
mod tests {
    use super::*;
    use seccompiler::{BpfProgram, SeccompAction, TargetArch, sock_filter};

    const EPERM: SeccompAction = SeccompAction::Errno(libc::EPERM as u32);
    const ENOSYS: SeccompAction = SeccompAction::Errno(libc::ENOSYS as u32);
    const ALLOW: SeccompAction = SeccompAction::Allow;

    /// This processor, as the kernel names it to filters.
    fn processor() -> u32 {
        match TargetArch::try_from(std::env::consts::ARCH).unwrap() {
            TargetArch::x86_64 => 0xC000_003E,
            TargetArch::aarch64 => 0xC000_00B7,
            TargetArch::riscv64 => panic!("no filter"),
        }
    }

    /// What a filter says of a call, as the kernel would run it.
    fn verdict(program: &[sock_filter], processor: u32, call: i64, arguments: [u64; 6]) -> u32 {
        let mut data = vec![call as u32, processor, 0, 0];
        data.extend(arguments.map(|it| [it as u32, (it >> 32) as u32]).concat());
        let (mut at, mut a) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at].clone();
            at += 1;
            let jump = |taken: bool| usize::from(if taken { jt } else { jf });
            match u32::from(code) {
                0x20 => a = data[k as usize / 4],
                0x54 => a &= k,
                0x05 => at += k as usize,
                0x15 => at += jump(a == k),
                0x25 => at += jump(a > k),
                0x35 => at += jump(a >= k),
                0x06 => return k,
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    #[track_caller]
    fn check(network: Network, call: i64, arguments: &[i64], expected: &SeccompAction) {
        let program: BpfProgram = seccomp::program(network).unwrap();
        let mut all = [0; 6];
        for (argument, given) in all.iter_mut().zip(arguments) {
            *argument = *given as u64;
        }
        let got = verdict(&program, processor(), call, all);
        let expected = u32::from(expected.clone());
        assert_eq!(got, expected, "{network:?} {call} {arguments:?}");
    }

    #[test]
    fn what_serving_takes_is_allowed_and_the_rest_is_not() {
        for call in [
            libc::SYS_read,
            libc::SYS_write,
            libc::SYS_sendto,
            libc::SYS_recvfrom,
            libc::SYS_connect,
            libc::SYS_accept4,
            libc::SYS_openat,
            libc::SYS_unlinkat,
            libc::SYS_futex,
            libc::SYS_mmap,
            libc::SYS_exit_group,
            libc::SYS_seccomp,
            libc::SYS_mseal,
        ] {
            check(Network::None, call, &[], &ALLOW);
        }
        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_mount,
            libc::SYS_bpf,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_init_module,
            libc::SYS_kexec_load,
            libc::SYS_keyctl,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_open_by_handle_at,
            libc::SYS_chroot,
            libc::SYS_reboot,
            libc::SYS_setresuid,
        ] {
            check(Network::None, call, &[], &EPERM);
        }
        check(Network::None, libc::SYS_clone3, &[], &ENOSYS);
        for call in [463, 470, 1000, 0x4000_0000, 0x4000_0208] {
            check(Network::None, call, &[], &ENOSYS);
        }
        // Another processor's calls, which a 64-bit kernel may know as well.
        let program = seccomp::program(Network::None).unwrap();
        let killed = u32::from(SeccompAction::KillProcess);
        assert_eq!(verdict(&program, 0x4000_0003, 11, [0; 6]), killed);
    }

    #[test]
    fn threads_and_signals_of_its_own_are_allowed() {
        let thread = i64::from(
            libc::CLONE_VM
                | libc::CLONE_FS
                | libc::CLONE_FILES
                | libc::CLONE_SIGHAND
                | libc::CLONE_THREAD
                | libc::CLONE_SYSVSEM
                | libc::CLONE_SETTLS
                | libc::CLONE_PARENT_SETTID
                | libc::CLONE_CHILD_CLEARTID,
        );
        check(Network::None, libc::SYS_clone, &[thread], &ALLOW);
        let fork = i64::from(libc::SIGCHLD);
        let spawn = i64::from(libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD);
        for flags in [0, fork, spawn] {
            check(Network::None, libc::SYS_clone, &[flags], &EPERM);
        }
        for namespace in [libc::CLONE_NEWUSER, libc::CLONE_NEWNS, libc::CLONE_NEWNET] {
            let flags = thread | i64::from(namespace);
            check(Network::None, libc::SYS_clone, &[flags], &EPERM);
        }
        let own = i64::from(std::process::id());
        for call in [libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill] {
            check(Network::None, call, &[own], &ALLOW);
            for other in [1, 0, -1, own + 1] {
                check(Network::None, call, &[other], &EPERM);
            }
        }
        check(Network::None, libc::SYS_ioctl, &[0, 0x5421], &ALLOW);
        check(Network::None, libc::SYS_ioctl, &[0, 0x5412], &EPERM);
    }

    #[test]
    fn sockets_are_those_that_the_engine_takes() {
        let flags = i64::from(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
        let [unix, inet, inet6, netlink, packet] = [
            libc::AF_UNIX,
            libc::AF_INET,
            libc::AF_INET6,
            libc::AF_NETLINK,
            libc::AF_PACKET,
        ]
        .map(i64::from);
        let [stream, datagram, raw] = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW]
            .map(|kind| i64::from(kind) | flags);
        let (tcp, mptcp) = (i64::from(libc::IPPROTO_TCP), 262);
        let networks = [Network::None, Network::Port(1), Network::NameAndPort(1)];
        for (socket, allowed) in [
            ([unix, stream, 0], [true, true, true]),
            ([unix, datagram, 0], [true, true, true]),
            ([inet, stream, 0], [false, true, true]),
            ([inet6, stream, tcp], [false, true, true]),
            ([inet, stream, mptcp], [false, false, false]),
            ([inet, datagram, 0], [false, false, true]),
            ([inet6, datagram, 0], [false, false, true]),
            ([netlink, raw, 0], [false, false, true]),
            ([packet, raw, 0], [false, false, false]),
        ] {
            for (network, allowed) in networks.into_iter().zip(allowed) {
                let expected = if allowed { ALLOW } else { EPERM };
                check(network, libc::SYS_socket, &socket, &expected);
            }
        }
    }

    #[test]
    fn an_engine_by_name_takes_more_than_one_by_address() {
        let needs = |address: &str| Needs::of(&UpstreamAddr::Tcp(address.to_owned()));
        assert_eq!(
            Needs::of(&UpstreamAddr::Unix("/run/x".into())),
            Needs::default()
        );
        for address in ["127.0.0.1:2375", "[::1]:2375"] {
            let expected = Needs {
                network: Network::Port(2375),
                ..Needs::default()
            };
            assert_eq!(needs(address), expected);
        }
        let named = needs("engine.example:2375");
        assert_eq!(named.network, Network::NameAndPort(2375));
        assert!(named.read_folders.contains(&"/etc".into()));
    }
}
