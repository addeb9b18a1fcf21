//! Which container a client is in, with the engine's own containers: they are told apart on one
//! socket, and nothing else is taken for them.
//!
//! An engine may have a process namespace of its own, as the private one has. Doxy then runs in that,
//! as it would on the host of an engine that has none; and once more outside, where it must know nobody.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::real::{self, Made as Object};
use super::shared_host::pid_of;
use super::{docker_command, docker_ok, unique};
use crate::containers::cgroup::{Made, in_cgroups};
use crate::containers::{answered, call};
use crate::support::files::{chmod, short_folder};
use crate::support::needs::missing;
use crate::support::process::{Process, copy_binary, copy_program};
use crate::support::{Need, needs};

/// Says who asks.
const POLICY: &str = r#"fn decide(req) {
    let c = req.peer.container;
    if c == () { deny("in no container"); }
    deny(`${c.name} of ${c.image}, ${c.labels["doxy.test"]}, ${c.project}, ${c.service}`)
}"#;

/// The namespaces of the engine, by a process that is in them.
struct Namespaces {
    of: u32,
    /// Whether processes have the same numbers there.
    same: bool,
}

impl Namespaces {
    /// What keeps a container running is a child of the engine's, and the parent of this process.
    fn around(process: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
        let (_, behind) = stat.rsplit_once(')').expect("the end of a name");
        let parent = behind.split_whitespace().nth(1).expect("the parent");
        let namespace =
            |of: &str| fs::read_link(format!("/proc/{of}/ns/pid")).expect("a namespace");
        Self {
            of: parent.parse().expect("a number"),
            same: namespace(parent) == namespace("self"),
        }
    }

    /// This command there.
    fn inside(&self, words: &[String]) -> Vec<String> {
        let enter = format!("nsenter -t {} -p -m -n --", self.of);
        let enter = enter.split(' ').map(str::to_owned);
        enter.chain(words.iter().cloned()).collect()
    }
}

/// A doxy in this folder, with this configuration, as a user who may do nothing but that.
#[track_caller]
fn doxy(folder: &Path, name: &str, toml: &str, run: impl Fn(&[String]) -> Vec<String>) -> Process {
    let file = folder.join(name);
    fs::write(&file, toml).expect("write a file");
    // For the same reason as the client.
    let binary = folder.join("bin");
    if !binary.exists() {
        copy_binary(folder);
    }
    let words = [
        binary.to_str().expect("UTF-8"),
        "--config",
        file.to_str().expect("UTF-8"),
        "--sandbox",
        "require",
        "--user",
        "65534",
        "--group",
        "root",
    ];
    let words = run(&words.map(str::to_owned));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("DOXY_") {
            command.env_remove(variable);
        }
    }
    let process = Process::spawn_group(&mut command);
    process.logged(" listening on ");
    process
}

/// A copy of this program, the client. Where the engine has mounts of its own, this project's folder
/// need not be among them.
fn client(folder: &Path) -> PathBuf {
    let copy = folder.join("client");
    copy_program(&std::env::current_exe().expect("this program"), &copy);
    copy
}

/// What a client in a container is answered. The machine's files are below `/host` there.
#[track_caller]
fn from(engine: &real::Engine, container: &Object, client: &Path, socket: &Path) -> (u16, String) {
    let mut command = docker_command(&engine.socket);
    command.args(["exec", &container.name, "busybox", "chroot", "/host"]);
    answered(command.args(call(client, socket)))
}

