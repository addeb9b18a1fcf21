//! Images of the machine's own programs, for engines that reach no registry: they must never need one, and
//! never take the name of an image that the engine has.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::real::{Engine, Made};
use super::{docker, docker_ok, named_path, run, unique};
use crate::support::files::{chmod, short_folder};
use crate::support::process::copy_binary;

/// The programs that jobs use inside a container.
const APPLETS: [&str; 18] = [
    "cat", "chmod", "cp", "echo", "head", "md5sum", "ping", "sed", "sh", "sleep", "stty", "tail",
    "test", "touch", "true", "wc", "wget", "yes",
];

/// The user that doxy becomes in its image.
const DOXY: u32 = 65532;

/// What doxy's image has besides the binary. It is checked more often here, because tests wait for it.
const OF_DOXY: [&str; 5] = [
    r#"ENTRYPOINT ["/doxy"]"#,
    "ENV DOXY_USER=doxy",
    "ENV DOXY_PROXY_SOCKET=/run/doxy/doxy.sock",
    "ENV DOXY_SOCKET_MODE=0666",
    r#"HEALTHCHECK --interval=500ms --timeout=10s --retries=240 CMD ["/doxy", "healthcheck"]"#,
];

/// Any tool: it takes as arguments whatever its own would be given, and waits.
const OF_TOOL: [&str; 1] = [r#"ENTRYPOINT ["/bin/sh", "-c", "exec sleep 86400", "tool"]"#];

impl Engine {
    /// A small image with a shell: from this machine's static busybox, otherwise from the registry.
    #[track_caller]
    pub(super) fn image(&self) -> Made {
        let name = format!("doxy-test/busybox:{}", unique());
        if !self.import_busybox(&name) {
            docker_ok(&self.socket, ["pull", "busybox:latest"]);
            docker_ok(&self.socket, ["tag", "busybox:latest", &name]);
        }
        self.made(&["rmi", "-f"], name)
    }

    /// Another name of an image.
    #[track_caller]
    pub(super) fn tag(&self, image: &Made) -> Made {
        let name = format!("doxy-test/tagged:{}", unique());
        docker_ok(&self.socket, ["tag", &*image.name, &*name]);
        self.made(&["rmi", "-f"], name)
    }

    /// The binary under test, in an image like doxy's own.
    #[track_caller]
    pub(super) fn doxy_image(&self) -> Made {
        let root = short_folder();
        let path = |name: &str| root.path().join(name);
        copy_binary(root.path());
        fs::rename(path("bin"), path("doxy")).expect("name the binary");
        copy_libraries(&path("doxy"), root.path());
        fs::create_dir_all(path("etc/doxy")).expect("make a folder");
        fs::create_dir_all(path("run/doxy")).expect("make a folder");
        chown(path("run/doxy"), Some(DOXY), Some(DOXY)).expect("give a folder away");
        let users = format!("root:x:0:0:root:/:\ndoxy:x:{DOXY}:{DOXY}:doxy:/:\n");
        fs::write(path("etc/passwd"), users).expect("write a file");
        fs::write(path("etc/group"), format!("root:x:0:\ndoxy:x:{DOXY}:\n")).expect("write a file");
        let name = format!("doxy-test/doxy:{}", unique());
        self.import(root.path(), &OF_DOXY, &name);
        self.made(&["rmi", "-f"], name)
    }

    /// An image in the place of any tool's, with curl.
    #[track_caller]
    pub(super) fn tool_image(&self) -> Made {
        let root = short_folder();
        let bin = root.path().join("bin");
        fs::create_dir(&bin).expect("make bin");
        for program in ["busybox", "curl"] {
            let found = on_path(program).unwrap_or_else(|| panic!("no {program}"));
            fs::copy(found, bin.join(program)).expect("copy a program");
            copy_libraries(&bin.join(program), root.path());
        }
        for applet in ["sh", "sleep"] {
            symlink("busybox", bin.join(applet)).expect("link an applet");
        }
        let name = format!("doxy-test/tool:{}", unique());
        self.import(root.path(), &OF_TOOL, &name);
        self.made(&["rmi", "-f"], name)
    }

    /// An image with the docker CLI.
    #[track_caller]
    pub(super) fn cli_image(&self) -> Made {
        let program = named_path("DOXY_TEST_DOCKER").or_else(|| on_path("docker"));
        let program = program.expect("the engine was found by it");
        let root = short_folder();
        let bin = root.path().join("bin");
        fs::create_dir(&bin).expect("make bin");
        fs::copy(&program, bin.join("docker")).expect("copy the program");
        copy_libraries(&program, root.path());
        let name = format!("doxy-test/cli:{}", unique());
        self.import(root.path(), &[r#"ENTRYPOINT ["/bin/docker"]"#], &name);
        self.made(&["rmi", "-f"], name)
    }

    /// Imports this machine's busybox. Returns false if there is none that runs without libraries.
    #[track_caller]
    fn import_busybox(&self, name: &str) -> bool {
        let Some(busybox) = on_path("busybox") else {
            return false;
        };
        let root = short_folder();
        let bin = root.path().join("bin");
        fs::create_dir(&bin).expect("make bin");
        fs::copy(busybox, bin.join("busybox")).expect("copy busybox");
        for applet in APPLETS {
            symlink("busybox", bin.join(applet)).expect("link an applet");
        }
        self.import(root.path(), &[], name);
        // A dynamically linked busybox finds no loader there.
        let tried = docker(
            &self.socket,
            ["run", "--rm", "--network", "none", name, "true"],
        );
        if !tried.success() {
            docker_ok(&self.socket, ["rmi", "-f", name]);
        }
        tried.success()
    }

    /// Makes an image of a folder's content, with these lines of a Dockerfile.
    #[track_caller]
    fn import(&self, root: &Path, lines: &[&str], name: &str) {
        let work = short_folder();
        let tar = work.path().join("image.tar");
        chmod(root, 0o755); // it becomes `/`
        let mut pack = Command::new("tar");
        pack.arg("-C").arg(root).arg("-cf").arg(&tar).arg(".");
        let packed = run(&mut pack);
        assert!(packed.success(), "tar: {packed}");
        let tar = tar.to_string_lossy();
        let lines = ["LABEL doxy.test=1"].iter().chain(lines);
        let lines = lines.flat_map(|line| ["--change", line]);
        let command = ["import"].into_iter().chain(lines).chain([&*tar, name]);
        docker_ok(&self.socket, command);
    }
}

/// Where a program is.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Copies what a program loads below `root`. A static one loads nothing.
#[track_caller]
fn copy_libraries(program: &Path, root: &Path) {
    let loads = run(Command::new("ldd").arg(program));
    let words = loads.stdout.split_whitespace();
    for library in words.filter(|word| word.starts_with('/') && !word.ends_with(':')) {
        let copy = root.join(&library[1..]);
        fs::create_dir_all(copy.parent().expect("a folder")).expect("make a folder");
        fs::copy(library, copy).expect("copy a library");
    }
}
