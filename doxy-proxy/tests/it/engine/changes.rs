//! A policy that changes what is created, and a real engine: what it makes is what the engine reads,
//! whatever the client asked for.

use super::policy::USER;
use super::{docker_ok, real, unique};
use crate::support::{Need, needs};

const POLICY: &str = r#"
    fn decide(req) {
        if req.method == "GET" || req.method == "HEAD" { return allow(); }
        if req.template == "/containers/create" {
            let body = req.json()
                .as_user(req.peer.uid, req.peer.gid)
                .with_label("owner", req.peer.uid.to_string())
                .with_read_only_root()
                .memory_at_most(64 * 1024 * 1024)
                .cpus_at_most(0.5)
                .pids_at_most(20)
                .on_network("none")
                .without_capabilities()
                .with_no_new_privileges()
                .with_bind("/etc/hostname:/from-host:ro")
                .with_device("/dev/null", "/dev/second", "r");
            return allow_with(body).with_query("name", prefixed(req.query.name, "ci-"));
        }
        if req.template == "/containers/{name:.*}/exec" {
            return allow_with(req.json().as_user(req.peer.uid, req.peer.gid).without_field("Privileged"));
        }
        allow()
    }
"#;

#[test]
fn a_container_is_what_the_policy_makes_of_it() {
    if !needs(Need::Root) {
        return;
    }
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let doxy = engine.judged_by(POLICY);
    let name = unique();
    let container = engine.made(&["rm", "-f"], format!("ci-{name}"));
    let asked = [
        "run",
        "-d",
        "--name",
        &name,
        "--user",
        "root",
        "--group-add",
        "0",
        "--privileged",
        "--memory",
        "1g",
        "--cpus",
        "4",
        "--pids-limit",
        "-1",
        "--network",
        "host",
        "--security-opt",
        "no-new-privileges=false",
        "--cap-add",
        "ALL",
        "--label",
        "owner=me",
        "--label",
        "doxy.test=1",
        &image.name,
        "sleep",
        "86400",
    ];
    doxy.user_ok(&asked);
    let inspect = |format: &str| {
        let args = ["inspect", "--format", format, &container.name];
        docker_ok(&engine.socket, args)
    };
    let user = format!("{USER}:{USER}");
    for (field, expected) in [
        (".Config.User", &*user),
        ("index .Config.Labels \"owner\"", &USER.to_string()),
        ("index .Config.Labels \"doxy.test\"", "1"),
        (".Config.Cmd", "[sleep 86400]"),
        (".HostConfig.GroupAdd", "[]"),
        (".HostConfig.Privileged", "false"),
        (".HostConfig.ReadonlyRootfs", "true"),
        (".HostConfig.Memory", "67108864"),
        (".HostConfig.MemorySwap", "67108864"),
        (".HostConfig.NanoCpus", "500000000"),
        (".HostConfig.PidsLimit", "20"),
        (".HostConfig.NetworkMode", "none"),
        (".HostConfig.CapAdd", "[]"),
        (".HostConfig.CapDrop", "[ALL]"),
        (".HostConfig.SecurityOpt", "[no-new-privileges]"),
        (".HostConfig.Binds", "[/etc/hostname:/from-host:ro]"),
        (".HostConfig.Devices", "[{/dev/null /dev/second r}]"),
    ] {
        assert_eq!(inspect(&format!("{{{{{field}}}}}")), expected, "{field}");
    }
    // The same for what is started in it.
    let id = [
        "exec",
        "--privileged",
        "--user",
        "0",
        &container.name,
        "busybox",
        "id",
    ];
    let id = doxy.user_ok(&id);
    assert!(id.starts_with(&format!("uid={USER} gid={USER}")), "{id}");
    let status = [
        "exec",
        "-u",
        "0",
        &container.name,
        "busybox",
        "grep",
        "CapEff",
        "/proc/self/status",
    ];
    assert_eq!(doxy.user_ok(&status), "CapEff:\t0000000000000000");
}
