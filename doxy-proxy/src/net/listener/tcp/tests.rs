//! TCP listeners: families, options, and errors in words.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::sockopt;
use tokio::net::TcpStream;

use super::{TcpListener, explain};
use crate::net::peer::Peer;
use crate::net::stream::DetachedStream;

async fn accepted(listener: &TcpListener) -> io::Result<DetachedStream> {
    poll_fn(|cx| listener.poll_accept(cx)).await
}

fn v6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

#[tokio::test]
async fn each_address_takes_the_families_that_it_says() -> Result<(), Box<dyn Error>> {
    let (v4, v6_only) = (IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into());
    let both = [v4, v6_only];
    let cases: [(&str, &[IpAddr]); 4] = [
        ("127.0.0.1:0", &[v4]),
        ("0.0.0.0:0", &[v4]),
        ("[::1]:0", &[v6_only]),
        ("[::]:0", &both),
    ];
    for (address, families) in cases {
        let address: SocketAddr = address.parse()?;
        if address.is_ipv6() && !v6() {
            continue; // this machine has no IPv6
        }
        let listener = TcpListener::listen(address)?;
        assert_ne!(listener.address().port(), 0);
        for from in both {
            let to = SocketAddr::new(from, listener.address().port());
            let Ok(client) = TcpStream::connect(to).await else {
                assert!(!families.contains(&from), "{address} does not take {from}");
                continue;
            };
            assert!(families.contains(&from), "{address} takes {from}");
            let Peer::Net(peer) = Peer::of(&accepted(&listener).await?)? else {
                return Err("it is a peer of TCP".into());
            };
            // IPv4 in IPv6 is IPv4.
            assert_eq!(peer.address, client.local_addr()?);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_has_the_options_of_its_listener() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::listen("127.0.0.1:0".parse()?)?;
    let _client = TcpStream::connect(listener.address()).await?;
    let stream = accepted(&listener).await?;
    assert!(sockopt::tcp_nodelay(&stream)?);
    assert!(sockopt::socket_keepalive(&stream)?);
    assert_eq!(sockopt::tcp_keepidle(&stream)?, super::KEEPALIVE_AFTER);
    let flags = rustix::fs::fcntl_getfl(&stream)?;
    assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
    Ok(())
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_said_in_words() -> Result<(), Box<dyn Error>> {
    let taken = TcpListener::listen("127.0.0.1:0".parse()?)?;
    let port = taken.address().port();
    for (address, what) in [
        (taken.address().to_string(), format!("port {port} of this")),
        // A network for examples, which no machine has.
        (
            "192.0.2.1:0".to_owned(),
            "does not have the address".to_owned(),
        ),
    ] {
        let error = TcpListener::listen(address.parse()?);
        let error = error.err().ok_or("it listens")?.to_string();
        let lines: Vec<_> = error.lines().collect();
        assert!(
            lines.first().is_some_and(|it| it.contains(&what)),
            "{error}"
        );
        assert!(
            lines.get(1).is_some_and(|it| it.starts_with("help: ")),
            "{error}"
        );
        assert_eq!(lines.len(), 2, "{error}");
    }
    // What needs another machine, or another user.
    for (errno, address, what) in [
        (super::Errno::ACCESS, "127.0.0.1:80", "privileged"),
        (super::Errno::INVAL, "[fe80::1]:2375", "zone"),
        (
            super::Errno::AFNOSUPPORT,
            "[::]:2375",
            "IPv6 is switched off",
        ),
        (super::Errno::ACCESS, "127.0.0.1:2375", "permission denied"),
    ] {
        let error = explain(errno, address.parse()?).to_string();
        assert!(error.contains(what), "{error}");
    }
    Ok(())
}
