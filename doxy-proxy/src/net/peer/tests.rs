//! Whom a peer is counted for, and who may connect.

use std::error::Error;
use std::sync::Arc;

use super::{
    Certificate, CertificateRule, ContainerRule, Identity, NetPeer, Peer, PeerAcl, UnixPeer,
    canonical,
};

fn unix(uid: u32, pid: i32) -> Peer {
    Peer::Unix(UnixPeer {
        uid,
        gid: 7,
        pid,
        comm: String::new(),
    })
}

fn net(address: &str) -> Result<Peer, Box<dyn Error>> {
    let address = canonical(address.parse()?);
    Ok(Peer::Net(Box::new(NetPeer {
        address,
        certificate: None,
    })))
}

#[test]
fn only_a_user_that_the_kernel_tells_is_one() {
    for (uid, pid, identity) in [
        (0, 1, Identity::User(0)),
        (1000, 4711, Identity::User(1000)),
        // Its own number in another user namespace, or nobody's.
        (65_534, 4711, Identity::Unknown),
        // In another process namespace.
        (1000, 0, Identity::Unknown),
    ] {
        let peer = unix(uid, pid);
        assert_eq!(peer.identity(), identity, "{uid} {pid}");
        assert_eq!(peer.named().to_string(), format!("user {uid}"));
    }
}

#[test]
fn an_address_is_counted_as_a_machine_has_it() -> Result<(), Box<dyn Error>> {
    for (address, named) in [
        ("192.0.2.7:1", "address 192.0.2.7"),
        ("[::ffff:192.0.2.7]:2", "address 192.0.2.7"),
        ("[2001:db8:1:2:3:4:5:6]:3", "network 2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:4", "network 2001:db8:1:2::/64"),
        ("[::1]:5", "network ::/64"),
        ("[fe80::1%3]:5", "network fe80::/64"),
    ] {
        let peer = net(address)?;
        assert_eq!(peer.named().to_string(), named, "{address}");
        assert_eq!(peer.identity(), peer.named(), "{address}");
    }
    assert_ne!(
        net("192.0.2.7:1")?.identity(),
        net("192.0.2.8:1")?.identity()
    );
    Ok(())
}

#[test]
fn one_entry_of_each_kind_must_hold() -> Result<(), Box<dyn Error>> {
    let acl = |uids: &[u32], gids: &[u32], networks: &[&str]| -> Result<_, Box<dyn Error>> {
        Ok(PeerAcl {
            uids: uids.to_vec(),
            gids: gids.to_vec(),
            networks: networks
                .iter()
                .map(|it| it.parse())
                .collect::<Result<_, _>>()?,
            certificates: Vec::new(),
            // They are asked for later.
            containers: vec![ContainerRule::Name("x".to_owned())],
        })
    };
    let none = acl(&[], &[], &[])?;
    let user = acl(&[1000], &[], &[])?;
    let group = acl(&[1000], &[7], &[])?;
    let networks = acl(&[], &[], &["192.0.2.0/24", "2001:db8::/32"])?;
    let every_v6 = acl(&[], &[], &["::/0"])?;
    let both = acl(&[1000], &[], &["0.0.0.0/0"])?;
    let (one, other) = (unix(1000, 1), unix(1001, 1));
    let (near, far) = (net("[::ffff:192.0.2.1]:1")?, net("198.51.100.1:1")?);
    let six = net("[2001:db8::1]:1")?;
    let (socket, _other) = std::os::unix::net::UnixStream::pair()?;
    for (name, acl, allowed) in [
        ("none", none, [true; 5]),
        ("a user", user, [true, false, false, false, false]),
        (
            "a user or a group",
            group,
            [true, true, false, false, false],
        ),
        ("networks", networks, [false, false, true, false, true]),
        // IPv4 in IPv6 is not let in by this.
        ("::/0", every_v6, [false, false, false, false, true]),
        ("kinds that exclude each other", both, [false; 5]),
    ] {
        let peers = [&one, &other, &near, &far, &six];
        assert_eq!(
            peers.map(|peer| acl.allows(peer, &socket)),
            allowed,
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn a_certificate_is_a_peer_wherever_it_comes_from() -> Result<(), Box<dyn Error>> {
    let shown = |spki: u8, name: &str| {
        Some(Arc::new(Certificate {
            subject: "CN=x".into(),
            sans: [format!("dns:{name}")].into(),
            spki: [spki; 32],
        }))
    };
    let acl = PeerAcl {
        certificates: vec![CertificateRule::Dns("a.example".to_owned())],
        ..PeerAcl::default()
    };
    let (mut one, mut other) = (net("192.0.2.1:1")?, net("192.0.2.2:1")?);
    assert!(!acl.allows_certificate(&one), "it has shown none");
    assert!(!acl.allows_certificate(&unix(0, 1)));
    assert!(PeerAcl::default().allows_certificate(&one));
    one.has_shown(shown(1, "a.example"));
    other.has_shown(shown(1, "b.example"));
    assert_eq!(one.identity(), other.identity());
    assert_eq!(one.identity(), Identity::Certificate([1; 32]));
    let named = format!("certificate spki:{}", "01".repeat(32));
    assert_eq!(one.named().to_string(), named);
    assert!(acl.allows_certificate(&one));
    assert!(!acl.allows_certificate(&other));
    other.has_shown(shown(2, "a.example"));
    assert_ne!(one.identity(), other.identity());
    Ok(())
}
