//! The recipes, and what each tool asks.

/// What is denied where rules judge: files of containers, and a terminal.
const FILES: [&str; 3] = [
    "GET /containers/ID/export",
    "GET /containers/ID/archive?path=/etc",
    "GET /containers/ID/attach/ws?stdin=1&stream=1",
];
/// Where a script judges: also a new container.
const SCRIPT: [&str; 3] = [
    "GET /containers/ID/export",
    "GET /containers/ID/attach/ws?stdin=1&stream=1",
    "POST /containers/create",
];

/// A recipe.
pub(super) struct Recipe {
    pub(super) file: &'static str,
    /// Files that lie beside it.
    pub(super) beside: &'static [&'static str],
    /// Presets that its user prints into files, as it says.
    pub(super) printed: &'static [&'static str],
    /// What its user has to set.
    pub(super) variables: &'static [(&'static str, &'static str)],
    pub(super) tools: &'static [Tool],
}

/// A tool of a recipe. In requests, ID is a container that is not its own.
#[derive(Clone, Copy)]
pub(super) struct Tool {
    pub(super) service: &'static str,
    /// How it is pointed at the socket.
    pub(super) setting: &'static str,
    pub(super) needs: &'static str,
    pub(super) denied: [&'static str; 3],
    /// The status that denials have.
    pub(super) status: &'static str,
}

impl Tool {
    const fn new(service: &'static str, setting: &'static str, needs: &'static str) -> Self {
        Self {
            service,
            setting,
            needs,
            denied: FILES,
            status: "403",
        }
    }

    const fn by_script(service: &'static str, needs: &'static str) -> Self {
        Self {
            service,
            setting: VARIABLE,
            needs,
            denied: SCRIPT,
            status: "403",
        }
    }

    /// The same where the service has another name.
    const fn called(mut self, service: &'static str) -> Self {
        self.service = service;
        self
    }
}

/// As the engine shows a variable of a container.
const VARIABLE: &str = "DOCKER_HOST=unix:///run/doxy/doxy.sock";
const LIST: &str = "GET /v1.44/containers/json?all=1";

const TRAEFIK: Tool = Tool::new(
    "traefik",
    "--providers.docker.endpoint=unix:///run/doxy/doxy.sock",
    "GET /v1.44/containers/json",
);
/// Its script tells Portainer that it is there to look.
const PORTAINER: Tool = Tool {
    status: "405",
    ..Tool::new("portainer", "unix:///run/doxy/doxy.sock", "GET /info")
};
const WATCHTOWER: Tool = Tool::by_script("watchtower", LIST);
const DOZZLE: Tool = Tool::new(
    "dozzle",
    VARIABLE,
    "GET /containers/ID/logs?stdout=1&tail=1",
);
const HOMEPAGE: Tool = Tool::new(
    "homepage",
    "socket: /run/doxy/doxy.sock",
    "GET /containers/ID/json",
);
const PROMETHEUS: Tool = Tool::new(
    "prometheus",
    "host: unix:///run/doxy/doxy.sock",
    "GET /v1.44/networks",
);
const GLANCES: Tool = Tool::new(
    "glances",
    VARIABLE,
    "GET /containers/ID/stats?stream=0&one-shot=1",
);
const DIUN: Tool = Tool::new(
    "diun",
    "DIUN_PROVIDERS_DOCKER_ENDPOINT=unix:///run/doxy/doxy.sock",
    "GET /containers/ID/json",
);
const UPTIME_KUMA: Tool = Tool::new("uptime-kuma", "/run/doxy/doxy.sock", LIST);
const BESZEL: Tool = Tool::new(
    "beszel",
    VARIABLE,
    "GET /containers/ID/stats?stream=0&one-shot=1",
);
const NETDATA: Tool = Tool::new("netdata", VARIABLE, "GET /v1.44/images/json");
const CI_RUNNER: Tool = Tool::by_script("ci-runner", "GET /v1.44/info");
const AGENT: Tool = Tool::by_script(
    "agent",
    "GET /v1.44/containers/json?filters=%7B%22label%22%3A%5B%22doxy.owner%3Dagent%22%5D%7D",
);

const ONE: Recipe = Recipe {
    file: "",
    beside: &[],
    printed: &[],
    variables: &[],
    tools: &[],
};

/// All of them.
pub(super) const RECIPES: &[Recipe] = &[
    Recipe {
        file: "all.yml",
        beside: &["doxy.toml"],
        tools: &[
            TRAEFIK,
            PORTAINER,
            WATCHTOWER,
            DOZZLE,
            HOMEPAGE,
            PROMETHEUS,
            GLANCES,
            DIUN,
            UPTIME_KUMA,
            BESZEL,
            NETDATA,
            CI_RUNNER,
            AGENT,
        ],
        ..ONE
    },
    Recipe {
        file: "traefik.yml",
        tools: &[TRAEFIK],
        ..ONE
    },
    Recipe {
        file: "portainer.yml",
        tools: &[PORTAINER],
        ..ONE
    },
    Recipe {
        file: "watchtower.yml",
        printed: &["watchtower"],
        tools: &[WATCHTOWER],
        ..ONE
    },
    Recipe {
        file: "dozzle.yml",
        tools: &[DOZZLE],
        ..ONE
    },
    Recipe {
        file: "homepage.yml",
        tools: &[HOMEPAGE],
        ..ONE
    },
    Recipe {
        file: "prometheus.yml",
        tools: &[PROMETHEUS],
        ..ONE
    },
    Recipe {
        file: "glances.yml",
        tools: &[GLANCES],
        ..ONE
    },
    Recipe {
        file: "diun.yml",
        tools: &[DIUN],
        ..ONE
    },
    Recipe {
        file: "uptime-kuma.yml",
        tools: &[UPTIME_KUMA],
        ..ONE
    },
    Recipe {
        file: "beszel.yml",
        variables: &[("KEY", "k")],
        tools: &[BESZEL.called("agent")],
        ..ONE
    },
    Recipe {
        file: "netdata.yml",
        tools: &[NETDATA],
        ..ONE
    },
    Recipe {
        file: "ci-runner.yml",
        printed: &["ci-runner"],
        variables: &[("RUNNER_URL", "u"), ("RUNNER_TOKEN", "t")],
        tools: &[CI_RUNNER.called("runner")],
        ..ONE
    },
    Recipe {
        file: "agent.yml",
        tools: &[AGENT],
        ..ONE
    },
    Recipe {
        file: "tcp.yml",
        tools: &[Tool::new("tool", "DOCKER_HOST=tcp://doxy:2375", LIST)],
        ..ONE
    },
];
