//! What every recipe has to be, whatever its tool: doxy alone has the engine's socket, and each socket of
//! doxy's is for one tool.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::folder;
use super::table::RECIPES;

/// What a recipe, as Compose has understood it, does not keep.
pub(super) fn broken_by(recipe: &Value) -> Vec<String> {
    let mut broken = vec![];
    let mut must = |holds: bool, what: String| {
        if !holds {
            broken.push(what);
        }
    };
    let services = recipe["services"].as_object().expect("services");
    // Of each volume that doxy makes sockets in, who else has it.
    let mut sockets = BTreeMap::new();
    for mount in mounts(&services["doxy"]) {
        if mount["type"] == "volume" && is_socket(mount) {
            sockets.insert(mount["source"].to_string(), BTreeSet::new());
        }
    }
    for (name, service) in services {
        let logs = &service["logging"]["options"]["max-size"];
        must(logs.is_string(), format!("{name}: logs without max-size"));
        must(
            service["container_name"].is_null(),
            format!("{name}: a fixed name"),
        );
        must(
            service["restart"] == "unless-stopped",
            format!("{name}: it does not come back"),
        );
        if name == "doxy" {
            must(
                service["read_only"] == true,
                "doxy: it can write to its root".to_owned(),
            );
            must(
                sockets.is_empty() != (service["network_mode"] == "none"),
                "doxy: it has a network for nothing, or none".to_owned(),
            );
            continue;
        }
        let waits = &service["depends_on"]["doxy"]["condition"];
        must(
            waits == "service_healthy",
            format!("{name}: it does not wait for doxy"),
        );
        for mount in mounts(service) {
            let source = mount["source"].to_string();
            must(
                !source.contains("docker.sock"),
                format!("{name}: it has the engine's socket"),
            );
            if let Some(others) = sockets.get_mut(&source) {
                others.insert(name);
                must(
                    mount["read_only"] == true,
                    format!("{name}: it can replace doxy's socket"),
                );
            }
        }
    }
    for (volume, others) in sockets {
        must(others.len() == 1, format!("{volume}: it is {others:?}'s"));
    }
    broken
}

fn mounts(service: &Value) -> impl Iterator<Item = &Value> {
    service["volumes"].as_array().into_iter().flatten()
}

/// Whether doxy makes sockets in this mount.
fn is_socket(mount: &Value) -> bool {
    mount["target"]
        .as_str()
        .is_some_and(|it| it.starts_with("/run/doxy"))
}

/// What stands in the folder is what the tests bring up.
#[test]
fn every_recipe_is_brought_up_by_a_test() {
    let files = fs::read_dir(folder()).expect("the folder of recipes");
    let files = files.map(|file| file.expect("a file").file_name());
    let files = files.map(|name| name.into_string().expect("UTF-8"));
    let tested = RECIPES
        .iter()
        .flat_map(|recipe| [&[recipe.file], recipe.beside].concat());
    let tested: BTreeSet<_> = tested.map(str::to_owned).collect();
    assert_eq!(files.collect::<BTreeSet<_>>(), tested);
}

/// Each file says how it is used, and what its user has to do before.
#[test]
fn every_recipe_says_how_it_is_used() {
    for recipe in RECIPES {
        let file = recipe.file;
        let text = fs::read_to_string(folder().join(file)).expect("a recipe");
        let must_have = |words: &str| assert!(text.contains(words), "{file}: {words}");
        must_have(&format!("docker compose -f {file} up -d"));
        must_have(concat!("    image: doxy:", env!("CARGO_PKG_VERSION"), "\n"));
        for preset in recipe.printed {
            must_have(&format!("presets show {preset} > {preset}.rhai\n"));
        }
        for (variable, _) in recipe.variables {
            must_have(&format!("${{{variable}:?"));
        }
    }
}

/// Who looks for a tool finds its file: in the README's table, and on the page of all files.
#[test]
fn the_readme_and_the_manual_lead_to_every_recipe() {
    let root = folder().join("../..");
    let page = |name: &str| fs::read_to_string(root.join(name)).expect("a page");
    let (readme, manual) = (page("README.md"), page("docs/compose.md"));
    let (_, table) = readme.split_once("| your tool |").expect("the table");
    let table = table.split("\n\n").next().expect("its rows");
    for recipe in RECIPES {
        let link = format!("deploy/compose/{})", recipe.file);
        assert!(table.contains(&link), "README.md: {link}");
        assert!(manual.contains(&link), "docs/compose.md: {link}");
    }
}
