//! The filter is run as the kernel would run it, by an interpreter of the few instructions in it.

use seccompiler::{BpfProgram, SeccompAction, TargetArch, sock_filter};

use super::program;
use crate::privilege::needs::{Needs, Network};

const EPERM: SeccompAction = SeccompAction::Errno(libc::EPERM as u32);
const ENOSYS: SeccompAction = SeccompAction::Errno(libc::ENOSYS as u32);
const ALLOW: SeccompAction = SeccompAction::Allow;

const UNIX: Network = Network::None;
const NETWORKS: [Network; 3] = [UNIX, Network::Addresses, Network::Names];

/// The number that the kernel gives to filters for this processor.
fn processor() -> u32 {
    match TargetArch::try_from(std::env::consts::ARCH).unwrap() {
        TargetArch::x86_64 => 0xC000_003E,
        TargetArch::aarch64 => 0xC000_00B7,
        TargetArch::riscv64 => panic!("no filter"),
    }
}

/// Runs a filter on a call as the kernel would.
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

fn needs(network: Network) -> Needs {
    Needs {
        network,
        ..Needs::default()
    }
}

#[track_caller]
fn check(network: Network, call: i64, arguments: &[i64], expected: &SeccompAction) {
    let filter: BpfProgram = program(&needs(network)).unwrap();
    let mut all = [0; 6];
    for (argument, given) in all.iter_mut().zip(arguments) {
        *argument = *given as u64;
    }
    let got = verdict(&filter, processor(), call, all);
    let expected = u32::from(expected.clone());
    assert_eq!(got, expected, "{network:?} {call} {arguments:?}");
}

/// Checks a call for the three kinds of networks.
#[track_caller]
fn check_all(call: i64, arguments: &[i64], allowed: [bool; 3]) {
    for (network, allowed) in NETWORKS.into_iter().zip(allowed) {
        let expected = if allowed { ALLOW } else { EPERM };
        check(network, call, arguments, &expected);
    }
}

#[test]
fn calls_of_a_proxy_are_allowed_and_others_are_refused() {
    for call in [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_connect,
        libc::SYS_accept4,
        libc::SYS_splice,
        libc::SYS_openat,
        libc::SYS_unlinkat,
        libc::SYS_futex,
        libc::SYS_mmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_getrandom,
        libc::SYS_exit_group,
    ] {
        check_all(call, &[], [true; 3]);
    }
    for call in [
        // Files of every kind and owner.
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        452, // fchmodat2, which the libc crate lacks for musl on ARM64
        libc::SYS_fchown,
        libc::SYS_fchownat,
        libc::SYS_setxattr,
        libc::SYS_lsetxattr,
        libc::SYS_fsetxattr,
        libc::SYS_removexattr,
        libc::SYS_utimensat,
        libc::SYS_renameat2,
        libc::SYS_linkat,
        libc::SYS_symlinkat,
        libc::SYS_mkdirat,
        libc::SYS_mknodat,
        libc::SYS_truncate,
        libc::SYS_ftruncate,
        libc::SYS_fallocate,
        libc::SYS_getdents64,
        libc::SYS_inotify_add_watch,
        libc::SYS_fanotify_init,
        libc::SYS_open_by_handle_at,
        // Processes.
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_kill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_send_signal,
        libc::SYS_process_vm_readv,
        libc::SYS_setpriority,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_ioprio_set,
        libc::SYS_setpgid,
        libc::SYS_setsid,
        libc::SYS_setrlimit,
        libc::SYS_memfd_create,
        libc::SYS_pkey_mprotect,
        libc::SYS_shmat,
        libc::SYS_mq_open,
        // The machine.
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
        libc::SYS_io_setup,
        libc::SYS_chroot,
        libc::SYS_reboot,
        libc::SYS_syslog,
        libc::SYS_personality,
        libc::SYS_setresuid,
        libc::SYS_setgroups,
        libc::SYS_capset,
        libc::SYS_socketpair,
        libc::SYS_recvmmsg,
        libc::SYS_seccomp,
        libc::SYS_landlock_create_ruleset,
        // Known to this kernel or not, they are no business of doxy's.
        libc::SYS_mseal,
        libc::SYS_set_mempolicy_home_node,
    ] {
        check_all(call, &[], [false; 3]);
    }
    #[cfg(target_arch = "x86_64")]
    for call in [
        libc::SYS_chmod,
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_utime,
        libc::SYS_utimes,
        libc::SYS_futimesat,
        libc::SYS_rename,
        libc::SYS_link,
        libc::SYS_fork,
        libc::SYS_vfork,
        libc::SYS_iopl,
        libc::SYS_modify_ldt,
        libc::SYS_arch_prctl,
    ] {
        check_all(call, &[], [false; 3]);
    }
    check(UNIX, libc::SYS_clone3, &[], &ENOSYS);
    for call in [463, 470, 1000, 0x4000_0000, 0x4000_0208] {
        check(UNIX, call, &[], &ENOSYS);
    }
    // Calls of another architecture, which a 64-bit kernel may support as well.
    let filter = program(&needs(UNIX)).unwrap();
    let killed = u32::from(SeccompAction::KillProcess);
    assert_eq!(verdict(&filter, 0x4000_0003, 11, [0; 6]), killed);
}

