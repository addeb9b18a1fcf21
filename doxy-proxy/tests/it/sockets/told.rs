//! What doxy sees by itself, and whom it tells: files that change, the service manager, the log.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::{at, get, reload, with};
use crate::support::{Fake, Setup, wait};

#[test]
fn watch_reloads_what_is_replaced_by_a_link() {
    let fake = Fake::start();
    let toml = "watch = true\n[socket.a]\nproxy-socket = \"a.sock\"\npattern-file = \"data/rules\"";
    let setup = with(&fake, toml, &[]);
    for (folder, rules) in [("v1", "/one"), ("v2", "/two")] {
        fs::create_dir(setup.path(folder)).unwrap();
        fs::write(setup.path(folder).join("rules"), rules).unwrap();
    }
    let link = |to: &str, at: &Path| std::os::unix::fs::symlink(to, at).unwrap();
    link("v1", &setup.path("data"));
    let doxy = setup.start();
    assert_eq!(at(&doxy, "a.sock").ask(get("/one")).status(), 200);
    link("v2", &doxy.path("next"));
    fs::rename(doxy.path("next"), doxy.path("data")).unwrap();
    // The sandbox lets doxy read the folder that it knew: the new one is told as an error.
    doxy.logged("reloaded");
    fs::write(
        doxy.path("doxy.toml"),
        toml.replace("data/rules", "v1/rules"),
    )
    .unwrap();
    doxy.logged("reloaded: 1 rule from v1/rules");
    doxy.stop();
}

/// What systemd is told, in order; and that it is alive.
#[test]
fn the_service_manager_is_told() {
    let fake = Fake::start();
    let setup = Setup::new().engine(fake.path());
    let manager = UnixDatagram::bind(setup.path("manager")).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let doxy = setup
        .env("NOTIFY_SOCKET", "manager")
        .env("WATCHDOG_USEC", "200000")
        .start();
    let hear = || {
        let mut message = [0; 1024];
        let read = manager.recv(&mut message).unwrap();
        String::from_utf8(message[..read].to_vec()).unwrap()
    };
    let next = |expected: &str| loop {
        let heard = hear();
        if heard != "WATCHDOG=1" {
            assert!(
                heard.starts_with(expected),
                "{heard:?} instead of {expected:?}"
            );
            return heard;
        }
    };
    let ready = next("READY=1\nSTATUS=serving ");
    assert!(ready.contains("doxy.sock"), "{ready}");
    assert!(UnixStream::connect(doxy.socket()).is_ok());
    while hear() != "WATCHDOG=1" {}
    doxy.process.signal(Signal::HUP);
    let reloading = next("RELOADING=1\nMONOTONIC_USEC=");
    let micros = reloading.split(['=', '\n']).nth(3).unwrap();
    assert!(micros.parse::<u64>().unwrap() > 0, "{reloading}");
    next("READY=1\n");
    doxy.process.signal(Signal::TERM);
    next("STOPPING=1");
}

#[test]
fn a_dry_run_is_told_at_the_start_and_ends_by_itself() {
    let fake = Fake::start();
    let toml = r#"
        [socket.a]
        proxy-socket = "a.sock"
        patterns = "/one"
        dry-run = true
        [socket.b]
        proxy-socket = "b.sock"
        patterns = "/one"
        dry-run = "1ms"
        [socket.c]
        proxy-socket = "c.sock"
        patterns = "/one"
        dry-run = "36h""#;
    let doxy = with(&fake, toml, &[]).start();
    doxy.logged("dry run on a: ");
    doxy.logged("forwarded, for 1day 12h from its start");
    assert_eq!(at(&doxy, "a.sock").ask(get("/two")).status(), 200);
    doxy.logged("would_deny GET /two");
    wait::until("the end of the dry run", || {
        (at(&doxy, "b.sock").ask(get("/two")).status() == 403).then_some(())
    });
    // A reload does not begin it anew.
    reload(&doxy, &toml.replace("\"/one\"", "\"/two\""), "reloaded");
    assert_eq!(at(&doxy, "b.sock").ask(get("/one")).status(), 403);
    fs::write(doxy.path("doxy.toml"), toml.replace("dry-run = true", "")).unwrap();
    doxy.process.signal(Signal::HUP);
    wait::until("the end of the other dry run", || {
        (at(&doxy, "a.sock").ask(get("/three")).status() == 403).then_some(())
    });
    doxy.stop();
}

