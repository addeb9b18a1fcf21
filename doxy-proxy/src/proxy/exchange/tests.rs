//! A response that begins before the body of its request has come.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::sleep;

use super::{
    Body, Exchange, Exchanged, LAST_BYTES, Next, ReadBuf, RequestRecord, Stream, transfer,
};
use crate::http::framing::Framing;
use crate::log::context::LogContext;
use crate::log::denials::Denials;
use crate::log::request_id::RequestIds;
use crate::net::peer::{Peer, UnixPeer};

/// The engine answers at once; the only byte of the body comes after `pause`. What becomes of the
/// connection, and the head of the response.
async fn answered_early(pause: Duration) -> Result<(Next, String), Box<dyn Error>> {
    let (client, near_client) = UnixStream::pair()?;
    let (engine, near_engine) = UnixStream::pair()?;
    let [near_client, near_engine] = [near_client, near_engine].map(Stream::from);
    let exchange = Exchange {
        framing: Framing::Length(1),
        http10: false,
        is_head: false,
        keep_alive: true,
        expect_continue: false,
        may_upgrade: false,
    };
    let peer = Peer::Unix(UnixPeer {
        uid: 0,
        gid: 0,
        pid: 0,
        comm: String::new(),
    });
    let context = LogContext::new(None, peer, Arc::new(Denials::new("".into())), None);
    let record = RequestRecord::open(&context, RequestIds::default().next());
    let mut request = Body::new(exchange.framing, false);
    let (mut input, mut from_engine) = (ReadBuf::default(), ReadBuf::default());
    engine.writable().await?;
    engine.try_write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    let send = async {
        client.writable().await?;
        sleep(pause).await;
        client.try_write(b"x")
    };
    let transferred = transfer(
        &exchange,
        &mut request,
        (&near_client, &mut input),
        (&near_engine, &mut from_engine),
        &record,
        || false,
    );
    let (transferred, sent) = tokio::join!(transferred, send);
    sent?;
    let Ok(Exchanged::Response(next, _)) = transferred else {
        return Err("no response".into());
    };
    let mut head = vec![0; 1024];
    client.readable().await?;
    let length = client.try_read(&mut head)?;
    head.truncate(length);
    Ok((next, String::from_utf8(head)?))
}

#[tokio::test(start_paused = true)]
async fn the_last_bytes_of_a_body_may_come_a_moment_later() -> Result<(), Box<dyn Error>> {
    let moment = Duration::from_millis(1);
    let (next, head) = answered_early(LAST_BYTES - moment).await?;
    assert_eq!(next, Next::Request);
    assert_eq!(head, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    // The head has gone, and says that the connection closes: so it does, whatever comes.
    let (next, head) = answered_early(LAST_BYTES + moment).await?;
    assert_eq!(next, Next::Close);
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let (next, _) = answered_early(Duration::from_secs(5)).await?;
    assert_eq!(next, Next::Linger);
    Ok(())
}
