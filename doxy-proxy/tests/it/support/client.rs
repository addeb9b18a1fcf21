//! A client that sends and receives raw bytes.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::fake::headers;
use super::{TIMEOUT, sockets};

/// A connection to a socket under test.
pub(crate) struct Client {
    stream: UnixStream,
    /// If it speaks TLS.
    tls: Option<Box<rustls::ClientConnection>>,
    unread: Vec<u8>,
}

/// A response. The framing of its body is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: String,
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        headers(&self.head)
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
            .collect()
    }

    /// The number of the request, of which a response of doxy's own has one.
    #[track_caller]
    pub(crate) fn request_id(&self) -> &str {
        let ids = self.header("x-doxy-request-id");
        assert_eq!(ids.len(), 1, "{self:?}");
        ids[0]
    }

    /// The `message` of a response that doxy made.
    #[track_caller]
    pub(crate) fn message(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            ["application/json"],
            "{self:?}"
        );
        let id = self.request_id();
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert!(id.len() == 16 && id.bytes().all(digit), "{self:?}");
        let json: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        let members = json.as_object().unwrap();
        assert_eq!(members.len(), 1, "{json}");
        members["message"].as_str().unwrap().to_owned()
    }
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        Self {
            stream,
            tls: None,
            unread: Vec::new(),
        }
    }

    #[track_caller]
    pub(crate) fn connect_tcp(address: SocketAddr) -> Self {
        Self::over_tcp(TcpStream::connect(address).unwrap())
    }

    /// From another address of this machine: all of 127.0.0.0/8 are.
    #[track_caller]
    pub(crate) fn connect_from(ip: &str, address: SocketAddr) -> Self {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
        connect(&socket, &address).unwrap();
        Self::over_tcp(socket.into())
    }

    fn over_tcp(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        Self {
            // A stream socket of another family has the same calls.
            stream: OwnedFd::from(stream).into(),
            tls: None,
            unread: Vec::new(),
        }
    }

    /// Goes through the handshake of TLS: an error says why there is none.
    pub(crate) fn secured(mut self, mut tls: rustls::ClientConnection) -> Result<Self, String> {
        while tls.is_handshaking() {
            tls.complete_io(&mut self.stream)
                .map_err(|error| error.to_string())?;
        }
        self.tls = Some(Box::new(tls));
        Ok(self)
    }

    /// What was agreed on in the handshake.
    pub(crate) fn tls(&self) -> &rustls::ClientConnection {
        self.tls.as_deref().expect("it speaks TLS")
    }

    /// The same from another address of this machine.
    #[track_caller]
    pub(crate) fn connect_tcp_from(ip: IpAddr, address: SocketAddr) -> Self {
        let socket = sockets::tcp_from(ip);
        rustix::net::connect(&socket, &address).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        Self {
            stream: OwnedFd::from(stream).into(),
            tls: None,
            unread: Vec::new(),
        }
    }

    /// Connects as Go does: without waiting for room in the kernel's queue. None if it is full.
    #[track_caller]
    pub(crate) fn connect_now(path: &Path) -> Option<Self> {
        let stream = sockets::connect_now(path)?;
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Some(Self {
            stream,
            tls: None,
            unread: Vec::new(),
        })
    }

    /// See [`sockets::offer`].
    #[track_caller]
    pub(crate) fn offer(&self, bytes: &[u8], work: impl FnMut()) -> usize {
        sockets::offer(&self.stream, bytes, work)
    }

    /// How many bytes have arrived and are not read yet.
    pub(crate) fn waiting(&self) -> usize {
        usize::try_from(rustix::io::ioctl_fionread(&self.stream).unwrap()).unwrap()
    }

    /// Whether the other side has closed, and nothing is left to read.
    pub(crate) fn has_ended(&self) -> bool {
        use rustix::net::RecvFlags;
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let peeked = rustix::net::recv(&self.stream, &mut [0], flags);
        peeked.is_ok_and(|(count, _)| count == 0)
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        match &mut self.tls {
            None => self.stream.write_all(bytes.as_ref()),
            Some(tls) => {
                rustls::Stream::new(&mut **tls, &mut self.stream).write_all(bytes.as_ref())
            }
        }
        .unwrap();
    }

    /// Sends bytes; false if the other side has closed.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Half-closes: sends nothing more.
    pub(crate) fn end(&mut self) {
        let Some(tls) = &mut self.tls else {
            return self.stream.shutdown(Shutdown::Write).unwrap();
        };
        tls.send_close_notify();
        tls.complete_io(&mut self.stream).unwrap();
    }

    /// The same connection, for another thread.
    pub(crate) fn another(&self) -> Self {
        Self {
            stream: self.stream.try_clone().unwrap(),
            tls: None,
            unread: Vec::new(),
        }
    }

    /// Sends a request, and returns its response. Not for HEAD.
    #[track_caller]
    pub(crate) fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Reply {
        self.send(bytes);
        self.reply("GET").expect("an answer")
    }

    /// The next response. None if the connection has ended.
    #[track_caller]
    pub(crate) fn reply(&mut self, method: &str) -> Option<Reply> {
        let head = loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head: Vec<_> = self.unread.drain(..end + 4).collect();
                // The engine puts bytes into `Location` as they came.
                break String::from_utf8_lossy(&head).into_owned();
            }
            if !self.read() {
                assert!(
                    self.unread.is_empty(),
                    "{:?}",
                    String::from_utf8_lossy(&self.unread)
                );
                return None;
            }
        };
        let mut reply = Reply {
            head,
            body: Vec::new(),
            trailers: String::new(),
        };
        let status = reply.status();
        if status < 200 || status == 204 || status == 304 || method == "HEAD" {
            return Some(reply);
        }
        if reply.header("transfer-encoding") == ["chunked"] {
            loop {
                let size = usize::from_str_radix(self.line().trim(), 16).unwrap();
                if size == 0 {
                    break;
                }
                reply.body.extend(self.take(size));
                self.line();
            }
            loop {
                let line = self.line();
                if line.trim().is_empty() {
                    return Some(reply);
                }
                reply.trailers.push_str(&line);
            }
        }
        match reply
            .header("content-length")
            .first()
            .map(|length| length.parse().unwrap())
        {
            Some(length) => reply.body = self.take(length),
            None => reply.body = self.rest(),
        }
        Some(reply)
    }

    /// Reads until the connection ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read() {}
        std::mem::take(&mut self.unread)
    }

    /// Reads up to and including `end`.
    #[track_caller]
    pub(crate) fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = find(&self.unread, end) {
                return self.unread.drain(..at + end.len()).collect();
            }
            assert!(
                self.read(),
                "ended with {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        String::from_utf8(self.until(b"\r\n")).unwrap()
    }

    /// Reads this many bytes.
    #[track_caller]
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(
                self.read(),
                "cut off after {} of {count} bytes",
                self.unread.len()
            );
        }
        self.unread.drain(..count).collect()
    }

    /// Reads more; false at the end of the connection.
    #[track_caller]
    fn read(&mut self) -> bool {
        let mut chunk = [0; 65536];
        let read = match &mut self.tls {
            None => self.stream.read(&mut chunk),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.stream).read(&mut chunk),
        };
        match read {
            Ok(0) => false,
            Ok(n) => {
                self.unread.extend(&chunk[..n]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            // When a stopped process continues, its reads with a timeout are interrupted.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => self.read(),
            Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&self.unread)),
        }
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
