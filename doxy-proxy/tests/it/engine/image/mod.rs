//! The image: built by the `Dockerfile` from a static binary, run as its manual says, and used by the
//! docker CLI in another container.
//!
//! The engine gets everything through its API, so that it may have other files than this machine. Only its
//! own socket is mounted.

mod faults;
mod tecnativa;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::health;
use super::real::{self, Engine, Made};
use super::{docker, docker_command, docker_ok, named_path, run, unique};
use crate::support::files::short_folder;
use crate::support::needs::missing;
use crate::support::process::Ended;
use crate::support::{Need, needs};

const DOCKERFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Dockerfile");
/// What the image may be in size, as `docker image inspect` counts it: 8 MiB.
const MOST: u64 = 8 * 1024 * 1024;
/// The user that it becomes.
const USER: &str = "65532";
/// Where its clients look for its socket.
const HOST: &str = "DOCKER_HOST=unix:///run/doxy/doxy.sock";

/// The images that the Dockerfile makes, and the stage that the classic builder leaves.
struct Images {
    doxy: Made,
    tecnativa: Made,
    _stage: Made,
    /// With a shell.
    busybox: Made,
    /// Of the binary in it.
    bytes: u64,
}

/// The binary that the image is made of.
#[track_caller]
fn binary() -> Option<PathBuf> {
    let found = named_path("DOXY_TEST_STATIC");
    if found.is_none() {
        missing("it needs DOXY_TEST_STATIC=FILE, a static doxy (`deploy/build-static.sh`)");
    }
    found
}

impl Images {
    /// Builds them by the classic builder, or by buildx with the plugins in this folder.
    #[track_caller]
    fn build(engine: &Engine, binary: &Path, plugins: Option<&Path>) -> Self {
        let busybox = engine.image();
        let folder = short_folder();
        let bytes = fs::copy(binary, folder.path().join("doxy")).expect("copy the binary");
        let build = |target: &str| {
            let image = engine.made(&["rmi", "-f"], format!("doxy-test/{target}:{}", unique()));
            let mut command = docker_command(&engine.socket);
            match plugins {
                Some(plugins) => {
                    let config = folder.path().join("config");
                    let _ = fs::create_dir(&config);
                    let _ = std::os::unix::fs::symlink(plugins, config.join("cli-plugins"));
                    command.env("DOCKER_CONFIG", config);
                    command.args(["buildx", "build", "--load"]);
                }
                None => {
                    command.env("DOCKER_BUILDKIT", "0").arg("build");
                }
            }
            // A private engine has no network.
            command.args([
                "--network",
                "none",
                "--target",
                target,
                "--file",
                DOCKERFILE,
            ]);
            let values = [
                format!("BUILD_IMAGE={}", busybox.name),
                "BINARY=doxy".to_owned(),
                "REVISION=0123abc".to_owned(),
                "CREATED=2026-01-02T03:04:05Z".to_owned(),
                "SOURCE=https://doxy.example".to_owned(),
            ];
            for value in &values {
                command.args(["--build-arg", value]);
            }
            let ended = run(command.args(["--tag", &image.name]).arg(folder.path()));
            assert!(ended.success(), "{command:?}: {ended}");
            image
        };
        let stage = build("build");
        Self {
            tecnativa: build("tecnativa"),
            doxy: build("doxy"),
            _stage: stage,
            busybox,
            bytes,
        }
    }
}

/// A value of an object of the engine.
#[track_caller]
fn inspect(engine: &Engine, name: &str, format: &str) -> String {
    docker_ok(&engine.socket, ["inspect", "--format", format, name])
}

/// What the docker CLI in a container of its own says, which has these options.
#[track_caller]
fn client(engine: &Engine, image: &Made, options: &[&str], args: &[&str]) -> Ended {
    let run = ["run", "--rm", "--label", "doxy.test=1"];
    docker(
        &engine.socket,
        [&run[..], options, &[&*image.name], args].concat(),
    )
}

/// A text after the process's numbers in its `status`.
fn status_of(process: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let words: Vec<_> = line.expect("a line").split_whitespace().collect();
    words.join(" ")
}

/// The process with these arguments.
#[track_caller]
fn process_of(args: &[&str]) -> u32 {
    let end = format!("/doxy\0{}\0", args.join("\0"));
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let found = entries.into_iter().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read_to_string(entry.path().join("cmdline")).ok()?;
        (line == end).then_some(pid)
    });
    found.unwrap_or_else(|| panic!("no process {args:?}"))
}

#[test]
fn what_the_image_says_of_itself() {
    let (Some(engine), Some(binary)) = (real::engine(), binary()) else {
        return;
    };
    let images = Images::build(&engine, &binary, None);
    let version = concat!("\"", env!("CARGO_PKG_VERSION"), "\"");
    says_of_itself(&engine, &images, version);
    // Only what is not the binary's, if that is the one for developers.
    let size: u64 = inspect(&engine, &images.doxy.name, "{{.Size}}")
        .parse()
        .expect("a number");
    let developers = binary.components().any(|part| part.as_os_str() == "debug");
    let most = if developers {
        images.bytes + 4096
    } else {
        MOST
    };
    assert!(size <= most, "the image has {size} bytes, more than {most}");
}

