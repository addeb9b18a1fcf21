//! The seccomp filter: system calls that a proxy never makes are refused.
//!
//! It lists what is refused, not what is allowed: an allow-list breaks with the next version of the
//! C library. Calls newer than this file return `ENOSYS`, so the list does not become outdated.
//! It must never refuse a call that serving a request takes, and never kill the process.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use crate::net::reason::io_reason;
use crate::privilege::needs::Network;

/// System calls that are refused, whatever their arguments.
///
/// They return an error and do not end the process: a library that tries one falls back to another
/// way, and clients are not cut off. An attacker who controls doxy gains nothing by retrying.
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
    // Calls through which kernel faults have been exploited.
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
    // Files reached other than by their names.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_mknodat,
    // Another user or group, more capabilities.
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

/// Calls that only this processor has, or has under another name.
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

/// The newest call known here. Calls with higher numbers return `ENOSYS`; among them are those of
/// x32, the third ABI of x86, which repeats the same calls under other numbers.
const NEWEST: u32 = libc::SYS_mseal as u32;
/// Its flags are in memory, where a filter cannot read them; without it the C library uses `clone`.
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
    // Applies to every existing thread and to each that is started later.
    seccompiler::apply_filter_all_threads(&program).map_err(|error| match error {
        seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => io_reason(&error),
        error => error.to_string(),
    })
}

/// The filter as the kernel loads it.
///
/// Its length hardly matters: since Linux 5.11 the kernel caches which calls are allowed whatever
/// their arguments, and skips the filter for them. Therefore the filter inspects arguments only of
/// calls that are not made for every request.
pub(super) fn program(network: Network) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = BTreeMap::new();
    for call in REFUSED.iter().chain(REFUSED_HERE) {
        rules.insert(*call, vec![]);
    }
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_clone, clone()?);
    rules.insert(libc::SYS_socket, socket(network)?);
    // Signals to doxy itself stay allowed: `abort` sends one.
    for call in [libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill] {
        rules.insert(call, vec![all([(0, SeccompCmpOp::Ne, own)])?]);
    }
    // Injecting input into the terminal that doxy was started from.
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

/// `clone` may start threads of doxy, but no processes and no namespaces.
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

/// Allows unix sockets, and what the engine's address needs: TCP, and UDP to look up a name.
fn socket(network: Network) -> Result<Vec<SeccompRule>, BackendError> {
    use SeccompCmpOp::{MaskedEq, Ne};
    let unix = (0, Ne, libc::AF_UNIX as u64);
    let inet = (0, Ne, libc::AF_INET as u64);
    let inet6 = (0, Ne, libc::AF_INET6 as u64);
    // The C library asks over netlink whether there is IPv6.
    let netlink = (0, Ne, libc::AF_NETLINK as u64);
    let datagram = (1, MaskedEq(0xf), libc::SOCK_DGRAM as u64);
    // Protocols that Landlock does not restrict: MPTCP, SCTP.
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

/// Refuses a call if all conditions hold: argument, comparison, value.
fn all<const N: usize>(
    conditions: [(u8, SeccompCmpOp, u64); N],
) -> Result<SeccompRule, BackendError> {
    let conditions = conditions
        .into_iter()
        .map(|(argument, operator, value)| SeccompCondition::new(argument, Dword, operator, value))
        .collect::<Result<_, _>>()?;
    SeccompRule::new(conditions)
}

fn each(
    rules: impl IntoIterator<Item = Result<SeccompRule, BackendError>>,
) -> Result<Vec<SeccompRule>, BackendError> {
    rules.into_iter().collect()
}

/// The prologue: calls that return `ENOSYS`. Their numbers are the same on all processors, so this
/// comes before the check of the architecture.
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
        // The call's number is the first field.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(jump | libc::BPF_JGT, 1, 0, NEWEST),
        statement(jump | libc::BPF_JEQ, 0, 1, CLONE3),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, enosys),
    ]
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and says where"
)]
mod tests;
