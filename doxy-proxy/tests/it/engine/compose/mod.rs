//! The recipes of `deploy/compose`, as they are shipped: Compose brings each up on a real engine, and its
//! tool gets what it needs through doxy, and nothing else.
//!
//! The files stay as they are. A second file, which Compose lays over the first, gives the names of images
//! that stand in for those which no machine without a registry has, and takes the ports away.
//!
//! - `table`: the recipes, and what each tool asks.
//! - `rules`: what every recipe has to be, whatever its tool.

mod rules;
mod table;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use self::table::{RECIPES, Recipe, Tool};
use super::{docker_command, docker_ok, link_plugins, real, run, unique};
use crate::support::files::{chmod, short_folder};
use crate::support::needs::missing;
use crate::support::process::Ended;

/// The folder of the recipes.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/compose")
}

/// A recipe that is up, or on its way. When this is dropped, nothing of it is left.
struct Project<'a> {
    recipe: &'a Recipe,
    engine: &'a Path,
    work: TempDir,
    name: String,
}

impl<'a> Project<'a> {
    /// A copy of the recipe in a folder of its own, with what it needs beside it.
    #[track_caller]
    fn new(recipe: &'a Recipe, engine: &'a Path) -> Self {
        let work = short_folder();
        chmod(work.path(), 0o755); // doxy's user reads policies in it
        link_plugins(&work.path().join("config"));
        for file in [&recipe.file].into_iter().chain(recipe.beside) {
            fs::copy(folder().join(file), work.path().join(file)).expect("copy a recipe");
        }
        for preset in recipe.printed {
            let printed =
                run(Command::new(env!("CARGO_BIN_EXE_doxy")).args(["presets", "show", preset]));
            assert!(printed.success(), "{preset}: {printed}");
            let file = work.path().join(format!("{preset}.rhai"));
            fs::write(file, printed.stdout).expect("write a file");
        }
        Self {
            recipe,
            engine,
            work,
            name: unique(),
        }
    }

    fn compose(&self, words: &[&str]) -> Ended {
        let mut command = docker_command(self.engine);
        command
            .current_dir(self.work.path())
            .env("DOCKER_CONFIG", self.work.path().join("config"))
            .env("DOCKER_SOCKET", self.engine)
            .envs(self.recipe.variables.iter().copied())
            .args(["compose", "-p", &*self.name, "-f", self.recipe.file]);
        if self.work.path().join("over.yml").exists() {
            command.args(["-f", "over.yml"]);
        }
        run(command.args(words))
    }

    /// The recipe as Compose has understood it.
    #[track_caller]
    fn understood(&self) -> Value {
        let ended = self.compose(&["config", "--format", "json"]);
        assert!(ended.success(), "{}: {ended}", self.recipe.file);
        serde_json::from_str(&ended.stdout).expect("JSON")
    }

    /// Lays stand-ins for the images over it, and takes the ports of this machine and the names away that
    /// others may have.
    fn stand_in(&self, understood: &Value, doxy: &str, tool: &str) {
        let mut over = String::from("services:\n");
        for (service, _) in understood["services"].as_object().expect("services") {
            let image = if service == "doxy" { doxy } else { tool };
            writeln!(
                over,
                "  {service}:\n    image: {image}\n    ports: !reset []"
            )
            .expect("text");
        }
        let networks = understood["networks"].as_object();
        for (place, (network, _)) in networks.into_iter().flatten().enumerate() {
            over += if place == 0 { "networks:\n" } else { "" };
            writeln!(over, "  {network}:\n    name: {}-{network}", self.name).expect("text");
        }
        fs::write(self.work.path().join("over.yml"), over).expect("write a file");
    }

    /// The containers by their services.
    #[track_caller]
    fn containers(&self) -> BTreeMap<String, String> {
        let project = format!("label=com.docker.compose.project={}", self.name);
        let format = "{{.Label \"com.docker.compose.service\"}} {{.ID}}";
        let words = [
            "ps",
            "-a",
            "--no-trunc",
            "--filter",
            &project,
            "--format",
            format,
        ];
        let list = docker_ok(self.engine, words);
        let pairs = list.lines().filter_map(|line| line.split_once(' '));
        pairs
            .map(|(service, id)| (service.to_owned(), id.to_owned()))
            .collect()
    }

