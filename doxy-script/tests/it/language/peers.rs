//! What a policy sees of who asks: a user, an address, a certificate, a container.

use super::*;

#[test]
fn what_is_not_known_of_a_peer_is_unit() {
    let unix = Peer::Unix {
        uid: 7,
        gid: 8,
        pid: Some(9),
    };
    let no_pid = Peer::Unix {
        uid: 7,
        gid: 8,
        pid: None,
    };
    let (v4, v6) = ("192.0.2.7:1024", "[2001:db8::7]:65535");
    let net = |address: &str| Peer::Net {
        address: address.parse().unwrap(),
        certificate: None,
    };
    for (peer, uid, gid, pid, address, port) in [
        (Some(unix), "7", "8", "9", "()", "()"),
        (Some(no_pid), "7", "8", "()", "()", "()"),
        (Some(net(v4)), "()", "()", "()", "\"192.0.2.7\"", "1024"),
        (Some(net(v6)), "()", "()", "()", "\"2001:db8::7\"", "65535"),
        (None, "()", "()", "()", "()", "()"),
    ] {
        let source = format!(
            "fn decide(req) {{
                let p = req.peer;
                if p.uid == {uid} && p.gid == {gid} && p.pid == {pid}
                    && p.address == {address} && p.port == {port} {{ return allow(); }}
                pass()
            }}"
        );
        let mut ask = Ask::new("GET", "/x");
        ask.peer.clone_from(&peer);
        assert_eq!(run(&source, &ask), "allow", "{peer:?}");
    }
}

#[test]
fn the_container_of_a_peer_is_asked_for_only_when_it_is_read() {
    for (body, container, expected) in [
        ("req.peer.container == ()", None, "allow"),
        ("req.peer.container.name == ()", None, "allow"),
        ("req.peer.container != ()", Some(CONTAINER), "allow"),
        (
            "req.peer.container.name == \"web\"",
            Some(CONTAINER),
            "allow",
        ),
        (
            "req.peer.container.image == \"web:1\"",
            Some(CONTAINER),
            "allow",
        ),
        ("req.peer.container.id == \"0a\"", Some(CONTAINER), "allow"),
        // Labels are compared as they are.
        (
            "req.peer.container.labels[\"a.b\"] == \"1\"",
            Some(CONTAINER),
            "allow",
        ),
        (
            "req.peer.container.labels[\"A.B\"] == \"2\"",
            Some(CONTAINER),
            "allow",
        ),
        (
            "req.peer.container.labels[\"A.b\"] == ()",
            Some(CONTAINER),
            "allow",
        ),
        (
            "req.peer.container.labels.len() == 2",
            Some(CONTAINER),
            "allow",
        ),
        (
            "req.peer.container.project == \"shop\"",
            Some(CONTAINER),
            "allow",
        ),
        ("req.peer.container.service == ()", Some(CONTAINER), "allow"),
        // However it is reached.
        (
            "[req].map(|r| r.peer)[0].container.name == \"web\"",
            Some(CONTAINER),
            "allow",
        ),
        ("of(req.peer) == \"web\"", Some(CONTAINER), "allow"),
        // A description that cannot be read is none.
        ("req.peer.container == ()", Some("{"), "allow"),
        (
            "req.peer.container == ()",
            Some("{\"id\":1,\"id\":2}"),
            "allow",
        ),
    ] {
        let source = format!(
            "fn of(peer) {{ peer.container.name }}
             fn decide(req) {{ if {body} {{ return allow(); }} pass() }}"
        );
        let mut ask = Ask::new("GET", "/x");
        ask.container = container.map(str::to_owned);
        assert_eq!(run(&source, &ask), expected, "{body}");
    }
    for (body, reads, expected) in [
        (
            "if req.method == \"GET\" { return pass(); } if req.peer.container == () { return pass(); } allow()",
            true,
            Decision::Pass,
        ),
        (
            "if req.peer.container == () { return pass(); } allow()",
            true,
            Decision::NeedsContainer,
        ),
        (
            "if req.peer.uid == () { return pass(); } allow()",
            false,
            Decision::Pass,
        ),
    ] {
        let script = Script::compile("p.rhai", format!("fn decide(req) {{ {body} }}").as_bytes());
        let script = script.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(script.reads_container(), reads, "{body}");
        let input = ScriptRequest {
            method: "GET",
            path: "/x",
            query: None,
            headers: &[],
            peer: None,
            container: &PeerContainer::NotAsked,
            socket: "",
            has_body: false,
            changed: false,
            verdict: Verdict::Deny(Reason::NoRule),
        };
        let decision = script.decide(&input, Body::NotRead, &mut Lookups::default());
        assert_eq!(decision, expected, "{body}");
    }
}

#[test]
fn what_a_certificate_says_is_known_only_where_one_was_shown() {
    let certificate = Certificate {
        subject: "CN=alice,O=ops".into(),
        sans: [
            "dns:alice.example".to_owned(),
            "uri:spiffe://a/b".to_owned(),
        ]
        .into(),
        spki: [0xa1; 32],
    };
    let hash = "a1".repeat(32);
    let net = |certificate| Peer::Net {
        address: "192.0.2.7:1024".parse().unwrap(),
        certificate,
    };
    for (peer, expression) in [
        (
            net(Some(certificate.clone())),
            "p.subject == \"CN=alice,O=ops\"",
        ),
        (
            net(Some(certificate.clone())),
            "p.sans.contains(\"uri:spiffe://a/b\") && p.sans.len() == 2",
        ),
        (
            net(Some(certificate.clone())),
            &format!("p.spki == \"{hash}\""),
        ),
        (
            net(Some(certificate)),
            "p.address == \"192.0.2.7\" && p.uid == ()",
        ),
        (net(None), "p.subject == () && p.sans == () && p.spki == ()"),
        (
            Peer::Unix {
                uid: 1,
                gid: 1,
                pid: None,
            },
            "p.subject == () && p.sans == () && p.spki == ()",
        ),
    ] {
        let source = format!(
            "fn decide(req) {{ let p = req.peer; if {expression} {{ return allow(); }} pass() }}"
        );
        let mut ask = Ask::new("GET", "/x");
        ask.peer = Some(peer);
        assert_eq!(run(&source, &ask), "allow", "{expression}");
    }
}
