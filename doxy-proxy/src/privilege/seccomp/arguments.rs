//! Calls that are allowed with some arguments only.
//!
//! A filter sees numbers, never what a pointer leads to. A call is here only if its numbers tell the
//! harmless uses from the others.

use libc::{c_int, c_long};
use seccompiler::{
    BackendError,
    SeccompCmpArgLen::{Dword, Qword},
    SeccompCmpOp::{self, Eq, MaskedEq},
    SeccompCondition, SeccompRule,
};

use crate::privilege::needs::{Needs, Network};

/// A call, and the rules of which one must hold.
type Allowed = (c_long, Vec<SeccompRule>);

/// Namespaces, all of which `clone` could make.
const NAMESPACES: c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

pub(super) fn allowed(needs: &Needs) -> Result<Vec<Allowed>, BackendError> {
    let network = needs.network;
    let own = u64::from(std::process::id());
    let mut calls = vec![
        // Threads of doxy: no processes, no namespaces.
        (
            libc::SYS_clone,
            vec![all([bits(
                0,
                libc::CLONE_THREAD | NAMESPACES,
                libc::CLONE_THREAD,
            )])?],
        ),
        // `abort`: signals to doxy itself. The second name takes a thread's number, so it reaches the
        // first thread alone.
        (libc::SYS_tgkill, vec![all([(0, Eq, own)])?]),
        (libc::SYS_tkill, vec![all([(0, Eq, own)])?]),
        // Asking for doxy's own limits. The third argument would set them.
        (libc::SYS_prlimit64, vec![own_limits()?]),
        (libc::SYS_fcntl, fcntl(needs)?),
        (
            libc::SYS_prctl,
            // Names of threads, and of memory that the C library maps.
            one_of(0, [libc::PR_SET_NAME, PR_SET_VMA])?,
        ),
        (libc::SYS_ioctl, ioctl()?),
        (libc::SYS_mmap, vec![not_executable()?]),
        (libc::SYS_mprotect, vec![not_executable()?]),
        (libc::SYS_socket, socket(network)?),
        (libc::SYS_setsockopt, options(network)?),
    ];
    // A send with this flag connects as well, and Landlock does not see it. A client's socket, which is
    // there whatever the engine's is, can be made to forget its client.
    let no_connect = |flags| all([bits(flags, libc::MSG_FASTOPEN, 0)]);
    calls.push((libc::SYS_sendto, vec![no_connect(3)?]));
    if needs.sealed_memory {
        // An entry that is too large for a datagram.
        let flags = number(libc::MFD_CLOEXEC.cast_signed() | libc::MFD_ALLOW_SEALING.cast_signed());
        calls.push((libc::SYS_memfd_create, vec![all([(1, Eq, flags)])?]));
    }
    if needs.sealed_memory || network == Network::Names {
        // Gives memory to the journal, or asks a name server.
        calls.push((libc::SYS_sendmsg, vec![no_connect(2)?]));
    }
    if network == Network::Names {
        // Two questions to a name server at once.
        calls.push((libc::SYS_sendmmsg, vec![no_connect(3)?]));
        // The resolver of glibc loads its modules at the first lookup.
        if cfg!(target_env = "gnu") {
            for (_, rules) in calls
                .iter_mut()
                .filter(|(call, _)| [libc::SYS_mmap, libc::SYS_mprotect].contains(call))
            {
                rules.clear();
            }
        }
    }
    Ok(calls)
}

/// In no libc crate for all C libraries.
const PR_SET_VMA: c_int = 0x5356_4d41;

/// Memory that is not code: doxy makes no new code.
fn not_executable() -> Result<SeccompRule, BackendError> {
    all([bits(2, libc::PROT_EXEC, 0)])
}

/// Flags of descriptors; not their locks and owners.
fn fcntl(needs: &Needs) -> Result<Vec<SeccompRule>, BackendError> {
    let mut rules = one_of(
        1,
        [
            libc::F_GETFD,
            libc::F_SETFD,
            libc::F_GETFL,
            libc::F_SETFL,
            libc::F_DUPFD_CLOEXEC,
            libc::F_SETPIPE_SZ, // how much is spliced at a time
        ],
    )?;
    if needs.sealed_memory {
        rules.push(all([(1, Eq, number(libc::F_ADD_SEALS))])?);
    }
    Ok(rules)
}

