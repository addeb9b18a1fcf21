//! What a process in the sandbox tries: each attempt works outside, which is made sure first, and is
//! refused with `EPERM` inside; and what has to go on working.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::BuildHasher as _;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::catch_unwind;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use libc::c_int;
use rustix::fs::{AtFlags, CWD, MemfdFlags, Mode, Timestamps, XattrFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::pipe::{PipeFlags, SpliceFlags};
use rustix::process::{Pid, Resource, Signal, getrlimit};
use rustix::thread::CpuSet;

/// How many attempts of this process the sandbox has refused.
pub(super) static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// Checks that an attempt failed for lack of a right.
#[track_caller]
pub(super) fn forbidden<T>(what: &str, tried: io::Result<T>) {
    let error = tried.err().unwrap_or_else(|| panic!("{what} works"));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
    REFUSED.fetch_add(1, Ordering::SeqCst);
}

const CODE: &str = "memory for code";
const WRITTEN_CODE: &str = "memory that becomes code";
/// Both could pass descriptors.
const RENAME: &str = "rename";
const SENDMSG: &str = "sendmsg";
const RECVMSG: &str = "recvmsg";

type Attempt = (&'static str, Result<(), Errno>);

/// What the attempts are made on: a file of its own, another process, and sockets from before.
pub(super) struct Attempts {
    file: File,
    other: Child,
    /// An unbound TCP socket, and an address that it could reach, if there are any.
    tcp: Option<(OwnedFd, SocketAddr)>,
    /// Another unix socket.
    pair: (UnixStream, UnixStream),
    /// Whether the C library looks a name up.
    pub(super) named: bool,
}

impl Attempts {
    /// Prepares them in the current folder, and checks that all of them work outside the sandbox.
    pub(super) fn prepare(reachable: Option<SocketAddr>) -> Self {
        fs::write("mine", "").unwrap();
        // It ends when this process does.
        let other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let attempts = Self {
            file: File::open("mine").unwrap(),
            other,
            tcp: reachable.map(|address| (tcp().unwrap(), address)),
            pair: socket_pair(),
            named: false,
        };
        for (what, tried) in attempts.make() {
            // Some file systems have no attributes, some machines no fast open: that is not EPERM.
            let works = matches!(tried, Ok(()) | Err(Errno::OPNOTSUPP | Errno::AGAIN));
            assert!(works, "outside the sandbox: {what}: {tried:?}");
        }
        attempts
    }

    /// Makes all attempts again: each must be refused now.
    pub(super) fn are_refused(&self) {
        // That of glibc loads modules at the first lookup.
        let allowed: &[&str] = match (self.named, cfg!(target_env = "gnu")) {
            (false, _) => &[],
            (true, false) => &[SENDMSG, RECVMSG],
            (true, true) => &[SENDMSG, RECVMSG, CODE, WRITTEN_CODE],
        };
        for (what, tried) in self.make() {
            // With a unix engine the call is let through, and Landlock refuses it.
            if what == RENAME && tried == Err(Errno::ACCESS) {
                REFUSED.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            if allowed.contains(&what) {
                assert_ne!(tried, Err(Errno::PERM), "{what}");
                continue;
            }
            assert_eq!(tried, Err(Errno::PERM), "{what}");
            REFUSED.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn make(&self) -> Vec<Attempt> {
        let mut made = self.on_files();
        made.extend(self.on_processes());
        made.extend(self.on_sockets());
        made
    }

    fn on_files(&self) -> Vec<Attempt> {
        let user = Some(rustix::process::getuid());
        let now = rustix::fs::fstat(&self.file).unwrap();
        let (last_access, last_modification) = (
            rustix::fs::Timespec {
                tv_sec: now.st_atime as i64,
                tv_nsec: 0,
            },
            rustix::fs::Timespec {
                tv_sec: now.st_mtime as i64,
                tv_nsec: 0,
            },
        );
        let times = Timestamps {
            last_access,
            last_modification,
        };
        let mode = Mode::RUSR | Mode::WUSR;
        vec![
            ("chmod", rustix::fs::chmod("mine", mode)),
            ("fchmod", rustix::fs::fchmod(&self.file, mode)),
            ("chown", rustix::fs::chown("mine", user, None)),
            ("fchown", rustix::fs::fchown(&self.file, user, None)),
            (
                "setxattr",
                rustix::fs::setxattr("mine", "user.x", b"1", XattrFlags::empty()),
            ),
            (
                "utimensat",
                rustix::fs::utimensat(CWD, "mine", &times, AtFlags::empty()),
            ),
            ("futimens", rustix::fs::futimens(&self.file, &times)),
            (RENAME, rustix::fs::rename("mine", "mine")),
            ("memfd_create", {
                rustix::fs::memfd_create("code", MemfdFlags::CLOEXEC).map(drop)
            }),
        ]
    }

    fn on_processes(&self) -> Vec<Attempt> {
        let other = Pid::from_child(&self.other);
        let limit = getrlimit(Resource::Core);
        let mut processors = CpuSet::new();
        processors.set(0);
        vec![
            (
                "prlimit64 of another",
                rustix::process::prlimit(Some(other), Resource::Core, limit).map(drop),
            ),
            (
                "prlimit64 of its own",
                rustix::process::setrlimit(Resource::Core, limit),
            ),
            (
                "setpriority",
                rustix::process::setpriority_process(Some(other), 0),
            ),
            (
                "sched_setaffinity",
                rustix::thread::sched_setaffinity(Some(other), &processors),
            ),
            (
                "a signal",
                rustix::process::kill_process(other, Signal::WINCH),
            ),
            (CODE, map(libc::PROT_EXEC, libc::PROT_EXEC)),
            (WRITTEN_CODE, map(libc::PROT_WRITE, libc::PROT_EXEC)),
        ]
    }

    fn on_sockets(&self) -> Vec<Attempt> {
        let pair = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        );
        let mut made = vec![("socketpair", pair.map(drop))];
        let (one, other) = &self.pair;
        let sent = rustix::net::sendmsg(
            one,
            &[IoSlice::new(b"x")],
            &mut rustix::net::SendAncillaryBuffer::default(),
            SendFlags::DONTWAIT,
        );
        made.push((SENDMSG, sent.map(drop)));
        let received = rustix::net::recvmsg(
            other,
            &mut [IoSliceMut::new(&mut [0; 8])],
            &mut rustix::net::RecvAncillaryBuffer::default(),
            RecvFlags::DONTWAIT,
        );
        made.push((RECVMSG, received.map(drop)));
        let Some((held, address)) = &self.tcp else {
            made.push(("TCP", tcp().map(drop)));
            return made;
        };
        let fast = SendFlags::from_bits_retain(libc::MSG_FASTOPEN.cast_unsigned());
        let fresh = tcp().unwrap();
        made.push((
            "listen",
            rustix::net::listen(held, 1).and_then(|()| rustix::net::listen(&fresh, 1)),
        ));
        let fresh = tcp().unwrap();
        let sent = rustix::net::sendto(&fresh, b"x", fast, address);
        made.push(("sendto with MSG_FASTOPEN", sent.map(drop)));
        let fresh = tcp().unwrap();
        let sent = rustix::net::sendmsg_addr(
            &fresh,
            address,
            &[IoSlice::new(b"x")],
            &mut rustix::net::SendAncillaryBuffer::default(),
            fast,
        );
        made.push(("sendmsg with MSG_FASTOPEN", sent.map(drop)));
        made
    }
}

fn tcp() -> Result<OwnedFd, Errno> {
    rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)
}

/// Maps memory with `protection`, and changes that to `then`. By number: musl reports `EPERM` of `mmap`
/// as `ENOMEM`.
#[expect(unsafe_code, reason = "rustix has no mmap without a further feature")]
fn map(protection: c_int, then: c_int) -> Result<(), Errno> {
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, at a place that the kernel chooses; nothing ever uses it.
    let mapped = unsafe { libc::syscall(libc::SYS_mmap, 0, 4096, protection, kind, -1, 0) };
    // SAFETY: if there is no mapping, the call changes nothing.
    if mapped != -1 && unsafe { libc::syscall(libc::SYS_mprotect, mapped, 4096, then) } == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap())
}

/// What splicing and threads need has to be there before.
pub(super) fn socket_pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// Checks what a proxy does beside serving: threads, memory, panics, clocks, chance, splicing.
pub(super) fn everything_else_works((one, other): &(UnixStream, UnixStream)) {
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let named = thread::Builder::new().name(format!("thread {number}"));
            named.stack_size(16 << 20).spawn(grow).unwrap()
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 32 << 20);
    }
    // With a backtrace, as RUST_BACKTRACE asks for one.
    let panicked = catch_unwind(|| panic!("this panic is part of the test"));
    assert!(panicked.is_err());
    let panicked = thread::spawn(|| panic!("so is this one")).join();
    assert!(panicked.is_err());
    RandomState::new().hash_one(1);
    thread::sleep(std::time::Duration::from_nanos(1));
    assert!(std::time::SystemTime::now() > std::time::UNIX_EPOCH);
    let _ = getrlimit(Resource::Nofile);

    let (output, input) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap();
    rustix::pipe::fcntl_setpipe_size(&input, 1 << 18).unwrap();
    io::Write::write_all(&mut &*one, b"bytes").unwrap();
    let moved = rustix::pipe::splice(other, None, &input, None, 5, SpliceFlags::empty());
    assert_eq!(moved, Ok(5));
    let mut read = [0; 8];
    assert_eq!(rustix::io::read(&output, &mut read), Ok(5));
}

/// Lets a buffer grow far beyond what an allocator keeps, and shrink again.
fn grow() -> usize {
    let mut buffer = Vec::new();
    while buffer.len() < 32 << 20 {
        buffer.resize(buffer.len() + (1 << 20), 1_u8);
    }
    let grown = buffer.len();
    buffer.truncate(1 << 10);
    buffer.shrink_to_fit();
    grown
}

/// What a reload needs that adds a socket: its mode comes from the umask, and nobody can connect before
/// it has that.
pub(super) fn sockets_can_be_added(folder: &str) {
    let before = rustix::process::umask(Mode::from_raw_mode(0o117));
    let path = format!("{folder}/added.sock");
    let listener = UnixListener::bind(&path).unwrap();
    rustix::process::umask(before);
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let _client = UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
    fs::remove_file(&path).unwrap();
}
