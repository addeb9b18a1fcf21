//! A policy that Kubernetes brings as a ConfigMap: the files are links through `..data`, which kubelet leads
//! to a new folder when the map has changed. There is no API server here; this does what kubelet does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{at, get};
use crate::support::{Fake, Setup};

/// The policy that `deploy/kubernetes` brings.
const TOML: &str = include_str!("../../../../deploy/kubernetes/policy/doxy.toml");
const RULES: &str = include_str!("../../../../deploy/kubernetes/policy/local.pattern");

/// Writes the map's files into a folder of their own, then leads `..data` there in one step, and removes the
/// folder that was before.
fn update(map: &Path, version: &str, files: &[(&str, &str)]) {
    let folder = format!("..{version}");
    fs::create_dir(map.join(&folder)).unwrap();
    for (name, text) in files {
        fs::write(map.join(&folder).join(name), text).unwrap();
    }
    let before: Option<PathBuf> = fs::read_link(map.join("..data")).ok();
    symlink(&folder, map.join("..data_tmp")).unwrap();
    fs::rename(map.join("..data_tmp"), map.join("..data")).unwrap();
    match before {
        Some(before) => fs::remove_dir_all(map.join(before)).unwrap(),
        None => {
            for (name, _) in files {
                symlink(format!("..data/{name}"), map.join(name)).unwrap();
            }
        }
    }
}

#[test]
fn a_config_map_that_changes_is_in_force_and_one_with_an_error_is_not() {
    let fake = Fake::start();
    let setup = Setup::new()
        .engine(fake.path())
        .without("DOXY_PROXY_SOCKET");
    let map = setup.path("etc");
    fs::create_dir(&map).unwrap();
    fs::create_dir(setup.path("local")).unwrap();
    let toml = TOML.replace("/run/doxy", setup.path("").to_str().unwrap());
    assert_ne!(toml, TOML);
    let more = format!("{RULES}/info\n");
    let wrong = format!("{RULES}[\n");
    update(&map, "1", &[("doxy.toml", &toml), ("local.pattern", RULES)]);
    let doxy = setup
        .args(["--config", "etc/doxy.toml"])
        .env("DOXY_WATCH", "true")
        .start();
    let socket = "local/docker.sock";
    assert_eq!(at(&doxy, socket).ask(get("/_ping")).status(), 200);
    assert_eq!(at(&doxy, socket).ask(get("/info")).status(), 403);

    update(&map, "2", &[("doxy.toml", &toml), ("local.pattern", &more)]);
    doxy.logged("reloaded: 4 rules from ");
    assert_eq!(at(&doxy, socket).ask(get("/info")).status(), 200);

    update(
        &map,
        "3",
        &[("doxy.toml", &toml), ("local.pattern", &wrong)],
    );
    doxy.logged("not reloaded, the configuration in force stays: ");
    assert_eq!(at(&doxy, socket).ask(get("/info")).status(), 200);

    update(&map, "4", &[("doxy.toml", &toml), ("local.pattern", RULES)]);
    doxy.logged("reloaded: 3 rules from ");
    assert_eq!(at(&doxy, socket).ask(get("/info")).status(), 403);
    doxy.stop();
}
