//! What a connection costs while it waits, and that it notices that doxy stops.

use std::error::Error;
use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::mem::size_of_val;
use std::pin::pin;
use std::task::Poll;

use doxy_filter::RuleSet;
use tokio::net::UnixStream;

use super::{Arc, Client, Duration, Place, Service, handle, serve};
use crate::net::peer::{Identity, Peer, UnixPeer};
use crate::net::stream::Stream;
use crate::shares::connections::{Connections, Total};
use crate::{Policy, Upstream, UpstreamAddr};

fn service() -> Result<Arc<Service>, Box<dyn Error>> {
    let engine = UpstreamAddr::Tcp("127.0.0.1:1".to_owned());
    let upstream = Upstream::new(engine, Duration::ZERO);
    let policy = Policy::new(RuleSet::embedded()?);
    Ok(Arc::new(Service::new("test", policy, upstream)))
}

fn client(stream: UnixStream, service: &Service) -> Client {
    let peer = Peer::Unix(UnixPeer {
        uid: 0,
        gid: 0,
        pid: 0,
        comm: String::new(),
    });
    Client::new(Stream::from(stream), peer, service)
}

fn place(connections: &mut Connections) -> Result<Place, Box<dyn Error>> {
    Ok(connections.admit(Identity::Unknown, 0).ok_or("no place")?)
}

/// A waiting task costs its memory.
#[tokio::test]
async fn the_futures_of_a_connection_and_of_a_request_stay_small() -> Result<(), Box<dyn Error>> {
    let (one, two) = UnixStream::pair()?;
    let service = service()?;
    let mut connections = Connections::new(2, Arc::new(Total::new(usize::MAX)));
    let connection = serve(
        client(one, &service),
        place(&mut connections)?,
        Arc::clone(&service),
        Arc::default(),
    );
    assert!(
        size_of_val(&*connection) <= 1008,
        "{}",
        size_of_val(&*connection)
    );
    let mut client = client(two, &service);
    let place = place(&mut connections)?;
    let request = handle(&mut client, 0, &service, &place);
    assert!(size_of_val(&request) <= 1024, "{}", size_of_val(&request));
    Ok(())
}

/// tokio knows nothing of a new socket before its driver has asked the kernel.
#[tokio::test]
async fn a_request_that_comes_with_its_connection_is_answered_at_once() -> Result<(), Box<dyn Error>>
{
    let (mut two, one) = std::os::unix::net::UnixStream::pair()?;
    one.set_nonblocking(true)?;
    two.set_nonblocking(true)?;
    two.write_all(b"GET /x HTTP/1.1\r\nHost: d\r\n\r\n")?;
    let mut connections = Connections::new(1, Arc::new(Total::new(usize::MAX)));
    let (service, place) = (service()?, place(&mut connections)?);
    let client = client(UnixStream::from_std(one)?, &service);
    let mut served = pin!(serve(client, place, service, Arc::default()));
    let waits = poll_fn(|cx| Poll::Ready(served.as_mut().poll(cx).is_pending())).await;
    assert!(waits, "it is kept alive");
    let mut answer = [0; 4096];
    let length = two.read(&mut answer)?;
    let answer = str::from_utf8(answer.get(..length).unwrap_or_default())?;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    Ok(())
}

/// Bytes that fill the first read use up the coop budget of the task before it waits.
#[tokio::test]
async fn a_connection_that_begins_with_a_full_read_is_told_to_stop() -> Result<(), Box<dyn Error>> {
    for requests in 120..=127 {
        let (one, two) = UnixStream::pair()?;
        let mut connections = Connections::new(1, Arc::new(Total::new(usize::MAX)));
        let place = place(&mut connections)?;
        let line = "GET /x HTTP/1.1\r\nHost: d\r\nX: ";
        let (size, mut all) = (
            crate::net::buffer::HEAD_BUF - crate::net::buffer::HEADROOM,
            String::new(),
        );
        for left in (1..=requests).rev() {
            let length = (size - all.len()) / left - line.len() - 4;
            all += &format!("{line}{}\r\n\r\n", "a".repeat(length));
        }
        two.writable().await?;
        assert_eq!(two.try_write(all.as_bytes())?, size);
        one.readable().await?;
        let service = service()?;
        let served = tokio::spawn(serve(client(one, &service), place, service, Arc::default()));
        let (mut answers, mut room) = (0, [0; 4096]);
        let mut got = Vec::new();
        while answers < requests {
            two.readable().await?;
            if let Ok(read) = two.try_read(&mut room) {
                got.extend_from_slice(room.get(..read).unwrap_or_default());
                answers = memchr::memmem::find_iter(&got, "HTTP/1.1 403").count();
            }
        }
        // It comes to wait for the next one.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        connections.stop();
        let ended = tokio::time::timeout(Duration::from_secs(2), served).await;
        assert!(ended.is_ok(), "{requests} requests");
    }
    Ok(())
}
