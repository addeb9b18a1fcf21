//! What is passed to doxy: variables that contradict each other, descriptors of every kind.

use std::error::Error;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use super::{InheritedSockets, checked, names};
use crate::net::listener::Listener;

type Tried = Result<(), Box<dyn Error>>;

#[test]
fn the_variables_are_for_this_process_and_agree() {
    const OWN: u32 = 4711;
    type Expected<'a> = Result<&'a [&'a str], &'a str>;
    let cases: [(&[(&str, &str)], Expected<'_>); 13] = [
        (&[], Ok(&[])),
        (&[("LISTEN_FDS", "2")], Ok(&[])),
        (&[("LISTEN_PID", "4710"), ("LISTEN_FDS", "2")], Ok(&[])),
        (&[("LISTEN_PID", "4711"), ("LISTEN_FDS", "0")], Ok(&[])),
        (
            &[
                ("LISTEN_PID", "4711"),
                ("LISTEN_FDS", "0"),
                ("LISTEN_FDNAMES", ""),
            ],
            Ok(&[]),
        ),
        (
            &[("LISTEN_PID", "4711"), ("LISTEN_FDS", "2")],
            Ok(&["unknown", "unknown"]),
        ),
        (
            &[
                ("LISTEN_PID", "4711"),
                ("LISTEN_FDS", "3"),
                ("LISTEN_FDNAMES", "a:b:a"),
            ],
            Ok(&["a", "b", "a"]),
        ),
        (&[("LISTEN_PID", "4711")], Err("LISTEN_FDS is not")),
        (
            &[("LISTEN_PID", "x"), ("LISTEN_FDS", "1")],
            Err("LISTEN_PID is no number"),
        ),
        (
            &[("LISTEN_PID", "4711"), ("LISTEN_FDS", "-1")],
            Err("LISTEN_FDS is no number from 0"),
        ),
        (
            &[("LISTEN_PID", "4711"), ("LISTEN_FDS", "99999999")],
            Err("LISTEN_FDS is no number from 0"),
        ),
        (
            &[
                ("LISTEN_PID", "4711"),
                ("LISTEN_FDS", "2"),
                ("LISTEN_FDNAMES", "a"),
            ],
            Err("has 1 names and LISTEN_FDS says 2"),
        ),
        (
            &[
                ("LISTEN_PID", "4711"),
                ("LISTEN_FDS", "1"),
                ("LISTEN_FDNAMES", "a:b"),
            ],
            Err("has 2 names and LISTEN_FDS says 1"),
        ),
    ];
    for (variables, expected) in cases {
        let variable = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).into())
        };
        match (names(variable, OWN), expected) {
            (Ok(names), Ok(expected)) => assert_eq!(names, expected, "{variables:?}"),
            (Err(error), Err(expected)) => {
                let text = error.to_string();
                assert!(text.contains(expected), "{text}");
                assert_eq!(text.lines().count(), 2, "{text}");
            }
            (names, expected) => assert_eq!(names.is_ok(), expected.is_ok(), "{variables:?}"),
        }
    }
}

#[test]
fn only_stream_sockets_that_listen_are_served() -> Tried {
    let folder = tempfile::tempdir()?;
    let tcp = std::net::TcpListener::bind("127.0.0.1:0")?;
    let connection = TcpStream::connect(tcp.local_addr()?)?;
    let cases: [(OwnedFd, Option<&str>); 7] = [
        (
            std::fs::File::open("/dev/null")?.into(),
            Some("is no socket"),
        ),
        (
            UdpSocket::bind("127.0.0.1:0")?.into(),
            Some("is no stream socket"),
        ),
        (UnixDatagram::unbound()?.into(), Some("is no stream socket")),
        (UnixStream::pair()?.0.into(), Some("a connection, not")),
        (connection.into(), Some("a connection, not")),
        (tcp.into(), None),
        (UnixListener::bind(folder.path().join("x"))?.into(), None),
    ];
    for (descriptor, expected) in cases {
        match (checked(3, "door", descriptor), expected) {
            (Ok(socket), None) => {
                let flags = rustix::fs::fcntl_getfl(&socket)?;
                assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
            }
            (checked, expected) => {
                let text = checked.err().ok_or("it is served")?.to_string();
                assert!(text.contains(expected.ok_or("it is none")?), "{text}");
                assert!(text.starts_with("descriptor 3 (`door`) is "), "{text}");
                assert_eq!(text.lines().count(), 2, "{text}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn each_name_is_served_once_and_none_is_left() -> Tried {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.sock");
    let unix = UnixListener::bind(&path)?;
    unix.set_nonblocking(true)?;
    let [one, other] = ["127.0.0.1:0"; 2].map(std::net::TcpListener::bind);
    let (one, other) = (one?, other?);
    let ports = [one.local_addr()?, other.local_addr()?];
    for socket in [&one, &other] {
        socket.set_nonblocking(true)?;
    }
    let mut sockets = InheritedSockets(vec![
        ("web".to_owned(), one.into()),
        ("local".to_owned(), unix.into()),
        ("web".to_owned(), other.into()),
    ]);
    let none = sockets.listen("none").err().ok_or("there is none")?;
    assert!(
        none.to_string().contains("only `web`, `local`, `web`"),
        "{none}"
    );
    let web = sockets.listen("web")?;
    let listening: Vec<_> = web.iter().map(Listener::to_string).collect();
    assert_eq!(listening, ports.map(|port| format!("tcp://{port}")));
    assert!(sockets.listen("web").is_err(), "they are served already");
    let unused = sockets.all_used().err().ok_or("one is not used")?;
    assert!(
        unused.to_string().contains("no setting names: `local`\n"),
        "{unused}"
    );
    let local = sockets.listen("local")?;
    sockets.all_used()?;
    let [Listener::Unix(listener)] = local.as_slice() else {
        return Err("it is a unix socket".into());
    };
    assert_eq!(listener.path(), path);
    assert!(listener.is_at(&path));
    // It is the service manager's, and stays.
    assert!(listener.mark().is_none());
    drop(local);
    assert!(path.exists());
    Ok(())
}
