//! Sends many short requests over a number of connections, as fast as one thread can.
//!
//! It runs an epoll loop of its own instead of tokio: it shares a CPU with the stand-in engine, so
//! its cost lowers what the engine can serve. A request is one write, its answer usually one read.
//! It blocks its thread for the time of the run and at most [`IDLE_TIMEOUT`] more. It never judges
//! a figure.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::http::answer::Expected;
use crate::http::socket::{Address, Socket};
use crate::load::pace::{Next, Pace};

/// A run fails after so long without any event.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Larger than any answer.
const ROOM: usize = 64 * 1024;
/// The timer's key in epoll, beside the indices of the connections.
const TIMER: u64 = u64::MAX;

/// The request that is repeated.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) request: String,
    pub(crate) wanted: Expected,
    /// A connection for each request.
    pub(crate) once: bool,
}

/// The connections and the state of each.
#[derive(Debug)]
pub(crate) struct Flood<'a> {
    address: &'a Address,
    ask: &'a Ask,
    epoll: OwnedFd,
    timer: OwnedFd,
    connections: Vec<Connection>,
    /// The connections without a request in flight.
    free: Vec<usize>,
    room: Vec<u8>,
}

#[derive(Debug)]
struct Connection {
    stream: Option<Socket>,
    due: Instant,
    /// The beginning of an answer that arrives in pieces.
    part: Vec<u8>,
}

