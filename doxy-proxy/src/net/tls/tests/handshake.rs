//! Both sides of doxy's own, over a socket: what one writes the other reads, whatever the sockets do.

use std::fs;
use std::sync::Arc;

use rcgen::SanType;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{TcpListener, TcpStream};

use super::{Files, TlsServer, Tried};
use crate::net::handshake::{HandshakeError, accept, connect};
use crate::net::stream::Stream;
use crate::net::tls::certificate::Certificate;

async fn sockets() -> Tried<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let one = TcpStream::connect(listener.local_addr()?).await?;
    let (other, _) = listener.accept().await?;
    Ok((one, other))
}

/// Both ends of a connection, and what the client has shown.
async fn connected() -> Tried<(Stream, Stream, Option<Arc<Certificate>>)> {
    let files = Files::new()?;
    files.certify("engine.test", |_| {})?;
    files.certify("client.test", |params| {
        if let Ok(uri) = "spiffe://test/Client".try_into() {
            params.subject_alt_names.push(SanType::URI(uri));
        }
    })?;
    let server = TlsServer::read(&files.server_files("engine.test", Some("ca")))?;
    let client = files.client(Some("client.test"), "engine.test:2376")?;
    let (near, far) = sockets().await?;
    // With a small buffer a write is taken in part.
    set_socket_send_buffer_size(&near, 4096)?;
    let (client, server) = tokio::join!(connect(near.into(), &client), accept(far.into(), &server));
    let (server, certificate) = server?;
    Ok((client?, server, certificate))
}

async fn read_once(stream: &Stream, buffer: &mut [u8]) -> Tried<usize> {
    loop {
        stream.readable().await?;
        if let Some(read) = stream.try_read(buffer)? {
            return Ok(read);
        }
    }
}

async fn read_to_end(stream: &Stream, piece: usize) -> Tried<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = vec![0; piece];
    loop {
        match read_once(stream, &mut buffer).await? {
            0 => return Ok(all),
            read => all.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
    }
}

#[tokio::test]
async fn what_a_client_has_shown_is_known() -> Tried<()> {
    let (_client, _server, certificate) = connected().await?;
    let certificate = certificate.ok_or("it has shown none")?;
    assert_eq!(&*certificate.subject, "CN=client.test");
    assert_eq!(
        *certificate.sans,
        ["dns:client.test", "uri:spiffe://test/Client"]
    );
    Ok(())
}

#[tokio::test]
async fn every_byte_comes_through_in_pieces_of_any_size_and_after_a_half_close() -> Tried<()> {
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|it| (it % 251) as u8).collect();
    for (write, read) in [(7_000, 1), (1, 8_192), (65_536, 65_536), (200_000, 100)] {
        let bytes = bytes.get(..write * 16).unwrap_or(&bytes);
        let (client, server, _) = connected().await?;
        let send = async {
            for (at, piece) in bytes.chunks(write).enumerate() {
                if at % 2 == 0 {
                    client.write_all(piece).await?;
                } else {
                    let (first, second) = piece.split_at(piece.len() / 3);
                    client.write_both(first, second).await?;
                }
            }
            client.shutdown_write();
            // The other direction is open still.
            read_to_end(&client, 100).await
        };
        let receive = async {
            let got = read_to_end(&server, read).await?;
            server.write_all(b"all of it").await?;
            server.shutdown_write();
            Tried::Ok(got)
        };
        let (answer, got) = tokio::join!(send, receive);
        assert_eq!(answer?, b"all of it");
        assert!(got? == bytes, "{write} {read}");
    }
    Ok(())
}

/// While a part of what was enciphered waits, the last byte counts as not written: whoever is told that
/// all is written may stop.
#[tokio::test]
async fn what_is_reported_as_written_is_on_the_socket() -> Tried<()> {
    let (client, server, _) = connected().await?;
    let bytes = vec![7; 4 << 20];
    let mut written = 0;
    // Until the socket takes no more.
    loop {
        let rest = bytes.get(written..).unwrap_or_default();
        match client.try_write(rest)? {
            0 => break,
            more => written += more,
        }
    }
    assert!(written > 0 && written < bytes.len());
    let mut got = 0;
    let mut buffer = vec![0; 4096];
    let finish = async {
        client
            .write_all(bytes.get(written..).unwrap_or_default())
            .await?;
        // Nobody flushes, waits or closes any more.
        Tried::Ok(())
    };
    let receive = async {
        while got < bytes.len() {
            got += read_once(&server, &mut buffer).await?;
        }
        Tried::Ok(())
    };
    let (finished, received) = tokio::join!(finish, receive);
    finished?;
    received?;
    assert_eq!(got, bytes.len());
    assert!(server.try_read(&mut buffer)?.is_none());
    Ok(())
}

