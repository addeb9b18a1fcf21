//! A doxy with a socket for each thing that can happen, and an engine that does what it is asked.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::{Mutex, mpsc};

use crate::admin::with_admin;
use crate::doors::address;
use crate::support::{Binary, Certificates, Client, Fake, Recorded, Reply, Setup};

/// The rules of the socket `web`.
const RULES: &str = "\
* /any
/info
/events
/slow
/nothing
/broken
/missing
/fails
/unchanged
/secrets
!/secrets
POST /containers/x/attach
POST /build
";
/// The line of its rule that denies.
pub(super) const DENY_RULE: &str = "web.pattern:11";

const SCRIPT: &str = r#"const LOOKUPS = ["container"];
fn decide(req) {
    if req.path == "/deny" { return deny("no"); }
    if req.path == "/fail" { throw "it fails"; }
    if req.path == "/loop" { loop {} }
    if req.path == "/containers/create" { req.json(); }
    if req.object != () { inspect("container", req.object.name); }
    allow()
}
"#;
/// The place in it that denies.
pub(super) const DENY_PLACE: &str = "policy.rhai:3:37";
/// A body of a script's has this size at most, in bytes: two of them are more than all may have.
pub(super) const BODY: usize = 60 << 20;

/// What is tested.
pub(super) struct Setting {
    pub(super) fake: Fake,
    pub(super) certificates: Certificates,
    pub(super) tcp: SocketAddr,
    pub(super) tls: SocketAddr,
    pub(super) doxy: Binary,
    /// Has a stream of the engine end.
    pub(super) end: mpsc::Sender<()>,
}

impl Setting {
    pub(super) fn start() -> Self {
        let certificates = Certificates::new();
        certificates.certify(&["localhost"]).certify(&["client"]);
        let (end, ends) = mpsc::channel();
        let ends = Mutex::new(ends);
        let fake = Fake::with(move |request, stream| {
            if request.target() != "/events" {
                return answer(request, stream);
            }
            let begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
            stream.write_all(begin).unwrap();
            ends.lock().unwrap().recv().unwrap();
            stream.write_all(b"0\r\n\r\n").is_ok()
        });
        let (tcp, tls) = (address(), address());
        let setup = Setup::new()
            .engine(fake.path())
            .file("web.pattern", RULES)
            .file("policy.rhai", SCRIPT)
            .config(&toml(&certificates, tcp, tls, "/info"));
        Self {
            doxy: with_admin(setup).start(),
            fake,
            certificates,
            tcp,
            tls,
            end,
        }
    }

    /// The configuration, with these rules for the socket `read`.
    pub(super) fn toml(&self, read: &str) -> String {
        toml(&self.certificates, self.tcp, self.tls, read)
    }

    #[track_caller]
    pub(super) fn connect(&self, socket: &str) -> Client {
        Client::connect(&self.doxy.path(&format!("{socket}.sock")))
    }

    /// What this socket answers to `METHOD TARGET`.
    #[track_caller]
    pub(super) fn ask(&self, socket: &str, line: &str) -> Reply {
        let mut client = self.connect(socket);
        client.send(format!("{line} HTTP/1.1\r\nHost: d\r\n\r\n"));
        let method = line.split(' ').next().unwrap();
        client.reply(method).expect("an answer")
    }
}

fn toml(certificates: &Certificates, tcp: SocketAddr, tls: SocketAddr, read: &str) -> String {
    let [ca, cert, key] = [
        certificates.path("ca"),
        certificates.path("localhost"),
        certificates.key("localhost"),
    ];
    let [ca, cert, key] = [ca.display(), cert.display(), key.display()];
    format!(
        r#"
        socket-mode = "0666"
        [socket.web]
        proxy-socket = "web.sock"
        pattern-file = "web.pattern"
        [socket.read]
        proxy-socket = "read.sock"
        patterns = "{read}"
        [socket.dry]
        proxy-socket = "dry.sock"
        patterns = "/info"
        dry-run = true
        [socket.late]
        proxy-socket = "late.sock"
        patterns = "/info"
        head-timeout = "200ms"
        [socket.small]
        proxy-socket = "small.sock"
        patterns = "/info"
        max-connections = 1
        [socket.closed]
        proxy-socket = "closed.sock"
        patterns = "/info"
        allow-uid = [4000000000]
        [socket.gone]
        proxy-socket = "gone.sock"
        patterns = "/info"
        docker-socket = "no.sock"
        [socket.lossy]
        proxy-socket = "lossy.sock"
        patterns = "/info"
        access-log = "/dev/full"
        [socket.tcp]
        proxy-socket = "tcp://{tcp}"
        patterns = "/info"
        max-connections = 1
        [socket.script]
        proxy-socket = ["script.sock", "tcp://{tls}"]
        patterns = "/none"
        script = "policy.rhai"
        max-body = {BODY}
        accept-risk = ["host-root", "exec"]
        tls-cert = "{cert}"
        tls-key = "{key}"
        tls-client-ca = "{ca}"
        "#
    )
}

/// The engine's answer to everything but a stream.
fn answer(request: &Recorded, stream: &mut std::os::unix::net::UnixStream) -> bool {
    let head = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    let answer = match request.target() {
        "/slow" => {
            // Until the client is gone.
            let _ = stream.read(&mut [0]);
            return false;
        }
        "/nothing" | "/containers/broken/json" => return false,
        "/broken" => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
            return false;
        }
        "/containers/x/attach" => {
            let switch = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
            stream.write_all(switch).unwrap();
            let mut said = [0; 4];
            stream.read_exact(&mut said).unwrap();
            stream.write_all(&said).unwrap();
            // Until the client has ended its side.
            assert_eq!(stream.read(&mut said).unwrap(), 0);
            return false;
        }
        "/missing" => head("404 Not Found"),
        "/fails" => head("500 Internal Server Error"),
        "/unchanged" => head("304 Not Modified"),
        "/containers/known/json" => {
            let body = format!(r#"{{"Id":"{}","Name":"/known"}}"#, "1".repeat(64));
            let length = body.len();
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
        }
        _ => head("200 OK"),
    };
    stream.write_all(answer.as_bytes()).is_ok()
}
