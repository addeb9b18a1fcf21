//! A proxy, a stand-in engine and a client in one thread, over real unix sockets: `proxy` measures
//! their time, `instructions` their instructions.
//!
//! Engine and client do as little as they can, since they are measured with the proxy. The client
//! reads the first answer by its framing; the following ones must have the same length.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use doxy_filter::{DEFAULT_PATTERNS, RuleSet};
use doxy_proxy::{
    Listener, Metrics, Policy, Script, Server, Service, UnixListenConfig, Upstream, UpstreamAddr,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Runtime;

/// The size of a list of containers.
const LIST: usize = 3 * 1024;
/// The size of a large body, in either direction.
pub(crate) const LARGE: usize = 10 * 1024 * 1024;
/// Connections at a time, more than any benchmark has.
const CONNECTIONS: usize = 4096;
/// The size of one read or write.
const PIECE: usize = 256 * 1024;
/// Rules besides the default patterns.
const RULES: &str = "\nPOST /v1\\.41/images/load\nPOST /v1\\.41/containers/\\w+/attach\n";
/// A typical policy: one header decides, the patterns do the rest.
pub(crate) const SCRIPT: &str = r#"
    fn decide(req) {
        if req.headers["x-team"] != "ci" { return deny("not your engine"); }
        pass()
    }"#;
/// A policy that looks up the container in the path, to know whose it is.
pub(crate) const LOOKUP: &str = r#"
    const LOOKUPS = ["container"];
    fn decide(req) {
        let container = inspect("container", req.object.name);
        if container.Config.Labels["owner"] != "ci" { no_such("container", req.object.name); }
        allow()
    }"#;
const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nOK";
const SWITCHED: &[u8] = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const BLANK_LINE: &[u8] = b"\r\n\r\n";

/// A buffer that is aligned to a page: some processors copy from the kernel to other addresses at a
/// quarter of the speed, which would look like a cost of the proxy.
#[repr(align(4096))]
struct Piece([u8; PIECE]);

impl Piece {
    fn new() -> Box<Self> {
        Box::new(Self([b'x'; PIECE]))
    }
}

/// A request, and the beginning of its answer.
#[derive(Debug)]
pub(crate) struct Request {
    head: String,
    body: usize,
    status: &'static str,
}

impl Request {
    /// Has the headers that the docker CLI sends; `more` are whole header lines.
    pub(crate) fn new(line: &str, more: &str, status: &'static str) -> Self {
        let head = format!(
            "{line} HTTP/1.1\r\nHost: docker\r\nUser-Agent: Docker-Client/28.2.2 (linux)\r\nX-Team: ci\r\n{more}\r\n"
        );
        Self {
            head,
            body: 0,
            status,
        }
    }

    pub(crate) fn list(more: &str) -> Self {
        Self::new("GET /v1.41/containers/json?all=1", more, "200")
    }

    pub(crate) fn list_chunked() -> Self {
        Self::new("GET /v1.41/networks", "", "200")
    }

    /// For a container of the client's own. The policy [`LOOKUP`] asks whose it is.
    pub(crate) fn owned() -> Self {
        Self::new("GET /v1.41/containers/build-17/top", "", "200")
    }

    pub(crate) fn denied() -> Self {
        Self::new("GET /v1.41/secrets", "", "403")
    }

    /// A body of [`LARGE`] bytes.
    #[allow(dead_code, reason = "large bodies are not counted")]
    pub(crate) fn load() -> Self {
        let length = format!("Content-Type: application/x-tar\r\nContent-Length: {LARGE}\r\n");
        Self {
            body: LARGE,
            ..Self::new("POST /v1.41/images/load", &length, "200")
        }
    }

    #[allow(dead_code, reason = "tunnels are not counted")]
    pub(crate) fn attach() -> Self {
        let upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n";
        Self::new(
            "POST /v1.41/containers/x/attach?stream=1&stdin=1",
            upgrade,
            "101",
        )
    }
}

/// The proxy and its engine. They make progress only inside [`Stand::run`].
#[derive(Debug)]
pub(crate) struct Stand {
    runtime: Runtime,
    _server: Server,
    socket: PathBuf,
    _folder: TempDir,
}

impl Stand {
    /// Has the default patterns and what the benchmarks need, and a script if given.
    pub(crate) fn new(script: Option<&str>) -> Self {
        Self::serving(1, script, None)
    }

    /// The same with a number of sockets, each with rules of its own. Clients use the last one.
    #[allow(dead_code, reason = "not every benchmark needs it")]
    pub(crate) fn with_sockets(sockets: usize) -> Self {
        Self::serving(sockets, None, None)
    }

    /// The same, and every request is counted, as with an admin side.
    #[allow(dead_code, reason = "not every benchmark needs it")]
    pub(crate) fn counted() -> Self {
        Self::serving(1, None, Some(Metrics::default()))
    }

    fn serving(sockets: usize, script: Option<&str>, metrics: Option<Metrics>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = |number| folder.path().join(format!("doxy-{number}.sock"));
        let engine = folder.path().join("engine.sock");
        let policy = |number| {
            let own = format!("/v1\\.41/containers/project-{number}-\\w+/json\n");
            let rules = format!("{DEFAULT_PATTERNS}{RULES}{own}");
            let rules = RuleSet::parse("bench", rules.as_bytes()).unwrap();
            match script {
                None => Policy::new(rules),
                Some(script) => {
                    let script = Script::compile("bench", script.as_bytes()).unwrap();
                    Policy::with_script(rules, script)
                }
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .unwrap();
        let server = runtime.block_on(async {
            let listener = UnixListener::bind(&engine).unwrap();
            tokio::spawn(stand_in(listener));
            let patience = Duration::from_secs(10);
            let mut server = Server::start(1, CONNECTIONS).unwrap();
            for number in 1..=sockets {
                let bind = UnixListenConfig {
                    path: socket(number),
                    mode: 0o600,
                    owner: None,
                    group: None,
                };
                let listener = Listener::Unix(bind.listen().unwrap());
                let upstream = Upstream::new(UpstreamAddr::Unix(engine.clone()), patience);
                let mut service = Service::new("test", policy(number), upstream);
                service.metrics.clone_from(&metrics);
                let socket = server.add(service);
                server.listen(listener, socket).unwrap();
            }
            server
        });
        Self {
            runtime,
            _server: server,
            socket: socket(sockets),
            _folder: folder,
        }
    }

    /// Runs a client on the thread of the proxy.
    pub(crate) fn run<T>(&self, client: impl Future<Output = T>) -> T {
        self.runtime.block_on(client)
    }

    /// A client that has sent one request on its own connection, and the length of the answer.
    pub(crate) fn client(&self, request: &Request) -> (Client, usize) {
        self.run(async {
            let mut client = Client {
                stream: UnixStream::connect(&self.socket).await.unwrap(),
                buffer: Piece::new(),
            };
            let length = client.learn(request).await;
            (client, length)
        })
    }
}

/// One client's connection.
pub(crate) struct Client {
    stream: UnixStream,
    buffer: Box<Piece>,
}

impl Client {
    /// Sends a request and reads the whole answer, which is `length` bytes long.
    pub(crate) async fn ask(&mut self, request: &Request, length: usize) {
        self.send(request).await;
        let mut left = length;
        while left > 0 {
            let most = left.min(self.buffer.0.len());
            let read = self.stream.read(&mut self.buffer.0[..most]).await.unwrap();
            assert!(read > 0, "the answer ended early");
            if left == length {
                self.check(request);
            }
            left -= read;
        }
    }

    /// Sends a request and reads the answer by its framing. Gives its length.
    async fn learn(&mut self, request: &Request) -> usize {
        self.send(request).await;
        let mut answer = Vec::new();
        loop {
            let read = self.stream.read(&mut self.buffer.0).await.unwrap();
            assert!(read > 0, "the answer ended early");
            answer.extend_from_slice(&self.buffer.0[..read]);
            if let Some(head) = head_length(&answer) {
                let text = str::from_utf8(&answer[..head])
                    .unwrap()
                    .to_ascii_lowercase();
                let length = text.split("content-length: ").nth(1);
                let length: Option<usize> =
                    length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
                let done = match length {
                    Some(length) => answer.len() - head == length,
                    None if text.contains("chunked") => answer.ends_with(b"\r\n0\r\n\r\n"),
                    None => true,
                };
                if done {
                    break;
                }
            }
        }
        self.buffer.0[..16].copy_from_slice(&answer[..16]);
        self.check(request);
        answer.len()
    }

    async fn send(&mut self, request: &Request) {
        let stream = &mut self.stream;
        stream.write_all(request.head.as_bytes()).await.unwrap();
        let mut left = request.body;
        while left > 0 {
            let most = left.min(self.buffer.0.len());
            stream.write_all(&self.buffer.0[..most]).await.unwrap();
            left -= most;
        }
    }

    fn check(&self, request: &Request) {
        let status = &self.buffer.0[9..12];
        assert_eq!(status, request.status.as_bytes(), "{}", request.head);
    }

    /// Connects, sends a request, reads the answer, and waits for the proxy to close the
    /// connection.
    pub(crate) async fn ask_once(&mut self, stand: &Stand, request: &Request, length: usize) {
        self.stream = UnixStream::connect(&stand.socket).await.unwrap();
        self.ask(request, length).await;
        let read = self.stream.read(&mut self.buffer.0).await.unwrap();
        assert_eq!(read, 0, "more than the answer");
    }

    /// Sends 64 bytes through a tunnel and waits for them to come back.
    #[allow(dead_code, reason = "tunnels are not counted")]
    pub(crate) async fn echo(&mut self) {
        self.stream.write_all(&[b'e'; 64]).await.unwrap();
        let back = &mut self.buffer.0[..64];
        self.stream.read_exact(back).await.unwrap();
    }
}

/// The length of a head, if it is complete.
fn head_length(bytes: &[u8]) -> Option<usize> {
    // Most requests consist of a head only.
    if bytes.ends_with(BLANK_LINE) {
        return Some(bytes.len());
    }
    let end = bytes.windows(4).position(|four| four == BLANK_LINE)?;
    Some(end + 4)
}

/// The engine.
async fn stand_in(listener: UnixListener) {
    let answers = Arc::new(Answers::new());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            // The proxy may close its connections at any time.
            let _ = connection(stream, &answers).await;
        });
    }
}