    /// What a tool finds in its container as nobody, which many tools are there: the files that it is given,
    /// and the statuses of its requests. `other` is a container that is not its own.
    #[track_caller]
    fn ask(&self, tool: &Tool, files: &[&str], container: &str, other: &str) -> String {
        let mut script = String::new();
        for file in files {
            writeln!(script, "busybox cat {file}").expect("text");
        }
        for request in [tool.needs].into_iter().chain(tool.denied) {
            let request = request.replace("ID", other);
            let (method, path) = request.split_once(' ').expect("a method and a path");
            let mut curl = format!("curl -s -o /dev/null -w '%{{http_code}}\\n' -X {method}");
            if method == "POST" {
                curl += " -H 'Content-Type: application/json' -d '{}'";
            }
            match tool.setting.split_once("tcp://") {
                Some((_, address)) => writeln!(script, "{curl} 'http://{address}{path}'"),
                None => {
                    let at = tool.setting.find("/run/").expect("a socket");
                    let socket = &tool.setting[at..];
                    writeln!(script, "{curl} --unix-socket {socket} 'http://doxy{path}'")
                }
            }
            .expect("text");
        }
        let words = [
            "exec",
            "--user",
            "12345:12345",
            container,
            "sh",
            "-c",
            &script,
        ];
        docker_ok(self.engine, words)
    }

    /// What is wrong with a tool, when it is up.
    #[track_caller]
    fn faults_of(
        &self,
        tool: &Tool,
        understood: &Value,
        up: &BTreeMap<String, String>,
    ) -> Vec<String> {
        let (container, other) = (&up[tool.service], &up["doxy"]);
        let files = understood["services"][tool.service]["configs"].as_array();
        let files = files.into_iter().flatten();
        let files: Vec<_> = files.filter_map(|it| it["target"].as_str()).collect();
        let printed = self.ask(tool, &files, container, other);
        let lines: Vec<_> = printed.lines().collect();
        let (files, statuses) = lines.split_at(lines.len().saturating_sub(4));
        let mut faults = vec![];
        let expected = ["200", tool.status, tool.status, tool.status];
        if statuses != expected {
            faults.push(format!("{}: {statuses:?}, not {expected:?}", tool.service));
        }
        // It is told of the socket by its command, by a variable or in a file, or else by hand, as a comment says.
        let config = ["inspect", "-f", "{{json .Config}}", container];
        let config = docker_ok(self.engine, config);
        let own = folder().join(format!("{}.yml", tool.service));
        let text = fs::read_to_string(own).unwrap_or_default();
        let mut comments = text.lines().filter(|line| line.starts_with('#'));
        let told = config.contains(tool.setting)
            || files.join("\n").contains(tool.setting)
            || comments.any(|line| line.ends_with(tool.setting));
        if !told {
            faults.push(format!(
                "{}: nobody tells it {}",
                tool.service, tool.setting
            ));
        }
        faults
    }

    /// What is wrong with it, when it is up.
    #[track_caller]
    fn faults(&self, doxy: &str, tool: &str) -> Vec<String> {
        let understood = self.understood();
        let mut faults = rules::broken_by(&understood);
        self.stand_in(&understood, doxy, tool);
        let up = self.compose(&["up", "-d", "--pull", "never"]);
        if !up.success() {
            faults.push(format!("{up}\n{}", self.compose(&["logs", "doxy"])));
            return faults;
        }
        let containers = self.containers();
        for tool in self.recipe.tools {
            faults.extend(self.faults_of(tool, &understood, &containers));
        }
        faults
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        // It fails only with a recipe that Compose does not understand, and then there is nothing.
        let _ = self.compose(&["down", "--volumes", "--timeout", "0"]);
    }
}

/// Whether Compose is there.
fn has_compose() -> bool {
    let work = short_folder();
    link_plugins(work.path());
    let mut command: Command = docker_command(Path::new("/"));
    command.env("DOCKER_CONFIG", work.path());
    run(command.args(["compose", "version"])).success()
}

#[test]
#[ignore = "needs compose, and an engine with networks"]
fn every_recipe_gives_its_tool_what_it_needs_and_no_more() {
    let Some(engine) = real::engine() else { return };
    if engine.private {
        missing("a private engine has no networks");
        return;
    }
    if !has_compose() {
        missing("no compose");
        return;
    }
    let (doxy, tool) = (engine.doxy_image(), engine.tool_image());
    let left: Mutex<VecDeque<_>> = Mutex::new(RECIPES.iter().collect());
    let socket = &*engine.socket;
    // A recipe mostly waits for containers, so some come up at the same time.
    let faults = thread::scope(|scope| {
        let work = || {
            let mut faults = vec![];
            loop {
                let Some(recipe) = left.lock().expect("no panic").pop_front() else {
                    return faults;
                };
                let project = Project::new(recipe, socket);
                let found = project.faults(&doxy.name, &tool.name);
                faults.extend(found.iter().map(|it| format!("{}: {it}", recipe.file)));
            }
        };
        let workers = [(); 4].map(|()| scope.spawn(work));
        workers
            .map(|worker| worker.join().expect("no panic"))
            .concat()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