#[tokio::test]
async fn an_end_is_told_from_a_cut() -> Tried<()> {
    let (client, server, _) = connected().await?;
    client.write_all(b"x").await?;
    // A socket that is closed with a ticket unread resets its connection.
    server.write_all(b"y").await?;
    assert_eq!(read_once(&client, &mut [0; 9]).await?, 1);
    client.end();
    drop(client);
    assert_eq!(read_to_end(&server, 10).await?, b"x");

    let (client, server, _) = connected().await?;
    client.write_all(b"x").await?;
    let Stream::Tls(tls) = &client else {
        return Err("it is TLS".into());
    };
    // What an attacker on the way can do too.
    tls.socket().shutdown_write();
    let mut buffer = [0; 10];
    assert_eq!(read_once(&server, &mut buffer).await?, 1);
    assert!(read_once(&server, &mut buffer).await.is_err());
    // It does not become an end by being asked again.
    assert!(read_once(&server, &mut buffer).await.is_err());

    let (client, server, _) = connected().await?;
    client.write_all(b"x").await?;
    server.write_all(b"y").await?;
    assert_eq!(read_once(&client, &mut buffer).await?, 1);
    drop(client);
    assert_eq!(read_once(&server, &mut buffer).await?, 1);
    assert!(read_once(&server, &mut buffer).await.is_err());
    Ok(())
}

#[tokio::test]
async fn what_is_not_tls_any_more_is_an_error_and_stays_one() -> Tried<()> {
    let (client, server, _) = connected().await?;
    client.write_all(b"x").await?;
    let Stream::Tls(tls) = &client else {
        return Err("it is TLS".into());
    };
    tls.socket().try_write(&[0x17, 3, 3, 0, 32, 1])?;
    tls.socket().try_write(&[1; 31])?;
    let mut buffer = [0; 10];
    assert_eq!(read_once(&server, &mut buffer).await?, 1);
    for _ in 0..2 {
        assert!(read_once(&server, &mut buffer).await.is_err());
    }
    Ok(())
}

#[tokio::test]
async fn who_does_not_get_through_the_handshake_and_why() -> Tried<()> {
    let files = Files::new()?;
    let stranger = Files::new()?;
    files.certify("engine.test", |_| {})?;
    files.certify("client.test", |_| {})?;
    files.certify("late.test", |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    })?;
    stranger.certify("client.test", |_| {})?;
    fs::copy(files.path("ca"), stranger.path("ca"))?;
    let with_ca = TlsServer::read(&files.server_files("engine.test", Some("ca")))?;
    let open = TlsServer::read(&files.server_files("engine.test", None))?;
    let late = TlsServer::read(&files.server_files("late.test", None))?;
    for (server, client, server_says, client_says) in [
        (
            &with_ca,
            files.client(None, "engine.test:1")?,
            "it showed no certificate",
            "",
        ),
        (
            &with_ca,
            files.client(Some("late.test"), "engine.test:1")?,
            "its certificate has expired",
            "",
        ),
        (
            &with_ca,
            stranger.client(Some("client.test"), "engine.test:1")?,
            "not signed by an authority that doxy knows",
            "",
        ),
        (
            &open,
            files.client(None, "other.test:1")?,
            "it does not accept doxy's certificate",
            "its certificate is for another name",
        ),
        (
            &open,
            files.client(None, "127.0.0.1:1")?,
            "it does not accept doxy's certificate",
            "its certificate is for another name",
        ),
        (
            &late,
            files.client(None, "late.test:1")?,
            "it does not accept doxy's certificate",
            "its certificate has expired",
        ),
    ] {
        let (near, far) = sockets().await?;
        let connect = async {
            let stream = connect(near.into(), &client).await?;
            // With TLS 1.3 a client hears of it only when it reads.
            read_once(&stream, &mut [0; 10])
                .await
                .map_err(|error| HandshakeError::Failed(error.to_string()))
        };
        let (connected, accepted) = tokio::join!(connect, accept(far.into(), server));
        let error = accepted.err().ok_or(server_says)?.to_string();
        assert!(error.contains(server_says), "{error}");
        let error = connected.err().ok_or(client_says)?.to_string();
        assert!(error.contains(client_says), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_tls_is_left_unread_and_nothing_is_an_end() -> Tried<()> {
    let files = Files::new()?;
    files.certify("engine.test", |_| {})?;
    let server = TlsServer::read(&files.server_files("engine.test", None))?;
    for first in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0", b"\x15\x03\x01"] {
        let (near, far) = sockets().await?;
        Stream::from(near).write_all(first).await?;
        let accepted = accept(far.into(), &server).await;
        let Err(HandshakeError::NotTls(stream)) = accepted else {
            return Err("it is no TLS".into());
        };
        assert_eq!(read_to_end(&stream, 100).await?, first);
    }
    // An end in the middle of a handshake, and garbage that begins like one.
    for (first, garbage) in [
        (&b""[..], false),
        (b"\x16", false),
        (b"\x16\x03\x01\x02\x00\x01", false),
        (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", true),
        (b"\x16\x03\x01\x00\x04\x63\x00\x00\x00", true),
        (b"\x16\xff\xff\xff\xff\x00", true),
    ] {
        let (near, far) = sockets().await?;
        let near = Stream::from(near);
        near.write_all(first).await?;
        near.shutdown_write();
        let error = accept(far.into(), &server).await.err();
        match error.ok_or("no error")? {
            HandshakeError::Gone => assert!(!garbage, "{first:?}"),
            HandshakeError::Failed(_) => assert!(garbage, "{first:?}"),
            other => return Err(other.into()),
        }
    }
    Ok(())
}
