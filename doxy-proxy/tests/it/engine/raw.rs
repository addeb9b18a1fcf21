//! Raw clients on a real engine, for what the docker CLI does not do: attach without an upgrade (as
//! dockerode does), refused upgrades, WebSocket, HTTP/2.

use std::fmt::Debug;

use crate::support::Client;

use super::docker_ok;
use super::jobs::Pair;
use super::real::Made;

impl Pair {
    /// A container that runs `cat`, and ends when its input ends.
    #[track_caller]
    pub(super) fn cat(&self) -> Made {
        self.engine.running(&self.image, &["-i"], &["cat"])
    }

    /// Checks that `see` returns the same through doxy as directly.
    #[track_caller]
    fn same<T: Debug + PartialEq>(&self, what: &str, see: impl Fn(&mut Client) -> T) -> T {
        let [directly, through] = self
            .ways()
            .map(|(_, socket)| see(&mut Client::connect(socket)));
        assert_eq!(through, directly, "{what}: through doxy, and directly");
        through
    }
}

/// A request with a JSON body, or with none.
fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// A head as one comparable text: without `Date`, in lower case, with sorted lines.
fn untimed(head: &[u8]) -> String {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut lines: Vec<_> = head.trim_end().split("\r\n").collect();
    lines.retain(|line| !line.starts_with("date:"));
    lines
        .get_mut(1..)
        .expect("a head has lines")
        .sort_unstable();
    lines.join("\n")
}

/// Creates an exec of `cat`, and returns its id.
#[track_caller]
fn exec(client: &mut Client, container: &str) -> String {
    let make = r#"{"AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"Cmd":["cat"]}"#;
    let made = client.ask(post(&format!("/containers/{container}/exec"), "", make));
    let json: serde_json::Value = serde_json::from_slice(&made.body).expect("JSON");
    json["Id"].as_str().expect("an id").to_owned()
}

const ATTACH: &str = "attach?stream=1&stdin=1&stdout=1&stderr=1";
const START: &str = r#"{"Detach":false,"Tty":false}"#;
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: tcp\r\n";

/// Sends two lines, and returns what comes back: each line behind a frame header of 8 bytes, which
/// names the output.
#[track_caller]
fn converse(client: &mut Client) -> (String, Vec<u8>, Vec<u8>) {
    let head = untimed(&client.until(b"\r\n\r\n"));
    client.send("one\n");
    let first = client.take(12);
    client.send("two\n");
    client.end();
    (head, first, client.rest())
}

#[test]
fn attach_and_exec_switch_to_a_raw_stream_in_every_form() {
    let Some(pair) = Pair::find() else { return };
    // docker-modem sends `chunked`, and then no chunk.
    let modem = format!("{UPGRADE}Transfer-Encoding: chunked\r\n");
    let attach = |headers: &str| {
        pair.same(headers, |client| {
            let container = pair.cat();
            let path = format!("/containers/{}/{ATTACH}", container.name);
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"
            ));
            converse(client)
        })
    };
    let container = pair.cat();
    let exec = |headers: &str| {
        pair.same(headers, |client| {
            let path = format!("/exec/{}/start", exec(client, &container.name));
            client.send(post(&path, headers, START));
            converse(client)
        })
    };
    let cases = [
        ("http/1.1 200 ok\n", attach("")),
        ("http/1.1 200 ok\n", attach("Content-Length: 0\r\n")),
        ("http/1.1 101 ", attach(UPGRADE)),
        ("http/1.1 101 ", attach(&modem)),
        ("http/1.1 200 ok\n", exec("")),
        ("http/1.1 101 ", exec(UPGRADE)),
    ];
    for (begins, (head, first, rest)) in cases {
        assert!(head.starts_with(begins), "{head}");
        assert_eq!(first, b"\x01\0\0\0\0\0\0\x04one\n", "after {head}");
        assert_eq!(rest, b"\x01\0\0\0\0\0\0\x04two\n", "after {head}");
    }
}

/// Jenkins writes this request by hand, with bare line feeds and the body in a second write.
#[test]
fn an_exec_start_with_bare_line_feeds_switches_to_a_raw_stream() {
    let Some(pair) = Pair::find() else { return };
    let container = pair.cat();
    let (head, first, rest) = pair.same("bare line feeds", |client| {
        let path = format!("/v1.32/exec/{}/start", exec(client, &container.name));
        let length = START.len();
        client.send(format!(
            "POST {path} HTTP/1.1\nHost: docker.sock\nContent-Type: application/json\n\
             Upgrade: tcp\nConnection: Upgrade\nContent-Length: {length}\n\n"
        ));
        client.send(START);
        converse(client)
    });
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert_eq!(first, b"\x01\0\0\0\0\0\0\x04one\n");
    assert_eq!(rest, b"\x01\0\0\0\0\0\0\x04two\n");
}

