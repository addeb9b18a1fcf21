//! The journal of systemd: a socket in its place reads what doxy sends, and stops reading, goes away and
//! comes back.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::{
    AccessLog, Format, ListenConfig, LogDestination, Policy, Service, Upstream, UpstreamAddr,
};
use rustix::process::getuid;

use crate::support::process::{Process, command};
use crate::support::{Client, Doxy, Fake, Need, TIMEOUT, needs};

const ALLOWED: &str = "GET /info?secret=1 HTTP/1.1\r\nHost: d\r\nX-Request-Id: mine\r\n\r\n";
const DENIED: &str = "GET /containers/a%20%22b%22/export HTTP/1.1\r\nHost: d\r\n\r\n";

/// The fields of an entry.
type Entry = BTreeMap<String, String>;

/// A socket in the place of the journal's.
struct Journal(UnixDatagram);

impl Journal {
    #[track_caller]
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        Self(socket)
    }

    #[track_caller]
    fn next(&self) -> Entry {
        self.try_next().expect("an entry")
    }

    fn try_next(&self) -> io::Result<Entry> {
        let mut datagram = vec![0; 1 << 16];
        let length = self.0.recv(&mut datagram)?;
        datagram.truncate(length);
        Ok(parse(&datagram))
    }
}

/// Reads an entry as systemd's documentation of the native protocol has it.
#[track_caller]
fn parse(mut rest: &[u8]) -> Entry {
    let mut entry = Entry::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| b"=\n".contains(byte)).unwrap();
        let (name, separator) = (&rest[..end], rest[end]);
        rest = &rest[end + 1..];
        let length = match separator {
            b'=' => rest.iter().position(|byte| *byte == b'\n').unwrap(),
            _ => {
                let (length, behind) = rest.split_first_chunk().unwrap();
                rest = behind;
                usize::try_from(u64::from_le_bytes(*length)).unwrap()
            }
        };
        let (value, behind) = (&rest[..length], &rest[length..]);
        assert_eq!(behind[0], b'\n');
        rest = &behind[1..];
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let before = entry.insert(text(name), text(value));
        assert_eq!(before, None, "a field stands twice");
    }
    entry
}

fn service(fake: &Fake, journal: &Path) -> Service {
    let rules = RuleSet::parse("rules", b"/info\n!/secrets\n").unwrap();
    let engine = UpstreamAddr::Unix(fake.path().to_owned());
    let upstream = Upstream::new(engine, Duration::from_secs(1));
    let mut service = Service::new("door", Policy::new(rules), upstream);
    let to = LogDestination::Journal(journal.to_owned());
    service.access_log = Some(AccessLog::open(to, Format::Journald).unwrap());
    service
}

fn start(service: Service) -> Doxy {
    Doxy::serving(
        ListenConfig::Tcp("127.0.0.1:0".parse().unwrap()),
        service,
        Duration::ZERO,
    )
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    (folder, path)
}

#[test]
fn each_record_is_an_entry_with_fields() {
    let (fake, (_folder, path)) = (Fake::start(), place());
    let journal = Journal::at(&path);
    let doxy = start(service(&fake, &path));
    let ask = |request: &str| Client::connect_tcp(doxy.address()).ask(request);
    let get = |entry: &Entry, name: &str| entry.get(name).cloned().unwrap_or_default();

    assert_eq!(ask(ALLOWED).status(), 200);
    let entry = journal.next();
    for (name, expected) in [
        ("MESSAGE", "allowed GET /info: 200, by rules:1"),
        ("PRIORITY", "6"),
        ("SYSLOG_IDENTIFIER", "doxy"),
        ("DOXY_CLIENT_REQUEST_ID", "mine"),
        ("DOXY_VERDICT", "allowed"),
        ("DOXY_SOCKET", "door"),
        ("DOXY_METHOD", "GET"),
        ("DOXY_PATH", "/info"),
        ("DOXY_ENDPOINT", "/info"),
        ("DOXY_RULE", "rules:1"),
        ("DOXY_REASON", ""),
        ("DOXY_REASON_CODE", ""),
        ("DOXY_STATUS", "200"),
        ("DOXY_PEER_ADDRESS", "127.0.0.1"),
        ("DOXY_PEER_UID", ""),
        ("DOXY_TO_CLIENT", "2"),
        ("DOXY_OUTCOME", "complete"),
    ] {
        assert_eq!(get(&entry, name), expected, "{name} of {entry:#?}");
    }
    assert!(get(&entry, "DOXY_TIME").ends_with('Z'), "{entry:#?}");
    assert!(entry.values().all(|value| !value.contains("secret")));

    let reply = ask(DENIED);
    let entry = journal.next();
    for (name, expected) in [
        (
            "MESSAGE",
            "denied GET /containers/a \"b\"/export: 403, no rule allows this path",
        ),
        ("PRIORITY", "5"),
        ("DOXY_VERDICT", "denied"),
        ("DOXY_PATH", "/containers/a \"b\"/export"),
        ("DOXY_ENDPOINT", "/containers/{name:.*}/export"),
        ("DOXY_REASON", "no rule allows this path"),
        ("DOXY_REASON_CODE", "path"),
        ("DOXY_RULE", ""),
        ("DOXY_STATUS", "403"),
        ("DOXY_REQUEST_ID", reply.request_id()),
    ] {
        assert_eq!(get(&entry, name), expected, "{name} of {entry:#?}");
    }

    // What cannot be read has a record too, and can forge none.
    assert_eq!(
        ask("GET /\nDOXY_VERDICT=allowed HTTP/1.1\r\n\r\n").status(),
        400
    );
    let entry = journal.next();
    assert_eq!(get(&entry, "DOXY_VERDICT"), "refused", "{entry:#?}");
    assert_eq!(get(&entry, "DOXY_STATUS"), "400", "{entry:#?}");

    drop(fake);
    assert_eq!(ask(ALLOWED).status(), 502);
    assert_eq!(get(&journal.next(), "PRIORITY"), "4");
}

