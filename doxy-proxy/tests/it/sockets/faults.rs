//! What a reload must not do: take what is another's, fall back, wait, or put half of something in force.

use std::fs;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use super::{TWO, at, get, reload, with};
use crate::support::Fake;

#[test]
fn a_reload_takes_nothing_that_is_anothers_and_falls_back_to_nothing() {
    let fake = Fake::start();
    let toml = "[socket.a]\nproxy-socket = \"a.sock\"\nallow-uid = [\"root\"]\npatterns = \"/a\"\n";
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let doxy = with(&fake, toml, &["--sandbox", "require"]).start();
    let other = UnixListener::bind(doxy.path("other.sock")).unwrap();
    for (toml, words) in [
        (
            format!("{toml}[socket.x]\nproxy-socket = \"other.sock\"\npatterns = \"/x\""),
            "another process is listening there already",
        ),
        (
            toml.replace("patterns = \"/a\"", ""),
            "the socket has no rules and no script any more",
        ),
    ] {
        fs::write(doxy.path("doxy.toml"), &toml).unwrap();
        doxy.process.signal(Signal::HUP);
        let kept = "not reloaded, the configuration in force stays: ";
        doxy.process.logged_all(&[kept, words]);
        assert_eq!(at(&doxy, "a.sock").ask(get("/a")).status(), 200);
    }
    drop(other);
    // A pipe in a file's place is not waited for, and names are known in the sandbox too.
    let rules = doxy.path("pipe");
    mknodat(CWD, &rules, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    reload(
        &doxy,
        &toml.replace("patterns = \"/a\"", "pattern-file = \"pipe\""),
        "this is a pipe, not a file",
    );
    reload(
        &doxy,
        &toml.replace("\"/a\"", "\"/b\""),
        "reloaded: 1 rule from ",
    );
    assert_eq!(at(&doxy, "a.sock").ask(get("/b")).status(), 200);
    doxy.stop();
}

#[test]
fn what_cannot_be_put_in_force_changes_nothing() {
    let fake = Fake::start();
    let toml = TWO;
    let doxy = with(&fake, toml, &[]).start();
    doxy.logged("too.sock");
    fs::create_dir(doxy.path("other")).unwrap();
    let half = &toml[..toml.len() / 2];
    let with = |more: &str| format!("{toml}\n{more}");
    for (toml, words) in [
        (half.to_owned(), "doxy.toml:"),
        (
            with("[socket.x]\nproxy-socket = \"other/x.sock\""),
            "did not know when it started",
        ),
        (
            with("[socket.x]\nproxy-socket = \"tcp://127.0.0.1:1\""),
            "a new address on a network",
        ),
        (
            with("[socket.x]\nproxy-socket = \"x.sock\"\ndocker-socket = \"tcp://127.0.0.1:2\""),
            "a new engine on a network",
        ),
        (
            with("[socket.x]\nproxy-socket = \"x.sock\"\npattern-file = \"none\""),
            "cannot read",
        ),
        (
            format!("threads = 2\n{toml}"),
            "threads: this is set when doxy starts",
        ),
        (
            format!("sandbox = \"off\"\n{toml}"),
            "sandbox: this is set when doxy starts",
        ),
    ] {
        fs::write(doxy.path("doxy.toml"), &toml).unwrap();
        doxy.process.signal(Signal::HUP);
        let kept = "not reloaded, the configuration in force stays: ";
        doxy.process.logged_all(&[kept, words]);
        assert_eq!(at(&doxy, "one.sock").ask(get("/one")).status(), 200);
        assert_eq!(at(&doxy, "too.sock").ask(get("/two")).status(), 200);
        assert!(!doxy.path("x.sock").exists());
    }
    doxy.stop();
}

/// The reading of a file that never ends keeps doxy neither from serving nor from stopping.
#[test]
fn a_reload_that_takes_for_ever_stops_nothing() {
    let fake = Fake::start();
    let rules = tempfile::NamedTempFile::new().unwrap();
    fs::write(&rules, "/a").unwrap();
    // What stands at the path is this process's to change, without a change of the path.
    let shown = File::open(rules.path()).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&shown);
    let path = format!("/proc/{}/fd/{number}", std::process::id());
    let toml = format!("[socket.a]\nproxy-socket = \"a.sock\"\npattern-file = \"{path}\"\n");
    let doxy = with(&fake, &toml, &["--sandbox", "off"]).start();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut shown = std::os::fd::OwnedFd::from(shown);
    rustix::io::dup2(reader.as_fd(), &mut shown).unwrap();
    doxy.process.signal(Signal::HUP);
    // It reads: this is more than a pipe holds.
    writer.write_all(&vec![b'#'; 256 << 10]).unwrap();
    assert_eq!(at(&doxy, "a.sock").ask(get("/a")).status(), 200);
    doxy.stop();
}

#[test]
fn a_pipe_in_the_place_of_a_certificate_is_not_waited_for() {
    let fake = Fake::start();
    let doxy = with(&fake, TWO, &[]).start();
    mknodat(
        CWD,
        doxy.path("pipe"),
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let toml = format!("{TWO}docker-socket = \"tcp://127.0.0.1:1\"\ndocker-tls-ca = \"pipe\"\n");
    reload(&doxy, &toml, "this is a pipe, not a file");
    assert_eq!(at(&doxy, "one.sock").ask(get("/one")).status(), 200);
    doxy.stop();
}