/// Nobody reads what the service manager is told: doxy serves all the same.
#[test]
fn a_service_manager_that_does_not_read_is_not_waited_for() {
    let fake = Fake::start();
    let setup = Setup::new().engine(fake.path());
    let manager = UnixDatagram::bind(setup.path("manager")).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(b"full", setup.path("manager")).is_ok() {}
    let doxy = setup.env("NOTIFY_SOCKET", "manager").start();
    assert_eq!(doxy.ask(get("/info")).status(), 200);
    doxy.stop();
    drop(manager);
}

#[test]
fn an_access_log_that_nobody_names_any_more_is_closed() {
    let fake = Fake::start();
    let toml = |log: &str| {
        format!("[socket.a]\nproxy-socket = \"a.sock\"\npatterns = \"/a\"\naccess-log = \"{log}\"")
    };
    let doxy = with(&fake, &toml("one"), &[]).start();
    assert_eq!(at(&doxy, "a.sock").ask(get("/a")).status(), 200);
    reload(&doxy, &toml("two"), "access-log changed");
    let open = |name: &str| {
        let path = doxy.path(name);
        doxy.process.descriptors().contains(&path)
    };
    wait::until("the old log is closed", || (!open("one")).then_some(()));
    assert!(open("two"));
    assert_eq!(at(&doxy, "a.sock").ask(get("/a")).status(), 200);
    doxy.stop();
}

/// systemd makes `/run/doxy` anew at each boot. The folder of each socket in there is doxy's to make, and no
/// other folder anywhere.
#[test]
fn the_folder_of_a_socket_is_made_right_below_the_runtime_directory() {
    let fake = Fake::start();
    for (socket, runtime, made) in [
        ("run/a/docker.sock", "/elsewhere:run", true),
        ("run/docker.sock", "run", true),
        ("run/a/b/docker.sock", "run", false),
        ("a/docker.sock", "run", false),
        ("run/a/docker.sock", "", false),
        ("run/a/docker.sock", "gone", false),
        ("gone/a/docker.sock", "gone", false),
        ("run/a/docker.sock", "open", false),
        ("open/a/docker.sock", "open", false),
    ] {
        let setup = Setup::new().engine(fake.path());
        fs::create_dir(setup.path("run")).unwrap();
        fs::create_dir(setup.path("open")).unwrap();
        fs::set_permissions(setup.path("open"), Permissions::from_mode(0o777)).unwrap();
        let path = |name: &str| setup.path(name).display().to_string();
        let listed = runtime.split(':').filter(|name| !name.is_empty());
        let listed: Vec<_> = listed.map(path).collect();
        let toml = format!(
            "[socket.a]\nproxy-socket = \"{}\"\npatterns = \"/info\"",
            path(socket)
        );
        let mut setup = setup
            .config(&toml)
            .env("RUNTIME_DIRECTORY", &listed.join(":"));
        if !made {
            let ended = setup.run();
            assert_eq!(ended.code, Some(2), "{socket} in {runtime}: {ended}");
            assert!(ended.stderr.contains("create the folder first"), "{ended}");
            continue;
        }
        let doxy = setup.start();
        assert_eq!(at(&doxy, socket).ask(get("/info")).status(), 200);
        let folder = doxy.path(socket).parent().unwrap().to_owned();
        let mode = fs::metadata(folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{socket}");
        doxy.stop();
    }
}