/// The entries that were read, and how many were lost as doxy says, until there are `all`.
#[track_caller]
fn read_all(journal: &Journal, all: u64, mut ask: impl FnMut()) -> (u64, u64) {
    let (mut read, mut lost, mut asked) = (0, 0, 0);
    while read + lost < all + asked {
        match journal.0.set_read_timeout(Some(Duration::from_secs(2))) {
            Ok(()) => {}
            Err(error) => panic!("{error}"),
        }
        match journal.try_next() {
            Ok(entry) => match entry.get("DOXY_LOST") {
                Some(count) => {
                    assert_eq!(entry["PRIORITY"], "4", "{entry:#?}");
                    lost += count.parse::<u64>().unwrap();
                }
                None => read += 1,
            },
            // How many were lost is said with the next record.
            Err(_) if asked < 10 => {
                ask();
                asked += 1;
            }
            Err(error) => panic!("{error}: {read} read and {lost} lost of {all}"),
        }
    }
    (read, lost)
}

#[test]
fn a_journal_that_is_full_blocks_nothing_and_is_told_how_many_entries_it_lost() {
    let (fake, (_folder, path)) = (Fake::start(), place());
    let journal = Journal::at(&path);
    let doxy = start(service(&fake, &path));
    // More than its queue and doxy's buffer hold.
    let many = 20_000;
    let mut client = Client::connect_tcp(doxy.address());
    let request = "GET /secrets HTTP/1.1\r\nHost: d\r\n\r\n";
    let requests = request.repeat(1000);
    for _ in 0..many / 1000 {
        client.send(&requests);
        for _ in 0..1000 {
            assert_eq!(client.reply("GET").unwrap().status(), 403);
        }
    }
    let (read, lost) = read_all(&journal, many, || {
        assert_eq!(client.ask(request).status(), 403);
    });
    assert!(read > 0 && lost > 0, "{read} read, {lost} lost");
}

