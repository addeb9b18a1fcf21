//! Tecnativa's and LinuxServer's docker-socket-proxy: variables that are 0 or 1, one for each section of
//! the API.
//!
//! Both are configurations of HAProxy. A section is a prefix of the path, so that it opens everything
//! below; a request with another method than GET and HEAD is denied first unless `POST=1`.

use super::haproxy::{neither, options};
use super::page::Page;
use super::{ImportError, Imported, Variable, on_one_line};

/// Whose variables they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Tecnativa/docker-socket-proxy.
    Tecnativa,
    /// linuxserver/docker-socket-proxy.
    LinuxServer,
}

/// A variable that is 0 or 1.
struct Switch {
    name: &'static str,
    default: bool,
    does: Does,
    /// Whether LinuxServer alone has it, or Tecnativa alone.
    only: Option<Tool>,
}

/// What a switch that is 1 does.
#[derive(Clone, Copy)]
enum Does {
    /// Allows all methods.
    Methods,
    /// Allows this method. The released versions do not know it.
    Method(&'static str),
    /// Allows all paths below a first segment.
    Section(&'static str),
    /// The same in Podman's own API.
    LibpodSection(&'static str),
    /// Allows these actions on one container.
    Actions(&'static [&'static str]),
    /// The same in Podman's own API, on a container or a pod.
    LibpodActions(&'static str, &'static [&'static str]),
    /// Lifts a denial of what lies below one container or pod.
    Lifts(&'static str),
    /// Nothing.
    Nothing,
}

use Does::{Actions, LibpodActions, LibpodSection, Lifts, Method, Methods, Nothing, Section};

const CONTAINERS: &str = "containers";
const PODS: &str = "pods";
const LIBPOD: &str = "libpod";
const STOPS: &[&str] = &["stop", "restart", "kill"];

const fn switch(name: &'static str, does: Does) -> Switch {
    Switch {
        name,
        default: false,
        does,
        only: None,
    }
}

const fn on(name: &'static str, does: Does) -> Switch {
    Switch {
        default: true,
        ..switch(name, does)
    }
}

const fn of(tool: Tool, switch: Switch) -> Switch {
    Switch {
        only: Some(tool),
        ..switch
    }
}

const SWITCHES: &[Switch] = &[
    switch("ALLOW_RESTARTS", Actions(STOPS)),
    switch("ALLOW_START", Actions(&["start"])),
    switch("ALLOW_STOP", Actions(&["stop"])),
    switch("ALLOW_PAUSE", Actions(&["pause"])),
    switch("ALLOW_UNPAUSE", Actions(&["unpause"])),
    switch("ALLOW_ARCHIVE", Lifts("archive")),
    switch("ALLOW_EXPORT", Lifts("export")),
    switch("ALLOW_LOGS", Lifts("logs")),
    of(Tool::LinuxServer, switch("ALLOW_CHANGES", Lifts("changes"))),
    of(Tool::LinuxServer, switch("ALLOW_TOP", Lifts("top"))),
    of(Tool::Tecnativa, switch("ALLOW_ATTACH", Lifts("attach"))),
    of(Tool::Tecnativa, switch("ALLOW_EXEC", Lifts("exec"))),
    of(Tool::Tecnativa, switch("ALLOW_KILL", Lifts("kill"))),
    of(Tool::Tecnativa, switch("ALLOW_DELETE", Nothing)),
    switch("AUTH", Section("auth")),
    switch("BUILD", Section("build")),
    switch("COMMIT", Section("commit")),
    switch("CONFIGS", Section("configs")),
    switch("CONTAINERS", Section(CONTAINERS)),
    switch("DISTRIBUTION", Section("distribution")),
    on("EVENTS", Section("events")),
    switch("EXEC", Section("exec")),
    switch("GRPC", Section("grpc")),
    switch("IMAGES", Section("images")),
    switch("INFO", Section("info")),
    switch("NETWORKS", Section("networks")),
    switch("NODES", Section("nodes")),
    on("PING", Section("_ping")),
    switch("PLUGINS", Section("plugins")),
    switch("SECRETS", Section("secrets")),
    switch("SERVICES", Section("services")),
    switch("SESSION", Section("session")),
    switch("SWARM", Section("swarm")),
    switch("SYSTEM", Section("system")),
    switch("TASKS", Section("tasks")),
    on("VERSION", Section("version")),
    switch("VOLUMES", Section("volumes")),
    switch("POST", Methods),
    of(Tool::Tecnativa, switch("DELETE", Method("DELETE"))),
    of(Tool::Tecnativa, switch("PUT", Method("PUT"))),
    of(Tool::Tecnativa, switch("PATCH", Method("PATCH"))),
    libpod("LIBPOD_ALLOW_PAUSE", LibpodActions(CONTAINERS, &["pause"])),
    libpod("LIBPOD_ALLOW_POD_PAUSE", LibpodActions(PODS, &["pause"])),
    libpod("LIBPOD_ALLOW_POD_RESTARTS", LibpodActions(PODS, STOPS)),
    libpod("LIBPOD_ALLOW_POD_START", LibpodActions(PODS, &["start"])),
    libpod("LIBPOD_ALLOW_POD_STOP", LibpodActions(PODS, &["stop"])),
    libpod(
        "LIBPOD_ALLOW_POD_UNPAUSE",
        LibpodActions(PODS, &["unpause"]),
    ),
    libpod("LIBPOD_ALLOW_RESTARTS", LibpodActions(CONTAINERS, STOPS)),
    libpod("LIBPOD_ALLOW_START", LibpodActions(CONTAINERS, &["start"])),
    libpod("LIBPOD_ALLOW_STOP", LibpodActions(CONTAINERS, &["stop"])),
    libpod(
        "LIBPOD_ALLOW_UNPAUSE",
        LibpodActions(CONTAINERS, &["unpause"]),
    ),
    libpod("LIBPOD_CONTAINERS", LibpodSection(CONTAINERS)),
    libpod("LIBPOD_EVENTS", LibpodSection("events")),
    libpod("LIBPOD_EXEC", LibpodSection("exec")),
    libpod("LIBPOD_GENERATE", LibpodSection("generate")),
    libpod("LIBPOD_IMAGES", LibpodSection("images")),
    libpod("LIBPOD_INFO", LibpodSection("info")),
    libpod("LIBPOD_MANIFESTS", LibpodSection("manifests")),
    libpod("LIBPOD_NETWORKS", LibpodSection("networks")),
    of(Tool::LinuxServer, on("LIBPOD_PING", LibpodSection("_ping"))),
    libpod("LIBPOD_PLAY", LibpodSection("play")),
    libpod("LIBPOD_PODS", LibpodSection(PODS)),
    libpod("LIBPOD_SECRETS", LibpodSection("secrets")),
    libpod("LIBPOD_SYSTEM", LibpodSection("system")),
    of(
        Tool::LinuxServer,
        on("LIBPOD_VERSION", LibpodSection("version")),
    ),
    libpod("LIBPOD_VOLUMES", LibpodSection("volumes")),
];

const fn libpod(name: &'static str, does: Does) -> Switch {
    of(Tool::LinuxServer, switch(name, does))
}

/// Variables that are no switches.
const OTHERS: [&str; 4] = ["SOCKET_PATH", "LOG_LEVEL", "DISABLE_IPV6", "BIND_CONFIG"];

/// A version in front of the path, as these tools write it.
const VERSION: &str = r"(/v[\d.]+)?/";

/// Whether one of the tools has a switch of this name.
#[must_use]
pub fn is_switch(name: &str) -> bool {
    SWITCHES.iter().any(|switch| switch.name == name)
}

/// Whether this tool reads a variable of this name.
#[must_use]
pub fn is_variable(tool: Tool, name: &str) -> bool {
    OTHERS.contains(&name) || SWITCHES.iter().any(|it| it.name == name && it.is_of(tool))
}

impl Switch {
    fn is_of(&self, tool: Tool) -> bool {
        self.only.is_none_or(|only| only == tool)
    }
}

/// A switch, and what was given for it.
struct Set {
    switch: &'static Switch,
    given: Option<bool>,
}

impl Set {
    fn is_on(&self) -> bool {
        self.given.unwrap_or(self.switch.default)
    }
}

/// The policy that these variables make. Those that are missing have their defaults.
///
/// # Errors
///
/// For a switch that is neither 0 nor 1.
pub fn import(tool: Tool, variables: &[Variable]) -> Result<Imported, ImportError> {
    let value = |name: &str| {
        let mut all = variables.iter().rev();
        all.find(|(other, _)| other == name)
            .map(|(_, value)| &**value)
    };
    let mut sets = vec![];
    for switch in SWITCHES.iter().filter(|switch| switch.is_of(tool)) {
        let given = match value(switch.name) {
            None => None,
            Some("1") => Some(true),
            // HAProxy reads no number as 0.
            Some("0" | "") => Some(false),
            Some(other) => return Err(neither(switch.name, other)),
        };
        sets.push(Set { switch, given });
    }
    let mut left_out = vec![];
    for (name, value) in variables {
        let known = is_variable(tool, name);
        let other = is_switch(name) && !known;
        if other && value != "0" {
            left_out.push(format!(
                "{name}={}: this tool has no such variable",
                on_one_line(value)
            ));
        }
    }
    let bind = tool == Tool::Tecnativa;
    let options = options(bind, value, &mut left_out)?;
    let mut notes = vec![];
    let patterns = patterns(tool, &sets, &mut left_out, &mut notes);
    Ok(Imported {
        patterns,
        options,
        left_out,
        notes,
    })
}

fn patterns(
    tool: Tool,
    sets: &[Set],
    left_out: &mut Vec<String>,
    notes: &mut Vec<String>,
) -> String {
    let mut page = Page::default();
    let given: Vec<_> = sets
        .iter()
        .filter_map(|set| Some(format!("{}={}", set.switch.name, u8::from(set.given?))))
        .collect();
    let (whose, given) = match (tool, given.is_empty()) {
        (Tool::Tecnativa, true) => ("Tecnativa's", "no switch".to_owned()),
        (Tool::LinuxServer, true) => ("LinuxServer's", "no switch".to_owned()),
        (Tool::Tecnativa, false) => ("Tecnativa's", given.join(" ")),
        (Tool::LinuxServer, false) => ("LinuxServer's", given.join(" ")),
    };
    page.comment(&format!(
        "The policy of {whose} docker-socket-proxy with {given}."
    ));
    let post = sets
        .iter()
        .any(|set| matches!(set.switch.does, Methods) && set.is_on());
    let methods = methods(sets, post);
    if post {
        page.comment("POST=1 allows every method on every path below, DELETE and PUT among them.");
    }
    for set in sets.iter().filter(|set| set.is_on() || denies(tool, set)) {
        let Switch { name, does, .. } = set.switch;
        let one = |methods: &str, objects: &str, actions: &[&str]| {
            let actions = match actions {
                [one] => (*one).to_owned(),
                all => format!("({})", all.join("|")),
            };
            format!(r"{methods}{VERSION}{objects}/[\w.-]+/{actions}")
        };
        let rule = match does {
            Section(folder) => format!("{methods}{VERSION}{folder}{}", below(folder)),
            LibpodSection(folder) => {
                format!("{methods}{VERSION}{LIBPOD}/{folder}{}", below(folder))
            }
            // Before LinuxServer's gate for methods, behind Tecnativa's.
            Actions(actions) if post || tool == Tool::LinuxServer => {
                one("POST ", CONTAINERS, actions)
            }
            LibpodActions(objects, actions) => {
                one("POST ", &format!("{LIBPOD}/{objects}"), actions)
            }
            Actions(actions) => {
                notes.push(format!(
                    "{name}=1 does nothing without POST=1, there as here"
                ));
                page.blank();
                page.comment(&format!(
                    "{name}=1 does nothing with POST=0, there as here. If it is meant, this is the rule:"
                ));
                page.commented(&one("POST ", CONTAINERS, actions));
                continue;
            }
            Lifts(_) if set.is_on() => continue,
            Lifts(what) => match tool {
                Tool::Tecnativa => format!("!{VERSION}{CONTAINERS}/.+/{what}(/.*)?"),
                Tool::LinuxServer => {
                    format!("!{VERSION}({LIBPOD}/)?({CONTAINERS}|{PODS})/.+/{what}(/.*)?")
                }
            },
            Methods | Method(_) => continue,
            Nothing => {
                left_out.push(format!(
                    "{name}=1: nothing reads this variable, there or here"
                ));
                continue;
            }
        };
        page.blank();
        page.comment(&format!("{name}={}", u8::from(set.is_on())));
        if let (Lifts(_), Tool::LinuxServer, None) = (does, tool, set.given) {
            page.comment("Images before 2026-08-18 had no such switch, and allowed this.");
        }
        if let Err(what) = page.rule(&rule) {
            left_out.push(format!("{name}: {what}"));
        }
    }
    let newer = |set: &&Set| matches!(set.switch.does, Method(_)) && set.given == Some(true);
    for set in sets.iter().filter(newer).filter(|_| !post) {
        left_out.push(format!(
            "{}=1: the released versions do not read this variable, and with POST=0 they deny this \
             method; write a rule if it is meant",
            set.switch.name
        ));
    }
    page.finish()
}

/// Whether a switch that is off has a rule. Tecnativa's released versions do not know those that lift,
/// so that only one that was given counts.
fn denies(tool: Tool, set: &Set) -> bool {
    let off = match tool {
        Tool::Tecnativa => set.given == Some(false),
        Tool::LinuxServer => !set.is_on(),
    };
    off && matches!(set.switch.does, Lifts(_))
}

/// The methods of a section, as a rule begins with them.
fn methods(sets: &[Set], post: bool) -> String {
    if !post {
        return String::new();
    }
    let mut left = vec!["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let all = left.len();
    for set in sets.iter().filter(|set| set.given == Some(false)) {
        if let Method(method) = set.switch.does {
            left.retain(|it| *it != method);
        }
    }
    match left.len() == all {
        true => "* ".to_owned(),
        false => format!("{} ", left.join(",")),
    }
}

/// What may follow the first segment of a section: nothing where the API has nothing below.
fn below(folder: &str) -> &'static str {
    let has_more = |template: &str| {
        let mut segments = template
            .split('/')
            .filter(|it| !it.is_empty() && *it != LIBPOD);
        segments.next() == Some(folder) && segments.next().is_some()
    };
    match crate::api::endpoints().any(|endpoint| has_more(endpoint.template)) {
        true => "(/.*)?",
        false => "",
    }
}
