//! Calls that are allowed whatever their arguments: one a line, with the reason.
//!
//! None of them reaches another process, changes what a file is or whose it is, or takes an address.
//! Which files may be opened is for Landlock to say.

use libc::c_long;

use crate::privilege::needs::Network;

/// Allowed for every address of the engine.
const ALWAYS: &[c_long] = &[
    // Bytes.
    libc::SYS_read,     // policy files, /proc/PID/comm, wake-ups
    libc::SYS_write,    // both logs, wake-ups
    libc::SYS_writev,   // head and body of a message in one call
    libc::SYS_recvfrom, // what clients and the engine send
    libc::SYS_splice,   // large bodies and tunnels, through a pipe
    libc::SYS_close,    // sockets, files, pipes
    // Files: which ones, Landlock says.
    libc::SYS_openat,     // policy files, the access log, /proc/PID/comm
    libc::SYS_statx,      // how long a file is
    libc::SYS_fstat,      // the same, in other C libraries and for a socket's identity
    libc::SYS_newfstatat, // whether the path still leads to doxy's socket
    libc::SYS_readlinkat, // where a path with links leads, at a reload
    libc::SYS_lseek,      // how much of a file is left to read
    libc::SYS_unlinkat,   // doxy's socket, when doxy stops
    libc::SYS_umask,      // the mode of a socket that is bound at a reload
    libc::SYS_getcwd,     // a backtrace shortens paths
    // Sockets. Which kinds can be made is a matter of arguments.
    libc::SYS_connect,     // the engine; TCP ports are for Landlock to check
    libc::SYS_accept4,     // clients
    libc::SYS_shutdown,    // the half-close of a tunnel
    libc::SYS_getsockopt,  // the peer's user and groups, errors of a connection
    libc::SYS_getsockname, // a socket's own address
    libc::SYS_getpeername, // the other side's address
    // Waiting.
    libc::SYS_epoll_create1, // a thread that serves
    libc::SYS_epoll_ctl,     // every connection
    libc::SYS_epoll_pwait,   // sockets that are ready
    libc::SYS_ppoll,         // whether a log or a client is there
    libc::SYS_eventfd2,      // waking a thread
    libc::SYS_pipe2,         // for splicing
    libc::SYS_futex,         // locks, threads
    // Memory.
    libc::SYS_brk,     // the heap
    libc::SYS_munmap,  // memory that is given back
    libc::SYS_mremap,  // a buffer that grows
    libc::SYS_madvise, // memory that is given back but stays reserved
    // Threads.
    libc::SYS_set_robust_list,   // a new thread
    libc::SYS_rseq,              // a new thread
    libc::SYS_sigaltstack,       // a new thread: where a stack overflow is reported
    libc::SYS_sched_getaffinity, // a new thread asks for its attributes
    libc::SYS_sched_yield,       // a lock that is about to be free
    libc::SYS_gettid,            // a panic names its thread
    libc::SYS_getpid,            // `abort`
    libc::SYS_exit,              // the end of a thread
    libc::SYS_exit_group,        // the end of doxy
    // Signals.
    libc::SYS_rt_sigaction,    // `abort` takes the handler away
    libc::SYS_rt_sigprocmask,  // a new thread
    libc::SYS_rt_sigreturn,    // SIGTERM, SIGINT and SIGHUP have been noted
    libc::SYS_restart_syscall, // the kernel goes on with a call after SIGSTOP and SIGCONT
    // Who, when, and chance.
    libc::SYS_getuid,          // doxy's own user
    libc::SYS_geteuid,         // the same
    libc::SYS_getgid,          // doxy's own group
    libc::SYS_getegid,         // the same
    libc::SYS_clock_gettime,   // where the kernel gives no clock without a call
    libc::SYS_clock_getres,    // how exact that clock is
    libc::SYS_clock_nanosleep, // pauses
    libc::SYS_nanosleep,       // the same, in other C libraries
    libc::SYS_getrandom,       // seeds of hash tables
];

/// The same calls under the names that only x86-64 still has. The C libraries differ in which they use.
#[cfg(target_arch = "x86_64")]
const HERE: &[c_long] = &[
    libc::SYS_open,         // openat
    libc::SYS_stat,         // newfstatat
    libc::SYS_lstat,        // newfstatat
    libc::SYS_readlink,     // readlinkat
    libc::SYS_unlink,       // unlinkat
    libc::SYS_poll,         // ppoll
    libc::SYS_epoll_wait,   // epoll_pwait
    libc::SYS_gettimeofday, // clock_gettime
    libc::SYS_time,         // clock_gettime
];
#[cfg(target_arch = "aarch64")]
const HERE: &[c_long] = &[
    libc::SYS_gettimeofday, // clock_gettime
];

/// With a unix engine no sockets of the internet can be made that could listen.
const UNIX: &[c_long] = &[
    libc::SYS_bind, // a socket of doxy's own, at a reload; Landlock says in which folders
    libc::SYS_listen, // the same
    libc::SYS_renameat, // the same: it takes the place of another
];

/// With an engine that has a name, the C library looks the name up.
const NAMES: &[c_long] = &[
    libc::SYS_bind, // netlink, and the datagrams of a lookup; Landlock refuses it for TCP
    libc::SYS_recvmsg, // answers of netlink and of name servers
    libc::SYS_uname, // the machine's own name
    libc::SYS_sysinfo, // how much memory sorting addresses may take
];

pub(super) fn allowed(network: Network) -> impl Iterator<Item = c_long> {
    let more = match network {
        Network::None => UNIX,
        Network::Addresses => &[],
        Network::Names => NAMES,
    };
    [ALWAYS, HERE, more].into_iter().flatten().copied()
}