#[test]
fn a_journal_that_goes_away_and_comes_back_gets_entries_again() {
    let (fake, (_folder, path)) = (Fake::start(), place());
    let journal = Journal::at(&path);
    let doxy = start(service(&fake, &path));
    let mut client = Client::connect_tcp(doxy.address());
    assert_eq!(client.ask(ALLOWED).status(), 200);
    journal.next();
    drop(journal);
    for exists in [true, false] {
        if !exists {
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(client.ask(ALLOWED).status(), 200);
    }
    // Its socket is another one now, and the same once more.
    for _ in 0..2 {
        let _ = fs::remove_file(&path);
        let journal = Journal::at(&path);
        assert_eq!(client.ask(DENIED).status(), 403);
        loop {
            let entry = journal.next();
            if entry.get("DOXY_VERDICT").is_some_and(|it| it == "denied") {
                break;
            }
        }
    }
}

/// A journal that hangs and still has its socket is left for one that has taken its path.
#[test]
fn a_journal_that_hangs_is_left_for_the_next_one() {
    let (fake, (_folder, path)) = (Fake::start(), place());
    let hanging = Journal::at(&path);
    let doxy = start(service(&fake, &path));
    let mut client = Client::connect_tcp(doxy.address());
    fs::remove_file(&path).unwrap();
    let journal = Journal::at(&path);
    // More than its queue holds.
    for _ in 0..2 {
        client.send(DENIED.repeat(2000));
        for _ in 0..2000 {
            assert_eq!(client.reply("GET").unwrap().status(), 403);
        }
    }
    assert_eq!(journal.next()["SYSLOG_IDENTIFIER"], "doxy");
    drop(hanging);
}

#[test]
fn only_the_journal_takes_fields_and_it_must_be_there() {
    let (folder, path) = place();
    let gone = AccessLog::open(LogDestination::Journal(path), Format::Journald);
    assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::NotFound);
    let _journal = Journal::at(&folder.path().join("journal"));
    for (to, format) in [
        (
            LogDestination::Journal(folder.path().join("journal")),
            Format::Json,
        ),
        (LogDestination::Stdout, Format::Journald),
        (
            LogDestination::File(folder.path().join("log")),
            Format::Journald,
        ),
    ] {
        let error = AccessLog::open(to, format).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

/// The binary where `/run/systemd/journal` is this folder, seen by nobody else. Its standard
/// error is the journal's if `stream` says so.
fn with_journal(folder: &Path, stream: &str, args: &[&str]) -> Command {
    let start = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal &&
        mount --bind \"$0\" /run/systemd/journal && JOURNAL_STREAM=$1 && shift &&
        case $JOURNAL_STREAM in own) JOURNAL_STREAM=$(stat -Lc %d:%i /proc/$$/fd/2);; esac &&
        export JOURNAL_STREAM && exec \"$@\"";
    let mut command = command("unshare", folder);
    command.args(["--mount", "sh", "-c", start]).arg(folder);
    command
        .args([stream, env!("CARGO_BIN_EXE_doxy")])
        .args(args);
    command
}

/// The sandbox has what the journal takes, also once that was started anew.
#[test]
fn the_binary_finds_the_journal_within_its_sandbox() {
    if !needs(Need::Root) || !needs(Need::Tool("unshare")) {
        return;
    }
    for args in [
        &["--access-log", "journal"][..],
        &["--log-format", "journald"],
        &["--log-format", "journald", "--access-log", "journal"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let _fake = Fake::at(&folder.path().join("engine.sock"), |_, _| true);
        let path = folder.path().join("socket");
        let mut journal = Journal::at(&path);
        let args = [&["--sandbox", "require"], args].concat();
        let process = Process::start(&mut with_journal(folder.path(), "", &args));
        let mut client = Client::connect(&folder.path().join("doxy.sock"));
        for _ in 0..2 {
            assert_eq!(client.ask(DENIED).status(), 403);
            let entry = journal.next();
            assert_eq!(entry["DOXY_VERDICT"], "denied", "{entry:#?}");
            assert_eq!(entry["DOXY_PEER_UID"], getuid().as_raw().to_string());
            assert_eq!(entry["DOXY_SOCKET"], "doxy.sock");
            fs::remove_file(&path).unwrap();
            journal = Journal::at(&path);
        }
        fs::remove_file(&path).unwrap();
        drop(journal);
        assert_eq!(client.ask(DENIED).status(), 403);
        process.logged("the access log takes no records: no such file or directory");
        let journal = Journal::at(&path);
        assert_eq!(client.ask(DENIED).status(), 403);
        process.logged("the access log takes records again");
        let entries = [journal.next(), journal.next()];
        let lost = entries.iter().find_map(|entry| entry.get("DOXY_LOST"));
        assert_eq!(lost.map(String::as_str), Some("1"), "{entries:#?}");
        drop(client);
        process.stop();
    }
}

/// The journal takes priorities and notes the time; whoever else reads standard error gets neither the
/// one nor misses the other.
#[test]
fn only_the_journal_gets_priorities() {
    if !needs(Need::Root) || !needs(Need::Tool("unshare")) {
        return;
    }
    for (stream, is_journal) in [("own", true), ("", false), ("1:2", false), ("x", false)] {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(&mut with_journal(folder.path(), stream, &["--debug"]));
        let mut client = Client::connect(&folder.path().join("doxy.sock"));
        assert_eq!(client.ask(DENIED).status(), 403);
        drop(client);
        let printed = process.stop().stderr;
        let begins = |words: &str, priority: &str, level: &str| {
            let line = printed.lines().find(|line| line.contains(words));
            let line = line.unwrap_or_else(|| panic!("{words} in {printed}"));
            match is_journal {
                true => assert!(line.starts_with(&format!("{priority}{level} ")), "{line}"),
                false => assert!(line.starts_with("20") && line.contains(level), "{line}"),
            }
        };
        begins(" listening on ", "<6>", " INFO");
        begins("(told once, then counted)", "<4>", " WARN");
        begins("| GET /containers/", "<7>", "DEBUG");
    }
    let folder = tempfile::tempdir().unwrap();
    for (stream, expected) in [("own", "<3>doxy: "), ("", "doxy: ")] {
        let args = ["--log-format", "xml"];
        let ended = Process::spawn(&mut with_journal(folder.path(), stream, &args)).end();
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.starts_with(expected), "{ended}");
        let (_, help) = ended.stderr.split_once('\n').unwrap();
        let expected = expected.replace("doxy: ", "help: ");
        assert!(help.starts_with(&expected), "{ended}");
    }
}