#[test]
fn own_threads_signals_and_limits_are_allowed() {
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
    check(UNIX, libc::SYS_clone, &[thread], &ALLOW);
    let fork = i64::from(libc::SIGCHLD);
    let spawn = i64::from(libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD);
    for flags in [0, fork, spawn] {
        check(UNIX, libc::SYS_clone, &[flags], &EPERM);
    }
    for namespace in [libc::CLONE_NEWUSER, libc::CLONE_NEWNS, libc::CLONE_NEWNET] {
        let flags = thread | i64::from(namespace);
        check(UNIX, libc::SYS_clone, &[flags], &EPERM);
    }
    let own = i64::from(std::process::id());
    for call in [libc::SYS_tkill, libc::SYS_tgkill] {
        check(UNIX, call, &[own], &ALLOW);
        for other in [1, 0, -1, own + 1] {
            check(UNIX, call, &[other], &EPERM);
        }
    }
    // prlimit64(pid, resource, new, old)
    check(UNIX, libc::SYS_prlimit64, &[0, 3, 0, 1], &ALLOW);
    for others in [
        [1, 3, 0, 1],
        [own, 3, 0, 1],
        [0, 3, 1, 0],
        [0, 3, 1 << 32, 0],
    ] {
        check(UNIX, libc::SYS_prlimit64, &others, &EPERM);
    }
}

#[test]
fn calls_with_many_uses_are_allowed_for_those_of_doxy() {
    let [read, write, exec] = [libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC].map(i64::from);
    let gnu = cfg!(target_env = "gnu");
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        for protection in [0, read, read | write] {
            check_all(call, &[0, 4096, protection], [true; 3]);
        }
        for protection in [exec, read | exec, read | write | exec] {
            check_all(call, &[0, 4096, protection], [false, false, gnu]);
        }
    }
    for (call, at, argument, allowed) in [
        (libc::SYS_ioctl, 1, 0x5421, true),       // FIONBIO
        (libc::SYS_ioctl, 1, 0x541B, true),       // FIONREAD
        (libc::SYS_ioctl, 1, 0x5412, false),      // TIOCSTI
        (libc::SYS_ioctl, 1, 0x541C, false),      // TIOCLINUX
        (libc::SYS_ioctl, 1, 0x4008_6602, false), // FS_IOC_SETFLAGS
        (libc::SYS_fcntl, 1, i64::from(libc::F_GETFL), true),
        (libc::SYS_fcntl, 1, i64::from(libc::F_SETPIPE_SZ), true),
        (libc::SYS_fcntl, 1, i64::from(libc::F_SETOWN), false),
        (libc::SYS_fcntl, 1, 10, false), // F_SETSIG
        (libc::SYS_fcntl, 1, i64::from(libc::F_SETLEASE), false),
        (libc::SYS_fcntl, 1, i64::from(libc::F_NOTIFY), false),
        (libc::SYS_prctl, 0, i64::from(libc::PR_SET_NAME), true),
        (libc::SYS_prctl, 0, i64::from(libc::PR_SET_DUMPABLE), false),
        (libc::SYS_prctl, 0, i64::from(libc::PR_SET_PTRACER), false),
        (libc::SYS_prctl, 0, i64::from(libc::PR_SET_MM), false),
        (libc::SYS_prctl, 0, i64::from(libc::PR_SET_PDEATHSIG), false),
    ] {
        let mut arguments = [0; 2];
        arguments[at] = argument;
        check_all(call, &arguments, [allowed; 3]);
    }
}