impl<'a> Flood<'a> {
    /// Opens no connection yet.
    pub(crate) fn new(address: &'a Address, ask: &'a Ask, connections: usize) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let edge = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), edge)?;
        let new = || Connection {
            stream: None,
            due: Instant::now(),
            part: Vec::new(),
        };
        Ok(Self {
            address,
            ask,
            epoll,
            timer,
            connections: std::iter::repeat_with(new).take(connections).collect(),
            free: (0..connections).collect(),
            room: vec![0; ROOM],
        })
    }

    /// Sends one request on each connection, so that the measured ones do not include connecting.
    pub(crate) fn warm_up(&mut self) -> io::Result<()> {
        let start = Instant::now();
        while let Some(index) = self.free.pop() {
            self.send(index, start)?;
        }
        let all = self.connections.len();
        self.run(Pace::flat_out(start, Duration::ZERO), all)?;
        Ok(())
    }

    /// Sends requests at this pace until the last answer has arrived. Returns the latency of each,
    /// measured from when it was due.
    pub(crate) fn at(&mut self, pace: Pace) -> io::Result<Vec<Duration>> {
        self.run(pace, 0)
    }

    fn run(&mut self, mut pace: Pace, mut waiting: usize) -> io::Result<Vec<Duration>> {
        let mut took = Vec::with_capacity(1 << 17);
        let mut events: Vec<Event> = Vec::with_capacity(256);
        loop {
            let mut at = None;
            while let Some(&index) = self.free.last() {
                match pace.next(Instant::now()) {
                    Next::Due(due) => {
                        self.free.pop();
                        self.send(index, due)?;
                        waiting += 1;
                    }
                    Next::At(due) => {
                        at = Some(due);
                        break;
                    }
                    Next::Never if waiting == 0 => return Ok(took),
                    Next::Never => break,
                }
            }
            if let Some(due) = at {
                self.wake_at(due)?;
            }
            events.clear();
            let patience = Timespec::try_from(IDLE_TIMEOUT).map_err(io::Error::other)?;
            let room = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, room, Some(&patience)) {
                Err(rustix::io::Errno::INTR) => continue,
                waited => waited?,
            };
            if events.is_empty() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            for event in &events {
                // An expired timer means only that another request may be due.
                let Ok(index) = usize::try_from(event.data.u64()) else {
                    continue;
                };
                if let Some(due) = self.receive(index)? {
                    took.push(due.elapsed());
                    waiting -= 1;
                    self.free.push(index);
                }
            }
        }
    }

    /// A timer is exact to some microseconds; a timeout of epoll counts in milliseconds.
    fn wake_at(&self, due: Instant) -> io::Result<()> {
        let left = due.saturating_duration_since(Instant::now());
        // Zero would disarm the timer.
        let left = left.max(Duration::from_nanos(1));
        let time = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(left).map_err(io::Error::other)?,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &time)?;
        Ok(())
    }

    fn send(&mut self, index: usize, due: Instant) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(index) else {
            return Ok(());
        };
        connection.due = due;
        let mut stream = match connection.stream.take() {
            Some(stream) => stream,
            None => {
                // Blocks while the backlog is full, until the peer accepts a connection.
                let stream = Socket::connect(self.address)?;
                stream.set_nonblocking()?;
                let data = EventData::new_u64(u64::try_from(index).unwrap_or(TIMER));
                epoll::add(&self.epoll, &stream, data, EventFlags::IN | EventFlags::ET)?;
                stream
            }
        };
        stream.send(self.ask.request.as_bytes())?;
        connection.stream = Some(stream);
        Ok(())
    }

    /// Reads what has arrived. If that completes an answer, returns when its request was due.
    fn receive(&mut self, index: usize) -> io::Result<Option<Instant>> {
        let Some(connection) = self.connections.get_mut(index) else {
            return Ok(None);
        };
        while let Some(stream) = &mut connection.stream {
            let read = match stream.receive(&mut self.room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let fresh = self.room.get(..read).unwrap_or_default();
            let judged = if connection.part.is_empty() {
                self.ask.wanted.check(fresh)?
            } else {
                connection.part.extend_from_slice(fresh);
                self.ask.wanted.check(&connection.part)?
            };
            if let Some(arrived) = judged {
                connection.part.clear();
                if self.ask.once || arrived.last {
                    connection.stream = None;
                }
                return Ok(Some(connection.due));
            }
            if connection.part.is_empty() {
                connection.part.extend_from_slice(fresh);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

    fn ask(once: bool, size: u64) -> Ask {
        Ask {
            request: "GET / HTTP/1.1\r\nHost: d\r\n\r\n".to_owned(),
            wanted: Expected {
                status: 200,
                size: Some(size),
            },
            once,
        }
    }

    /// Answers every request, in two pieces. Before answer number `stall` it pauses for a while.
    fn server(listener: UnixListener, stall: usize, still: Duration) {
        let answers = Arc::new(Mutex::new(0));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let answers = Arc::clone(&answers);
                thread::spawn(move || {
                    let mut room = [0; 1024];
                    while stream.read(&mut room).is_ok_and(|read| read > 0) {
                        let mut count = answers.lock().unwrap();
                        *count += 1;
                        if *count == stall {
                            thread::sleep(still);
                        }
                        let (one, two) = ANSWER.split_at(*count % ANSWER.len());
                        stream.write_all(one).unwrap();
                        stream.write_all(two).unwrap();
                    }
                });
            }
        });
    }

    #[test]
    fn every_answer_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        server(UnixListener::bind(&path).unwrap(), 0, Duration::ZERO);
        let address = Address::Unix(path);
        for once in [false, true] {
            let ask = ask(once, 5);
            let mut flood = Flood::new(&address, &ask, 3).unwrap();
            flood.warm_up().unwrap();
            let pace = Pace::fixed(Instant::now(), 10_000, Duration::from_millis(20));
            assert_eq!(flood.at(pace).unwrap().len(), 200);
            // Their number depends on the machine.
            let pace = Pace::flat_out(Instant::now(), Duration::from_millis(100));
            assert!(!flood.at(pace).unwrap().is_empty());
        }
    }

    #[test]
    fn a_wrong_size_fails() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        server(UnixListener::bind(&path).unwrap(), 0, Duration::ZERO);
        let address = Address::Unix(path);
        let ask = ask(false, 6);
        assert!(Flood::new(&address, &ask, 3).unwrap().warm_up().is_err());
    }

    #[test]
    fn a_server_that_stands_still_shows_in_all_that_was_due() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let still = Duration::from_millis(200);
        server(UnixListener::bind(&path).unwrap(), 100, still);
        let address = Address::Unix(path);
        let ask = ask(false, 5);
        let mut flood = Flood::new(&address, &ask, 2).unwrap();
        flood.warm_up().unwrap();
        let pace = Pace::fixed(Instant::now(), 1000, Duration::from_millis(500));
        let took = flood.at(pace).unwrap();
        assert_eq!(took.len(), 500);
        // Two requests were in flight during the pause, but some 200 were due: half of those waited
        // for more than half of it. Measured from when they were sent, only the two would show it.
        let waited = took.iter().filter(|took| **took > still / 2).count();
        assert!(waited > 80, "{waited}");
    }
}