#[test]
fn http_continues_after_a_detached_exec() {
    let Some(pair) = Pair::find() else { return };
    let container = pair.cat();
    let seen = pair.same("a detached exec", |client| {
        let path = format!("/exec/{}/start", exec(client, &container.name));
        let started = client.ask(post(&path, "", r#"{"Detach":true}"#));
        (started.status(), ping(client))
    });
    assert_eq!(seen, (200, "OK".to_owned()));
}

#[track_caller]
fn ping(client: &mut Client) -> String {
    let reply = client.ask("GET /_ping HTTP/1.1\r\nHost: test\r\n\r\n");
    String::from_utf8(reply.body).expect("text")
}

#[test]
fn http_continues_after_a_refused_upgrade() {
    let Some(pair) = Pair::find() else { return };
    let container = pair.cat();
    let name = &*container.name;
    let exec = exec(&mut Client::connect(&pair.engine.socket), name);
    docker_ok(&pair.engine.socket, ["pause", name]);
    let cases = [
        (404, format!("/containers/nosuch{name}/{ATTACH}"), ""),
        (404, "/exec/nosuch/start".to_owned(), START),
        (409, format!("/containers/{name}/{ATTACH}"), ""),
        (409, format!("/exec/{exec}/start"), START),
        (
            400,
            format!("/containers/{name}/{ATTACH}&detachKeys=ctrl-"),
            "",
        ),
        (400, "/session".to_owned(), ""),
    ];
    for (status, path, body) in &cases {
        for headers in ["", UPGRADE] {
            if path == "/session" && !headers.is_empty() {
                continue; // which is granted
            }
            let request = post(path, headers, body);
            let [mut directly, mut through] =
                pair.ways().map(|(_, socket)| Client::connect(socket));
            let see = |client: &mut Client| {
                let reply = client.ask(&request);
                (reply.status(), String::from_utf8(reply.body))
            };
            let seen = see(&mut through);
            assert_eq!(seen, see(&mut directly), "{request}");
            assert_eq!(seen.0, *status, "{request}");
            // The engine itself closes the connection after some of these.
            assert_eq!(ping(&mut through), "OK", "after {request}");
        }
    }
    docker_ok(&pair.engine.socket, ["unpause", name]);
}

/// The engine itself would lose these bytes: it ignores what it has read before its `101`.
#[test]
fn bytes_sent_with_the_request_arrive() {
    let Some(pair) = Pair::find() else { return };
    for _ in 0..3 {
        let container = pair.cat();
        let mut client = Client::connect(&pair.proxy);
        let path = format!("/containers/{}/{ATTACH}", container.name);
        client.send(post(&path, UPGRADE, "") + "early\n");
        client.until(b"\r\n\r\n");
        assert_eq!(client.take(14), b"\x01\0\0\0\0\0\0\x06early\n");
        client.end();
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn a_web_socket_carries_input_and_output() {
    let Some(pair) = Pair::find() else { return };
    let (head, frame) = pair.same("a web socket", |client| {
        let container = pair.cat();
        let name = &*container.name;
        client.send(format!(
            "GET /containers/{name}/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\n\
             Host: test\r\nOrigin: http://test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        let head = untimed(&client.until(b"\r\n\r\n"));
        // A final text frame, masked with zeros.
        client.send(b"\x81\x84\0\0\0\0one\n");
        (head, client.until(b"one\n"))
    });
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    // The response to the sample key of RFC 6455.
    assert!(head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    assert!(frame.len() < 16, "{}", frame.escape_ascii());
}

#[test]
fn bodies_in_every_form_arrive() {
    let Some(pair) = Pair::find() else { return };
    let container = pair.cat();
    let name = &*container.name;
    let cases = [
        (
            "Content-Length: 1024\r\nExpect: 100-continue\r\n",
            "",
            "",
            true,
        ),
        ("Content-Length: 1024\r\n", "", "", false),
        (
            "Transfer-Encoding: chunked\r\n",
            "400\r\n",
            "\r\n0\r\n\r\n",
            false,
        ),
        (
            "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n",
            "400\r\n",
            "\r\n0\r\n\r\n",
            true,
        ),
        (
            "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n",
            "400\r\n",
            "\r\n0\r\nX-Sum: 1\r\n\r\n",
            false,
        ),
    ];
    for (headers, before, behind, waits) in cases {
        let see = |client: &mut Client| {
            client.send(format!(
                "PUT /containers/{name}/archive?path=/ HTTP/1.1\r\nHost: test\r\n\
                 Content-Type: application/x-tar\r\n{headers}\r\n"
            ));
            if waits {
                let reply = client.reply("PUT").expect("an answer");
                assert_eq!(reply.status(), 100, "{reply:?}");
            }
            client.send(before);
            client.send([0; 1024]); // the end of an archive, of nothing
            client.send(behind);
            let reply = client.reply("PUT").expect("an answer");
            (reply.status(), String::from_utf8(reply.body))
        };
        let [mut directly, mut through] = pair.ways().map(|(_, socket)| Client::connect(socket));
        let seen = see(&mut through);
        assert_eq!(seen, see(&mut directly), "{headers}");
        assert_eq!(seen.0, 200, "{headers}: {seen:?}");
        // The engine itself may close the connection: it does not read behind the end of the
        // archive.
        assert_eq!(ping(&mut through), "OK", "after {headers}");
    }
}

/// `docker cp` into a folder that is not there.
#[test]
fn an_answer_before_the_end_of_the_body_says_that_the_connection_closes() {
    let Some(pair) = Pair::find() else { return };
    let container = pair.cat();
    let seen = pair.same("an early answer", |client| {
        client.send(format!(
            "PUT /containers/{}/archive?path=/nosuch HTTP/1.1\r\nHost: test\r\n\
             Content-Type: application/x-tar\r\nContent-Length: 2097152\r\n\r\n",
            container.name
        ));
        client.send([0; 1024]);
        let reply = client.reply("PUT").expect("an answer");
        let connection = reply.header("connection").join(", ");
        (reply.status(), connection, client.reply("GET"))
    });
    assert_eq!(seen, (404, "close".to_owned(), None));
}

/// For what buildx does then see `jobs/buildkit.jobs`.
#[test]
fn http2_is_refused_with_a_message() {
    let Some(pair) = Pair::find() else { return };
    let mut client = Client::connect(&pair.proxy);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let reply = client.reply("GET").expect("an answer");
    assert_eq!(reply.status(), 400, "{reply:?}");
    assert!(reply.message().contains("HTTP/2"), "{reply:?}");
    assert_eq!(client.rest(), b"");
}
