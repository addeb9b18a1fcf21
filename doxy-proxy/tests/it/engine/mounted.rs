//! The folder of doxy's socket, mounted into a container as the manual says: a client there connects, and
//! cannot put a socket of its own in doxy's place.

use std::path::Path;

use super::real;
use super::shared_host::pid_of;
use super::{docker, doxy};
use crate::support::Client;

#[test]
fn a_folder_that_is_mounted_for_reading_serves_clients_and_keeps_the_socket() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let doxy = doxy(&engine.socket, "/_ping", &[]);
    let socket = doxy.socket();
    let folder = socket.parent().expect("a folder").display().to_string();
    let name = socket.file_name().expect("a name");
    let name = name.to_str().expect("UTF-8");
    let marks = [90_000_000, 95_000_000].map(|base| (base + std::process::id()).to_string());
    for ((options, replaced), mark) in [(":ro", false), ("", true)].into_iter().zip(&marks) {
        let mount = format!("{folder}:/doxy{options}");
        let client = engine.running(&image, &["-v", &mount], &["sleep", mark]);
        // The client's side of the mount, through its process on this machine.
        let inside = format!("/proc/{}/root/doxy/{name}", pid_of(mark));
        let inside = Path::new(&inside);
        let mut connected = Client::connect(inside);
        let reply = connected.ask("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n");
        assert_eq!(reply.status(), 200, "{mount}");
        // As root in the container. Without `:ro` it works, so the test can fail.
        let [from, to] = ["", ".old"].map(|end| format!("/doxy/{name}{end}"));
        let rename = ["exec", &*client.name, "busybox", "mv", &*from, &*to];
        let ended = docker(&engine.socket, rename);
        assert_eq!(ended.success(), replaced, "{mount}: {ended}");
        assert_eq!(socket.exists(), !replaced, "{mount}");
    }
}