#[test]
fn containers_are_told_apart_on_one_socket_and_nothing_else_is_taken_for_one() {
    let Some(engine) = real::engine() else { return };
    if !needs(Need::Root) || !needs(Need::Tool("nsenter")) {
        return;
    }
    if engine.private {
        // Doxy's user has to reach the socket, whose mode and group are the engine's.
        chmod(engine.socket.parent().expect("a folder"), 0o711);
    }
    let image = engine.image();
    let marks = [70_000_000, 75_000_000].map(|base| (base + std::process::id()).to_string());
    let [web, db] = ["web", "db"].map(|name| {
        let mark = &marks[usize::from(name == "db")];
        let service = format!("com.docker.compose.service={name}");
        let labels = [
            "--label",
            "com.docker.compose.project=shop",
            "--label",
            &service,
        ];
        let options = [&["-v", "/:/host:ro"], &labels[..]].concat();
        engine.running(&image, &options, &["sleep", mark])
    });
    let namespaces = Namespaces::around(pid_of(&marks[0]));

    let folder = short_folder();
    let client = client(folder.path());
    let path = |name: &str| folder.path().join(name);
    fs::write(path("policy.rhai"), POLICY).expect("write a file");
    let toml = |prefix: &str| {
        format!(
            r#"docker-socket = "{}"
socket-mode = "0666"
[socket.web]
proxy-socket = "{prefix}web.sock"
allow-container = "{}"
patterns = "/info"
[socket.db]
proxy-socket = "{prefix}db.sock"
allow-container = "label:com.docker.compose.service=db"
patterns = "/info"
[socket.any]
proxy-socket = "{prefix}any.sock"
script = "policy.rhai"
"#,
            engine.socket.display(),
            web.name
        )
    };
    let _near = doxy(folder.path(), "near.toml", &toml(""), |words| {
        namespaces.inside(words)
    });

    // From within containers: each is itself, on every socket.
    let not_allowed = |container: &Object| {
        let message = format!("container {} may not use this socket", container.name);
        (403, message)
    };
    let known = |container: &Object, service: &str| {
        let Object { name, .. } = container;
        (403, format!("{name} of {}, 1, shop, {service}", image.name))
    };
    for (container, socket, expected) in [
        (&web, "web.sock", (200, String::new())),
        (&db, "web.sock", not_allowed(&db)),
        (&db, "db.sock", (200, String::new())),
        (&web, "db.sock", not_allowed(&web)),
        (&web, "any.sock", known(&web, "web")),
        (&db, "any.sock", known(&db, "db")),
    ] {
        let got = from(&engine, container, &client, &path(socket));
        assert_eq!(got, expected, "{} {socket}", container.name);
    }

    // From outside, as processes that doxy sees: in no cgroup of theirs, and in made ones.
    let only =
        "only certain containers may use this socket, and it is not known which one this is: ";
    let outside = |cgroups: &[_], socket| {
        let words = namespaces.inside(&call(&client, &path(socket)));
        answered(&mut in_cgroups(cgroups, &words))
    };
    let none = format!("{only}its process is in no container of this engine");
    assert_eq!(outside(&[], "web.sock"), (403, none));
    assert_eq!(
        outside(&[], "any.sock"),
        (403, "in no container".to_owned())
    );
    let inspect = ["inspect", "-f", "{{.Id}}", &web.name];
    let id = docker_ok(&engine.socket, inspect);
    if let Some(made) = Made::new("named") {
        for named in [id.clone(), format!("docker-{id}.scope")] {
            let cgroups = made.below(&named);
            let (status, message) = outside(&cgroups, "web.sock");
            assert_eq!(status, 403, "{named}");
            assert!(
                message.ends_with("is not that container's"),
                "{named}: {message}"
            );
            let answer = outside(&cgroups, "any.sock");
            assert_eq!(answer, (403, "in no container".to_owned()), "{named}");
        }
    } else {
        missing("it needs cgroups that it may write to");
    }

    if !namespaces.same {
        // Whom doxy does not see.
        let (status, message) = answered(&mut in_cgroups(&[], &call(&client, &path("web.sock"))));
        assert_eq!(status, 403);
        assert!(
            message.contains("doxy does not see its process"),
            "{message}"
        );
        // Where the engine's numbers are those of others, nobody is known, and nobody mistaken.
        let _far = doxy(folder.path(), "far.toml", &toml("far-"), <[String]>::to_vec);
        for container in [&web, &db] {
            let (status, message) = from(&engine, container, &client, &path("far-web.sock"));
            assert_eq!(status, 403);
            assert!(message.ends_with("is not that container's"), "{message}");
        }
    }
}