#[test]
fn only_sockets_that_the_engine_needs_are_allowed() {
    let flags = i64::from(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
    let [unix, inet, inet6, netlink, packet] = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
        libc::AF_PACKET,
    ]
    .map(i64::from);
    let [stream, datagram, raw] =
        [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW].map(|kind| i64::from(kind) | flags);
    let (tcp, mptcp) = (i64::from(libc::IPPROTO_TCP), 262);
    let audit = i64::from(libc::NETLINK_AUDIT);
    for (socket, allowed) in [
        ([unix, stream, 0], [true, true, true]),
        ([unix, datagram, 0], [true, true, true]),
        ([inet, stream, 0], [false, true, true]),
        ([inet6, stream, tcp], [false, true, true]),
        ([inet, stream, mptcp], [false, false, false]),
        ([inet, datagram, 0], [false, false, true]),
        ([inet6, datagram, 0], [false, false, true]),
        ([inet, datagram, tcp], [false, false, false]),
        ([inet, raw, 0], [false, false, false]),
        ([netlink, raw, 0], [false, false, true]),
        ([netlink, raw, audit], [false, false, false]),
        ([packet, raw, 0], [false, false, false]),
    ] {
        check_all(libc::SYS_socket, &socket, allowed);
    }
}

/// Where a socket of the internet can be made, nothing listens, and nothing is sent to an address that
/// Landlock has not seen.
#[test]
fn what_sockets_may_do_depends_on_which_ones_there_can_be() {
    check_all(libc::SYS_listen, &[], [true, false, false]);
    check_all(libc::SYS_bind, &[], [true, false, true]);
    // A new socket takes the place of an old one.
    check_all(libc::SYS_renameat, &[], [true, false, false]);
    check_all(libc::SYS_recvmsg, &[], [false, false, true]);
    let [quiet, fast] = [libc::MSG_NOSIGNAL, libc::MSG_FASTOPEN].map(i64::from);
    for (call, at, allowed) in [
        (libc::SYS_sendto, 3, [true, true, true]),
        (libc::SYS_sendmsg, 2, [false, false, true]),
        (libc::SYS_sendmmsg, 3, [false, false, true]),
    ] {
        let mut arguments = [0; 4];
        arguments[at] = quiet;
        check_all(call, &arguments, allowed);
        arguments[at] = quiet | fast;
        // A client may have come over TCP whatever the engine's socket is.
        check_all(call, &arguments, [false; 3]);
    }
    let option = |level, name| [0, i64::from(level), i64::from(name)];
    for (option, allowed) in [
        (option(libc::SOL_SOCKET, libc::SO_SNDBUF), [true; 3]),
        (
            option(libc::IPPROTO_TCP, libc::TCP_NODELAY),
            [false, true, true],
        ),
        (
            option(libc::IPPROTO_IP, libc::IP_RECVERR),
            [false, false, true],
        ),
        (
            option(libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT),
            [false; 3],
        ),
        (option(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER), [false; 3]),
        (option(libc::SOL_SOCKET, libc::SO_BINDTODEVICE), [false; 3]),
    ] {
        check_all(libc::SYS_setsockopt, &option, allowed);
    }
}

/// An entry of the journal that is too large for a datagram is memory that is sealed and handed on.
#[test]
fn only_who_seals_memory_may_make_and_send_it() {
    let [cloexec, sealable] = [libc::MFD_CLOEXEC, libc::MFD_ALLOW_SEALING].map(i64::from);
    for (call, arguments, with) in [
        (libc::SYS_memfd_create, [0, cloexec | sealable, 0], ALLOW),
        (libc::SYS_memfd_create, [0, cloexec, 0], EPERM),
        (
            libc::SYS_memfd_create,
            [0, cloexec | sealable | i64::from(libc::MFD_HUGETLB), 0],
            EPERM,
        ),
        (libc::SYS_fcntl, [3, libc::F_ADD_SEALS.into(), 0], ALLOW),
        (libc::SYS_fcntl, [3, libc::F_SETLK.into(), 0], EPERM),
        (libc::SYS_sendmsg, [3, 0, libc::MSG_DONTWAIT.into()], ALLOW),
        (libc::SYS_sendmsg, [3, 0, libc::MSG_FASTOPEN.into()], EPERM),
        (libc::SYS_recvmsg, [3, 0, 0], EPERM),
    ] {
        check(UNIX, call, &arguments, &EPERM);
        let sealing = Needs {
            sealed_memory: true,
            ..needs(UNIX)
        };
        let filter = program(&sealing).unwrap();
        let mut all = [0; 6];
        for (argument, given) in all.iter_mut().zip(arguments) {
            *argument = given as u64;
        }
        let got = verdict(&filter, processor(), call, all);
        assert_eq!(got, u32::from(with), "{call} {arguments:?}");
    }
}
