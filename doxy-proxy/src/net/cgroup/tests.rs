//! Files as kernels of all kinds write them, and names that somebody has made.

use super::Cgroups;

const ID: &str = "4f5a0c1d2e3b4a59687766554433221100ffeeddccbbaa998877665544332211";
const OTHER: &str = "aa00bb11cc22dd33ee44ff5566778899aa00bb11cc22dd33ee44ff5566778899";

/// `#` is for the id, `@` for another one.
fn cgroups(text: &str) -> Result<Cgroups, String> {
    let text = text.replace('#', ID).replace('@', OTHER);
    Cgroups::parse(&text).ok_or(text)
}

/// Recorded: version 1 with docker's own driver, from a machine of two hierarchies of version 1 and
/// one of version 2; then the others, and each with what a process of the container may be in.
const RECORDED: [(&str, &str); 9] = [
    (
        "12:pids:/docker/#\n11:cpu,cpuacct:/docker/#\n1:name=systemd:/docker/#\n0::/docker/#\n",
        "12:pids:/docker/#\n11:cpu,cpuacct:/docker/#/x\n1:name=systemd:/docker/#\n0::/docker/#\n",
    ),
    // Version 1 without version 2.
    (
        "4:memory:/docker/#\n1:name=systemd:/docker/#\n",
        "4:memory:/docker/#\n1:name=systemd:/docker/#\n",
    ),
    // Hybrid, where one hierarchy says nothing.
    (
        "4:memory:/docker/#\n1:misc:/\n0::/docker/#\n",
        "4:memory:/docker/#\n1:misc:/\n0::/docker/#/sub\n",
    ),
    // Version 2, docker's own driver and systemd's.
    ("0::/docker/#\n", "0::/docker/#\n"),
    (
        "0::/system.slice/docker-#.scope\n",
        "0::/system.slice/docker-#.scope/init\n",
    ),
    // Rootless.
    (
        "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-#.scope\n",
        "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-#.scope\n",
    ),
    // Podman.
    (
        "0::/machine.slice/libpod-#.scope/container\n",
        "0::/machine.slice/libpod-#.scope/container\n",
    ),
    // From a private cgroup namespace.
    ("0::/../#\n", "0::/../#\n"),
    // A container in a container.
    ("0::/docker/#\n", "0::/docker/#/docker/@\n"),
];

#[test]
fn a_process_of_a_container_is_in_it() -> Result<(), String> {
    for (container, peer) in RECORDED {
        let (container, peer) = (cgroups(container)?, cgroups(peer)?);
        assert_eq!(peer.ids().first(), Some(&ID), "{peer:?}");
        assert!(container.hold(&container, ID), "{container:?}");
        assert!(container.hold(&peer, ID), "{peer:?}");
        // Of no other container.
        assert!(!container.hold(&peer, OTHER), "{peer:?}");
    }
    Ok(())
}

#[test]
fn a_name_proves_nothing() -> Result<(), String> {
    for (container, peer) in [
        // Made elsewhere, by somebody who may make cgroups there.
        ("0::/docker/#\n", "0::/made/#\n"),
        ("0::/docker/#\n", "0::/#\n"),
        (
            "0::/docker/#\n",
            "0::/user.slice/user-1000.slice/user@1000.service/docker/#\n",
        ),
        ("0::/docker/#\n", "0::/docker/../docker/#\n"),
        ("0::/system.slice/docker-#.scope\n", "0::/docker/#\n"),
        (
            "0::/system.slice/docker-#.scope\n",
            "0::/system.slice/docker-#.scope2\n",
        ),
        // What watches a container of Podman is not in it.
        (
            "0::/machine.slice/libpod-#.scope\n",
            "0::/machine.slice/libpod-conmon-#.scope\n",
        ),
        // In some hierarchies only.
        (
            "4:memory:/docker/#\n0::/docker/#\n",
            "4:memory:/docker/#\n0::/user.slice\n",
        ),
        (
            "4:memory:/docker/#\n0::/docker/#\n",
            "4:memory:/\n0::/docker/#\n",
        ),
        (
            "4:memory:/docker/#\n0::/docker/#\n",
            "4:memory:/docker/#\n0::/made/#\n",
        ),
        ("4:memory:/docker/#\n0::/docker/#\n", "4:memory:/docker/#\n"),
        (
            "4:memory:/docker/#\n0::/\n",
            "4:memory:/docker/#\n0::/made/#\n",
        ),
        ("4:memory:/docker/#\n", "5:memory:/docker/#\n"),
        // Twice in one hierarchy.
        ("0::/docker/#\n", "0::/docker/#\n0::/made/#\n"),
        // Above the container.
        ("0::/docker/#/init\n", "0::/docker/#\n"),
        // The container's own process has moved to where others are too.
        ("0::/\n", "0::/made/#\n"),
        ("0::/docker\n", "0::/docker/#\n"),
        ("0::/docker/@\n", "0::/docker/@/#\n"),
        // Removed meanwhile.
        ("0::/docker/#\n", "0::/docker/# (deleted)\n"),
        // Outside of all.
        ("0::/docker/#\n", "0::/user.slice\n"),
        ("0::/user.slice\n", "0::/user.slice\n"),
        ("", ""),
    ] {
        let (container, peer) = (cgroups(container)?, cgroups(peer)?);
        assert!(!container.hold(&peer, ID), "{container:?} {peer:?}");
    }
    Ok(())
}

#[test]
fn which_ids_to_ask_about() -> Result<(), String> {
    for (text, expected) in [
        ("0::/docker/#\n", &[ID][..]),
        // The outermost first.
        ("0::/docker/#/docker/@\n", &[ID, OTHER]),
        ("4:memory:/docker/#/docker/@\n0::/docker/#\n", &[ID, OTHER]),
        ("0::/../#\n", &[ID]),
        ("4:memory:/\n0::/docker/#\n", &[ID]),
        // They disagree.
        ("4:memory:/docker/#\n0::/docker/@\n", &[]),
        ("4:memory:/docker/#/@\n0::/docker/#/#\n", &[ID]),
        // No id.
        ("0::/\n", &[]),
        ("0::/docker/#0\n", &[]),
        ("0::/docker/x#\n", &[]),
        ("0::/docker/abc\n", &[]),
        ("", &[]),
    ] {
        assert_eq!(cgroups(text)?.ids(), expected, "{text}");
    }
    let upper = format!("0::/docker/{}\n", ID.to_uppercase());
    assert_eq!(cgroups(&upper)?.ids(), [""; 0]);
    let many = format!("0::{}\n", format!("/{ID}").repeat(9));
    assert_eq!(cgroups(&many)?.ids().len(), super::MAX_IDS);
    Ok(())
}

#[test]
fn other_files_are_not_read() {
    for text in ["x", "0:/docker", "0::docker", "0::/a\n\n", "\n"] {
        assert_eq!(Cgroups::parse(text), None, "{text:?}");
    }
    // A path may have colons in it.
    let path = Cgroups::parse("0::/a:b:/c\n");
    assert!(path.is_some_and(|it| it.path("0:") == Some("/a:b:/c")));
}
