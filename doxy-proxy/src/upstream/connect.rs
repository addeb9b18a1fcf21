//! Connecting to an engine over TCP: every address of its name is tried, each for its share of the time.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

/// How many names are looked up at a time. A lookup cannot be ended, and each has a thread.
const MAX_LOOKUPS: usize = 4;
/// The stack of such a thread, in bytes: resolvers load modules.
const STACK_SIZE: usize = 512 << 10;

/// Looks names up, beside the thread that serves.
#[derive(Debug, Clone)]
pub(super) struct Resolver(Arc<Semaphore>);

impl Default for Resolver {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS)))
    }
}

impl Resolver {
    /// Connects to `HOST:PORT`. An error of the kind `TimedOut` means that the time was not enough.
    pub(super) async fn connect(&self, address: &str, until: Instant) -> io::Result<TcpStream> {
        let addresses = match address.parse() {
            Ok(address) => vec![address],
            Err(_) => timeout_at(until, self.look_up(address)).await??,
        };
        first_that_accepts(&addresses, until).await
    }

    /// The addresses of a name, however long that takes.
    async fn look_up(&self, address: &str) -> io::Result<Vec<SocketAddr>> {
        let permit = Arc::clone(&self.0).acquire_owned().await;
        let permit = permit.map_err(io::Error::other)?;
        let (done, found) = oneshot::channel();
        let address = address.to_owned();
        // Not one of tokio's threads: doxy would wait for it at its end.
        let thread = thread::Builder::new().name("resolve".to_owned());
        thread.stack_size(STACK_SIZE).spawn(move || {
            // If nobody waits any more, the answer is lost.
            let _ = done.send(address.to_socket_addrs().map(Iterator::collect));
            drop(permit);
        })?;
        found.await.map_err(io::Error::other)?
    }
}

async fn first_that_accepts(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for (at, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let others = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let share = Instant::now() + left / others.max(1);
        match timeout_at(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failed = error,
            Err(late) => failed = late.into(),
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{MAX_LOOKUPS, Resolver, first_that_accepts};

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn every_address_is_tried_and_one_that_is_silent_takes_only_its_share() -> io::Result<()>
    {
        // With a queue of one that is full, further connections get no answer at all.
        let silent = rustix::net::socket(
            rustix::net::AddressFamily::INET,
            rustix::net::SocketType::STREAM,
            None,
        )?;
        rustix::net::bind(&silent, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        rustix::net::listen(&silent, 0)?;
        let silent: SocketAddr = rustix::net::getsockname(&silent)?.try_into()?;
        let _queued = std::net::TcpStream::connect(silent)?;
        let open = std::net::TcpListener::bind("127.0.0.1:0")?;
        let closed: SocketAddr = "127.0.0.1:1".parse().map_err(io::Error::other)?;
        let until = Instant::now() + Duration::from_millis(400);
        let all = [closed, silent, open.local_addr()?];
        let stream = first_that_accepts(&all, until).await?;
        assert_eq!(stream.peer_addr()?, open.local_addr()?);
        let refused = first_that_accepts(&[closed], until).await;
        assert_eq!(
            refused.err().map(|error| error.kind()),
            Some(io::ErrorKind::ConnectionRefused)
        );
        let late = first_that_accepts(&[silent], Instant::now()).await;
        assert_eq!(
            late.err().map(|error| error.kind()),
            Some(io::ErrorKind::TimedOut)
        );
        Ok(())
    }

    #[tokio::test]
    async fn localhost_is_tried_in_both_families() -> io::Result<()> {
        let mut tried = 0;
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else {
                continue; // this machine has no IPv6
            };
            let port = listener.local_addr()?.port();
            let name = format!("localhost:{port}");
            let until = Instant::now() + PATIENCE;
            let Ok(stream) = Resolver::default().connect(&name, until).await else {
                // Some machines give localhost no IPv6 address.
                assert!(address.starts_with('['), "{address}");
                continue;
            };
            assert_eq!(stream.peer_addr()?, listener.local_addr()?);
            tried += 1;
        }
        assert!(tried > 0);
        Ok(())
    }

    #[tokio::test]
    async fn a_lookup_that_hangs_is_given_up() {
        let resolver = Resolver::default();
        // As many lookups as there may be, none of which ends.
        let hanging = resolver.0.acquire_many(MAX_LOOKUPS as u32).await;
        let until = Instant::now() + Duration::from_millis(20);
        let error = resolver.connect("localhost:1", until).await.err();
        assert_eq!(error.map(|it| it.kind()), Some(io::ErrorKind::TimedOut));
        drop(hanging);
    }
}
