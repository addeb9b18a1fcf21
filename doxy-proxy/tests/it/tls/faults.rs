//! What goes wrong over TLS: wrong protocols, handshakes that stop, strangers, cut responses.

use super::*;

#[test]
fn the_wrong_protocol_gets_an_answer_on_either_port() {
    let (fake, certificates) = (Fake::start(), certificates());
    let mut secure = service(unix(&fake));
    secure.tls = Some(certificates.server("localhost", false));
    let secure = start(secure);
    let reply = Client::connect_tcp(secure.address()).ask(GET);
    assert_eq!(reply.status(), 400);
    assert_eq!(
        reply.message(),
        "this is a TLS port: use https, or the docker CLI with --tlsverify"
    );

    // Go's client says "server gave HTTP response to HTTPS client" then.
    let plain = start(service(unix(&fake)));
    let mut client = Client::connect_tcp(plain.address());
    let mut hello = Vec::new();
    let mut tls = certificates.connection(None, &[&TLS12, &TLS13]);
    tls.write_tls(&mut hello).unwrap();
    assert_eq!(client.ask(&hello).status(), 400);
    // A part of it is enough: nobody waits for the rest.
    let mut client = Client::connect_tcp(plain.address());
    let reply = client.ask(b"\x16\x03\x01\x02\x00\x01");
    assert_eq!(reply.status(), 400);
    let message = reply.message();
    assert!(
        message.starts_with("this port does not speak TLS"),
        "{message}"
    );
}

#[test]
fn a_handshake_that_stops_or_is_garbage_takes_nothing_from_others() {
    let (fake, certificates) = (Fake::start(), certificates());
    let mut service = service(unix(&fake));
    service.tls = Some(certificates.server("localhost", false));
    // Fewer places than there are stalled handshakes.
    service.limits.connections = 64;
    let doxy = start(service);
    let mut hello = Vec::new();
    certificates
        .connection(None, &[&TLS13])
        .write_tls(&mut hello)
        .unwrap();
    let mut stalled = Vec::new();
    for at in 0..256 {
        let mut client = Client::connect_tcp(doxy.address());
        match at % 4 {
            0 => {}
            1 => client.send(&hello[..1]),
            2 => client.send(&hello[..hello.len() / 2]),
            _ => client.send([&hello[..5], &[0xff; 100][..]].concat()),
        }
        stalled.push(client);
    }
    let tls = certificates.connection(None, &[&TLS13]);
    // Another peer: one that takes all places gets no more for itself.
    let mut client = Client::connect_from("127.0.0.2", doxy.address());
    client = client.secured(tls).unwrap();
    assert_eq!(client.ask(GET).status(), 200);
}

/// Who may not connect gets an alert on a TLS port: a handshake would cost a thousand times as much.
#[test]
fn a_stranger_at_a_tls_port_is_told_in_an_alert() {
    let (fake, certificates) = (Fake::start(), certificates());
    let mut service = service(unix(&fake));
    service.tls = Some(certificates.server("localhost", false));
    service.peers.networks = vec!["192.0.2.0/24".parse().unwrap()];
    let doxy = start(service);
    let tls = certificates.connection(None, &[&TLS13]);
    let error = Client::connect_tcp(doxy.address()).secured(tls).err();
    let error = error.unwrap();
    assert!(error.contains("AccessDenied"), "{error}");
}

#[test]
fn an_engine_that_is_not_the_one_of_the_certificate_gets_no_request() {
    let (fake, certificates) = (Fake::start(), certificates());
    let mut inner = service(unix(&fake));
    inner.tls = Some(certificates.server("prometheus", true));
    let inner = start(inner);
    let address = format!("localhost:{}", inner.address().port());
    for (name, said) in [
        (Some("prometheus"), "its certificate is for another name"),
        (None, "its certificate is for another name"),
    ] {
        let tls = certificates.client(name, &address);
        let engine = UpstreamAddr::Tcp(address.clone());
        let outer = service(Upstream::with_tls(engine, Duration::from_secs(5), tls));
        let doxy = start(outer);
        let reply = Client::connect_tcp(doxy.address()).ask(GET);
        assert_eq!(reply.status(), 502);
        assert!(reply.message().contains(said), "{}", reply.message());
    }
    assert_eq!(fake.requests().len(), 0);
}

/// An engine that breaks off in the middle of a body that would last until it closes. HTTP/1.0 has no
/// chunks, so TLS alone can say that this is not the end.
#[test]
fn a_response_that_is_cut_does_not_look_complete() {
    use std::io::Write as _;
    let certificates = certificates();
    for (head, complete) in [
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n",
            false,
        ),
    ] {
        let fake = Fake::with(move |_, stream| {
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(b"a part").unwrap();
            false
        });
        let mut service = service(unix(&fake));
        service.tls = Some(certificates.server("localhost", false));
        let doxy = start(service);
        let tls = certificates.connection(None, &[&TLS13]);
        let mut client = Client::connect_tcp(doxy.address()).secured(tls).unwrap();
        client.send("GET /info HTTP/1.0\r\n\r\n");
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.rest()));
        assert_eq!(ended.is_ok(), complete, "{head}");
    }
}