/// Switching a socket to non-blocking, and how many bytes have come. Not among them: putting input into
/// the terminal that doxy was started from.
fn ioctl() -> Result<Vec<SeccompRule>, BackendError> {
    #[allow(clippy::unnecessary_cast, reason = "musl's are another type")]
    let what = [
        libc::FIONBIO as u32,
        libc::FIOCLEX as u32,
        libc::FIONREAD as u32,
    ];
    each(what.map(|what| all([(1, Eq, what.into())])))
}

/// Process 0 is doxy itself, and no new limits. A pointer is compared whole.
fn own_limits() -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![
        SeccompCondition::new(0, Dword, Eq, 0)?,
        SeccompCondition::new(2, Qword, Eq, 0)?,
    ])
}

/// Unix sockets, and what the engine's address needs: TCP, and UDP to look up a name. No other
/// protocol: MPTCP and SCTP would lead past Landlock.
fn socket(network: Network) -> Result<Vec<SeccompRule>, BackendError> {
    let domain = |domain: c_int| (0, Eq, number(domain));
    // Without the flags NONBLOCK and CLOEXEC.
    let kind = |kind: c_int| bits(1, 0xf, kind);
    let protocol = |protocol: c_int| (2, Eq, number(protocol));
    let mut rules = vec![all([domain(libc::AF_UNIX)])];
    let inet = [libc::AF_INET, libc::AF_INET6];
    if network != Network::None {
        for (inet, tcp) in pairs(inet, [0, libc::IPPROTO_TCP]) {
            let (domain, kind) = (domain(inet), kind(libc::SOCK_STREAM));
            rules.push(all([domain, kind, protocol(tcp)]));
        }
    }
    if network == Network::Names {
        for (inet, udp) in pairs(inet, [0, libc::IPPROTO_UDP]) {
            let (domain, kind) = (domain(inet), kind(libc::SOCK_DGRAM));
            rules.push(all([domain, kind, protocol(udp)]));
        }
        // The C library asks over netlink whether there is IPv6.
        rules.push(all([
            domain(libc::AF_NETLINK),
            protocol(libc::NETLINK_ROUTE),
        ]));
    }
    each(rules)
}

/// Options of sockets: level and name.
fn options(network: Network) -> Result<Vec<SeccompRule>, BackendError> {
    // Larger buffers for large bodies.
    let mut options = vec![(libc::SOL_SOCKET, libc::SO_SNDBUF)];
    if network != Network::None {
        options.push((libc::IPPROTO_TCP, libc::TCP_NODELAY));
    }
    if network == Network::Names {
        // A name server that does not answer is reported at once.
        options.push((libc::IPPROTO_IP, libc::IP_RECVERR));
        options.push((libc::IPPROTO_IPV6, libc::IPV6_RECVERR));
        options.push((libc::IPPROTO_IPV6, libc::IPV6_V6ONLY));
    }
    each(
        options
            .into_iter()
            .map(|(level, name)| all([(1, Eq, number(level)), (2, Eq, number(name))])),
    )
}

fn pairs<const N: usize, const M: usize>(
    a: [c_int; N],
    b: [c_int; M],
) -> impl Iterator<Item = (c_int, c_int)> {
    a.into_iter().flat_map(move |a| b.map(|b| (a, b)))
}

/// A condition: of the bits in `mask`, exactly those in `value` are set.
fn bits(argument: u8, mask: c_int, value: c_int) -> (u8, SeccompCmpOp, u64) {
    (argument, MaskedEq(number(mask)), number(value))
}

/// As the kernel reads it: 32 bits.
fn number(value: c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

fn one_of<const N: usize>(
    argument: u8,
    values: [c_int; N],
) -> Result<Vec<SeccompRule>, BackendError> {
    each(values.map(|value| all([(argument, Eq, number(value))])))
}

/// A rule: all conditions hold. Each has an argument, a comparison and a value.
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