#[track_caller]
fn says_of_itself(engine: &Engine, images: &Images, version: &str) {
    let license = concat!("\"", env!("CARGO_PKG_LICENSE"), "\"");
    for image in [&images.doxy, &images.tecnativa] {
        let shown = |what: &str| inspect(engine, &image.name, &format!("{{{{json ({what})}}}}"));
        for (label, value) in [
            ("title", "\"doxy\""),
            ("version", version),
            ("revision", "\"0123abc\""),
            ("created", "\"2026-01-02T03:04:05Z\""),
            ("source", "\"https://doxy.example\""),
            ("licenses", license),
        ] {
            let label = format!("index .Config.Labels \"org.opencontainers.image.{label}\"");
            assert_eq!(shown(&label), value, "{label} of {}", image.name);
        }
        assert!(shown(".Config.Labels").contains("image.description"));
        assert_eq!(shown(".Config.Entrypoint"), r#"["/doxy"]"#);
        assert_eq!(
            shown(".Config.Healthcheck.Test"),
            r#"["CMD","/doxy","healthcheck"]"#
        );
        assert_eq!(shown(".Config.StopSignal"), "\"SIGTERM\"");
        assert_eq!(shown(".Config.User"), "\"\"");
    }
}

#[test]
fn it_serves_a_client_in_another_container_by_a_volume() {
    let (Some(engine), Some(binary)) = (real::engine(), binary()) else {
        return;
    };
    if !needs(Need::Root) || !needs(Need::Tool("ldd")) {
        return;
    }
    let images = Images::build(&engine, &binary, None);
    let cli = engine.cli_image();
    let socket = format!("{}:/var/run/docker.sock", engine.socket.display());
    let group = fs::metadata(&engine.socket)
        .expect("a socket")
        .gid()
        .to_string();
    let own = format!("{USER}:{USER}");
    let hardened = [
        "--user",
        &*own,
        "--group-add",
        &group,
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
    ];
    for (index, options) in [&[][..], &hardened].into_iter().enumerate() {
        let volume = engine.volume();
        let volume = format!("{}:/run/doxy", volume.name);
        let common = [
            "--read-only",
            "-v",
            &socket,
            "-v",
            &volume,
            "--health-interval",
            "200ms",
        ];
        // A number that no other process has among its arguments.
        let grace = format!("{}{}s", std::process::id(), index);
        let args = ["--shutdown-grace", &*grace];
        let doxy = engine.running(&images.doxy, &[&common[..], options].concat(), &args);
        health::is(&engine, &doxy, "healthy");
        let process = process_of(&args);
        assert_eq!(
            status_of(process, "Uid"),
            [USER; 4].join(" "),
            "{options:?}"
        );
        assert_eq!(
            status_of(process, "Gid"),
            [USER; 4].join(" "),
            "{options:?}"
        );
        // Docker adds the user's own to those that are asked for.
        let groups = status_of(process, "Groups");
        let others: Vec<_> = groups.split(' ').filter(|it| *it != USER).collect();
        assert_eq!(others, [&*group], "{options:?}");
        assert_eq!(
            status_of(process, "CapEff"),
            "0000000000000000",
            "{options:?}"
        );

        // Neither root nor doxy's user.
        let mounted = format!("{volume}:ro");
        let at = [
            "--network",
            "none",
            "--user",
            "1000:1000",
            "-v",
            &*mounted,
            "-e",
            HOST,
        ];
        let listed = client(&engine, &cli, &at, &["ps", "--format", "{{.Names}}"]);
        assert!(
            listed.stdout.lines().any(|name| name == doxy.name),
            "{options:?}: {listed}"
        );
        let denied = client(&engine, &cli, &at, &["export", &doxy.name]);
        let words = format!("containers/{}/export' is not allowed.", doxy.name);
        assert!(denied.stderr.contains(&words), "{options:?}: {denied}");

        docker_ok(&engine.socket, ["stop", &doxy.name]);
        assert_eq!(inspect(&engine, &doxy.name, "{{.State.ExitCode}}"), "0");
    }
}

/// By buildx, as most do.
#[test]
#[ignore = "needs buildx, and an engine with networks"]
fn it_serves_a_client_in_an_internal_network() {
    let (Some(engine), Some(binary)) = (real::engine(), binary()) else {
        return;
    };
    let Some(plugins) = named_path("DOXY_TEST_PLUGINS").filter(|_| !engine.private) else {
        missing("it needs DOXY_TEST_PLUGINS with buildx, and an engine with networks");
        return;
    };
    let images = Images::build(&engine, &binary, Some(&plugins));
    says_of_itself(
        &engine,
        &images,
        concat!("\"", env!("CARGO_PKG_VERSION"), "\""),
    );
    let cli = engine.cli_image();
    let network = engine.made(&["network", "rm"], unique());
    docker_ok(
        &engine.socket,
        ["network", "create", "--internal", &network.name],
    );
    let subnet = inspect(&engine, &network.name, "{{(index .IPAM.Config 0).Subnet}}");
    let socket = format!("{}:/var/run/docker.sock", engine.socket.display());
    let allowed = format!("DOXY_ALLOW_FROM={subnet}");
    let options = [
        "--read-only",
        "--health-interval",
        "200ms",
        "-v",
        &socket,
        "-e",
        &allowed,
        "-e",
        "DOXY_PROXY_SOCKET=tcp://0.0.0.0:2375",
    ];
    let doxy = engine.running_in(&network.name, &images.doxy, &options, &[]);
    health::is(&engine, &doxy, "healthy");
    let host = format!("DOCKER_HOST=tcp://{}:2375", doxy.name);
    let at = ["--network", &*network.name, "-e", &host];
    let listed = client(&engine, &cli, &at, &["ps", "--format", "{{.Names}}"]);
    assert!(
        listed.stdout.lines().any(|name| name == doxy.name),
        "{listed}"
    );
    let denied = client(&engine, &cli, &at, &["export", &doxy.name]);
    assert!(
        denied.stderr.contains("export' is not allowed."),
        "{denied}"
    );
}