/// The fixed answers of the engine.
struct Answers {
    list: Vec<u8>,
    chunked: Vec<u8>,
    large: Vec<u8>,
    /// A container as the engine describes it: most of it is what no policy reads.
    container: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        let head = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nServer: Docker/28.2.2 (linux)\r\n";
        let whole = |length, body: &str| {
            format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
        };
        // Go sends an answer that exceeds its buffer of 2 KiB in chunks of that size.
        let (first, second) = ("x".repeat(2048), "x".repeat(LIST - 2048));
        let chunked = format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n800\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
            second.len()
        );
        let id = "4e9f0e1f3bbd44b0d9b1".repeat(4);
        let env: Vec<_> = (0..40)
            .map(|n| format!(r#""VARIABLE_{n}=some value of the usual length, number {n}""#))
            .collect();
        let env = env.join(",");
        let container = format!(
            r#"{{"Id":"{id}","Name":"/build-17","Config":{{"Env":[{env}],"Labels":{{"owner":"ci"}}}},"HostConfig":{{"Env":[{env}]}}}}"#
        );
        Self {
            container: whole(container.len(), &container),
            list: whole(LIST, &"x".repeat(LIST)),
            chunked: chunked.into_bytes(),
            large: whole(LARGE, ""),
        }
    }
}

