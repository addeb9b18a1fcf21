//! The filter is run as the kernel would run it, by an interpreter of the few instructions in it.

use seccompiler::{BpfProgram, SeccompAction, TargetArch, sock_filter};

use super::program;
use crate::privilege::needs::Network;

const EPERM: SeccompAction = SeccompAction::Errno(libc::EPERM as u32);
const ENOSYS: SeccompAction = SeccompAction::Errno(libc::ENOSYS as u32);
const ALLOW: SeccompAction = SeccompAction::Allow;

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

#[track_caller]
fn check(network: Network, call: i64, arguments: &[i64], expected: &SeccompAction) {
    let filter: BpfProgram = program(network).unwrap();
    let mut all = [0; 6];
    for (argument, given) in all.iter_mut().zip(arguments) {
        *argument = *given as u64;
    }
    let got = verdict(&filter, processor(), call, all);
    let expected = u32::from(expected.clone());
    assert_eq!(got, expected, "{network:?} {call} {arguments:?}");
}

#[test]
fn calls_of_a_proxy_are_allowed_and_others_are_refused() {
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
    // Calls of another architecture, which a 64-bit kernel may support as well.
    let filter = program(Network::None).unwrap();
    let killed = u32::from(SeccompAction::KillProcess);
    assert_eq!(verdict(&filter, 0x4000_0003, 11, [0; 6]), killed);
}

#[test]
fn own_threads_and_signals_are_allowed() {
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