#[test]
#[ignore = "needs an engine with networks"]
fn over_tcp_a_container_is_known_by_an_address_that_nobody_shares() {
    let Some(engine) = real::engine() else { return };
    if !needs(Need::Root) || !needs(Need::Tool("nsenter")) {
        return;
    }
    if engine.private {
        missing("a private engine has no networks");
        return;
    }
    let (image, network, other) = (
        engine.image(),
        engine.network(&unique()),
        engine.network(&unique()),
    );
    let marks = [80_000_000, 85_000_000].map(|base| (base + std::process::id()).to_string());
    let [web, db] = [0, 1].map(|index| {
        let options = [
            "-v",
            "/:/host:ro",
            "--label",
            "com.docker.compose.service=s",
        ];
        engine.running_in(&network.name, &image, &options, &["sleep", &marks[index]])
    });
    // A second address, in a network of which the client's side is not used.
    docker_ok(
        &engine.socket,
        ["network", "connect", &other.name, &db.name],
    );
    let namespaces = Namespaces::around(pid_of(&marks[0]));
    let gateway = [
        "network",
        "inspect",
        "-f",
        "{{(index .IPAM.Config 0).Gateway}}",
        &network.name,
    ];
    let gateway = docker_ok(&engine.socket, gateway);

    let folder = short_folder();
    let client = client(folder.path());
    fs::write(folder.path().join("policy.rhai"), POLICY).expect("write a file");
    let socket = engine.socket.display();
    // Nobody else has anything at the address of a new network.
    let [only_web, any] = [2375, 2376].map(|port| format!("tcp://{gateway}:{port}"));
    let toml = format!(
        r#"docker-socket = "{socket}"
[socket.web]
proxy-socket = "{only_web}"
allow-container = "{}"
patterns = "/info"
[socket.any]
proxy-socket = "{any}"
insecure-tcp = true
accept-risk = ["host-root", "exec"]
script = "policy.rhai"
"#,
        web.name
    );
    let _near = doxy(folder.path(), "tcp.toml", &toml, |words| {
        namespaces.inside(words)
    });
    let (only_web, any) = (Path::new(&only_web), Path::new(&any));
    let known = |container: &Object| {
        let message = format!("{} of {}, 1, , s", container.name, image.name);
        (403, message)
    };
    assert_eq!(from(&engine, &web, &client, only_web), (200, String::new()));
    assert_eq!(from(&engine, &web, &client, any), known(&web));
    assert_eq!(from(&engine, &db, &client, any), known(&db));
    let message = format!("container {} may not use this socket", db.name);
    assert_eq!(from(&engine, &db, &client, only_web), (403, message));
    // The host, and what comes from a network of the host's: the gateway's address.
    let host = answered(&mut in_cgroups(
        &[],
        &namespaces.inside(&call(&client, only_web)),
    ));
    assert_eq!(host.0, 403);
    assert!(
        host.1.contains("no container has the address"),
        "{}",
        host.1
    );
    // One in the network of another: neither is known while both run.
    {
        let shared = format!("container:{}", web.name);
        let options = ["-v", "/:/host:ro"];
        let beside = engine.running_in(&shared, &image, &options, &["sleep", "86400"]);
        for container in [&web, &beside] {
            let (status, message) = from(&engine, container, &client, only_web);
            assert_eq!(status, 403);
            assert!(
                message.contains("several containers have the address"),
                "{message}"
            );
        }
        assert_eq!(from(&engine, &db, &client, any), known(&db));
    }
    assert_eq!(from(&engine, &web, &client, only_web), (200, String::new()));
}