/// Answers the requests of one connection.
async fn connection(mut stream: UnixStream, answers: &Answers) -> io::Result<()> {
    let mut buffer = Piece::new();
    let buffer = &mut buffer.0;
    let mut held = 0;
    loop {
        held += match stream.read(&mut buffer[held..]).await? {
            0 => return Ok(()),
            read => read,
        };
        let Some(head) = head_length(&buffer[..held]) else {
            continue;
        };
        let request = &buffer[..head];
        if request.starts_with(b"GET /v1.41/containers/json") {
            stream.write_all(&answers.list).await?;
        } else if request.starts_with(b"GET /containers/build-17/json") {
            stream.write_all(&answers.container).await?;
        } else if request.starts_with(b"GET /v1.41/networks") {
            stream.write_all(&answers.chunked).await?;
        } else if request.starts_with(b"GET /v1.41/images/get") {
            stream.write_all(&answers.large).await?;
            for _ in 0..LARGE / PIECE {
                stream.write_all(buffer).await?;
            }
        } else if request.starts_with(b"POST /v1.41/images/load") {
            let mut left = LARGE - (held - head);
            while left > 0 {
                left -= match stream.read(buffer).await? {
                    0 => return Ok(()),
                    read => read,
                };
            }
            stream.write_all(OK).await?;
        } else if request.starts_with(b"POST /v1.41/containers/x/attach") {
            stream.write_all(SWITCHED).await?;
            loop {
                match stream.read(buffer).await? {
                    0 => return Ok(()),
                    read => stream.write_all(&buffer[..read]).await?,
                }
            }
        } else {
            stream.write_all(OK).await?;
        }
        held = 0;
    }
}
