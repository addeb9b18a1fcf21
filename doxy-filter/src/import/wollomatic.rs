//! wollomatic/socket-proxy: a regex for each method, in variables, arguments or labels of clients.
//!
//! It puts each regex between `^` and `$` and matches the path alone. What is given as an argument
//! replaces the variable of the same name.

use super::page::Page;
use super::{ImportError, Imported, Variable, alternatives, go_flags, on_one_line};

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "OPTIONS",
];
/// What no rule of doxy can name, and no engine serves.
const UNKNOWN: [&str; 2] = ["CONNECT", "TRACE"];
const LABEL: &str = "socket-proxy.allow.";
const BIND_MOUNTS: &str = "allowbindmountfrom";

/// The settings beside the regexes: an argument, and whether it has a value.
const SETTINGS: [(&str, bool); 14] = [
    ("allowfrom", true),
    ("allowhealthcheck", false),
    ("logjson", false),
    ("listenip", true),
    ("loglevel", true),
    ("proxyport", true),
    ("shutdowngracetime", true),
    ("socketpath", true),
    ("stoponwatchdog", false),
    ("watchdoginterval", true),
    ("proxysocketendpoint", true),
    ("proxysocketendpointfilemode", true),
    (BIND_MOUNTS, true),
    ("proxycontainername", true),
];

/// Whether it reads a variable of this name.
#[must_use]
pub fn is_variable(name: &str) -> bool {
    let setting = |name: &str| SETTINGS.iter().any(|(it, _)| it.to_uppercase() == name);
    name.strip_prefix("SP_").is_some_and(setting) || method_of(name).is_some()
}

/// `GET` of `SP_ALLOW_GET` and of `SP_ALLOW_GET_1`.
fn method_of(variable: &str) -> Option<&str> {
    let method = variable.strip_prefix("SP_ALLOW_")?.split('_').next()?;
    METHODS.contains(&method).then_some(method)
}

/// A regex for a method, and where it was given.
struct Allowed {
    method: &'static str,
    regex: String,
    place: String,
}

/// The policy that these variables and arguments make. If there are labels with rules, those of the
/// client that has them.
///
/// # Errors
///
/// For an argument or a value that it would refuse.
pub fn import(
    variables: &[Variable],
    arguments: &[String],
    labels: &[Variable],
) -> Result<Imported, ImportError> {
    let takes = |name: &str| {
        let setting = SETTINGS.iter().find(|(it, _)| *it == name);
        let method = name.strip_prefix("allow").filter(|it| METHODS.contains(it));
        setting.map(|(_, takes)| *takes).or(method.map(|_| true))
    };
    let given = go_flags::read(arguments, takes)?;
    let by_label = labels.iter().any(|(name, _)| name.starts_with(LABEL));
    let mut left_out = vec![];
    let allowed = match by_label {
        true => of_labels(labels, &mut left_out),
        false => of_process(variables, &given),
    };
    let settings = Settings {
        variables,
        arguments: &given,
    };
    let options = options(&settings, &mut left_out)?;
    let patterns = patterns(&allowed, by_label, &mut left_out);
    Ok(Imported {
        patterns,
        options,
        left_out,
        notes: if by_label { vec![] } else { several(&allowed) },
    })
}

/// What an older version makes of several regexes for a method.
fn several(allowed: &[Allowed]) -> Vec<String> {
    let of = |method: &&str| {
        let of = allowed.iter().filter(|it| it.method == *method);
        let places: Vec<_> = of.map(|it| it.place.as_str()).collect();
        (places.len() > 1).then(|| places.join(", "))
    };
    let tell = |places| {
        format!(
            "{places}: all of these count, as from version 1.12.0 on; before, the last of equal arguments alone \
             did, and no variable with a number"
        )
    };
    METHODS.iter().filter_map(of).map(tell).collect()
}

fn of_process(variables: &[Variable], arguments: &[(String, String)]) -> Vec<Allowed> {
    let mut allowed = vec![];
    for method in METHODS {
        let argument = format!("allow{method}");
        let from = |given: Vec<(String, &String)>| {
            let given = given.into_iter().filter(|(_, regex)| !regex.is_empty());
            let of = given.map(|(place, regex)| Allowed {
                method,
                regex: regex.clone(),
                place,
            });
            of.collect::<Vec<_>>()
        };
        let by_argument = arguments.iter().filter(|(name, _)| *name == argument);
        let by_argument = from(
            by_argument
                .map(|(name, it)| (format!("-{name}"), it))
                .collect(),
        );
        let by_variable = variables
            .iter()
            .filter(|(it, _)| method_of(it) == Some(method));
        allowed.extend(match by_argument.is_empty() {
            true => from(by_variable.map(|(name, it)| (name.clone(), it)).collect()),
            false => by_argument,
        });
    }
    allowed
}

fn of_labels(labels: &[Variable], left_out: &mut Vec<String>) -> Vec<Allowed> {
    let mut allowed = vec![];
    for (label, value) in labels {
        let Some(what) = label.strip_prefix(LABEL).filter(|_| !value.is_empty()) else {
            continue;
        };
        let what = what.to_uppercase();
        let method = what.split('.').next().unwrap_or_default();
        match METHODS.into_iter().find(|it| *it == method) {
            Some(method) => allowed.push(Allowed {
                method,
                regex: value.clone(),
                place: label.clone(),
            }),
            None if what == "BINDMOUNTFROM" => left_out.push(bind_mounts(label, value)),
            None => left_out.push(format!("{}: no such label there", on_one_line(label))),
        }
    }
    allowed
}

fn bind_mounts(name: &str, value: &str) -> String {
    format!(
        "{name}={}: rules do not look into bodies, so these allow bind mounts of every folder; a policy \
         script can restrict them",
        on_one_line(value)
    )
}

fn patterns(allowed: &[Allowed], by_label: bool, left_out: &mut Vec<String>) -> String {
    let mut page = Page::default();
    page.comment(match by_label {
        true => {
            "What the labels of a client of wollomatic's socket-proxy allow. It is for that container \
             alone: give it a socket of its own, or --allow-container with its name."
        }
        false => "The policy of wollomatic's socket-proxy.",
    });
    if allowed.iter().any(|it| it.method == "GET") {
        page.comment("A rule for GET allows HEAD too, which shows less.");
    }
    for Allowed {
        method,
        regex,
        place,
    } in allowed
    {
        page.blank();
        page.comment(place);
        let translated = match UNKNOWN.contains(method) {
            true => Err("no engine serves this method, and no rule can name it".to_owned()),
            false => alternatives::rules(&mut page, &format!("{method} "), regex),
        };
        if let Err(what) = translated {
            page.comment("It is not translated.");
            left_out.push(format!("{place}={}: {what}", on_one_line(regex)));
        }
    }
    page.finish()
}

/// The settings beside the regexes.
struct Settings<'a> {
    variables: &'a [Variable],
    arguments: &'a [(String, String)],
}

impl Settings<'_> {
    /// What was given for a setting, and where.
    fn given(&self, name: &str) -> Option<(String, &str)> {
        let last = |all: &'_ [(String, String)], wanted: &str| {
            all.iter().rposition(|(other, _)| other == wanted)
        };
        let variable = format!("SP_{}", name.to_uppercase());
        if let Some((_, value)) = last(self.arguments, name).and_then(|at| self.arguments.get(at)) {
            return Some((format!("-{name}"), value));
        }
        let (_, value) = last(self.variables, &variable).and_then(|at| self.variables.get(at))?;
        (!value.is_empty()).then_some((variable, value))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.given(name).map(|(_, value)| value)
    }

    fn flag(&self, name: &str) -> Result<bool, ImportError> {
        match self.given(name) {
            Some((place, value)) => go_flags::boolean(&place, value),
            None => Ok(false),
        }
    }

    fn number(&self, name: &str) -> Result<Option<u32>, ImportError> {
        let Some((place, value)) = self.given(name) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => {
                let what = format!("{place}={}: not a number", on_one_line(value));
                Err(ImportError::new(what, "write digits alone"))
            }
        }
    }
}

type Options = Vec<(&'static str, Option<String>)>;

fn options(settings: &Settings<'_>, left_out: &mut Vec<String>) -> Result<Options, ImportError> {
    let mut options: Options = vec![];
    match settings.text("proxysocketendpoint") {
        Some(path) => {
            options.push(("proxy-socket", Some(path.to_owned())));
            options.push(("socket-mode", Some(mode(settings)?)));
        }
        None => over_tcp(settings, &mut options, left_out)?,
    }
    if let Some(path) = settings.text("socketpath") {
        options.push(("docker-socket", Some(path.to_owned())));
    }
    if let Some(seconds) = settings.number("shutdowngracetime")? {
        options.push(("shutdown-grace", Some(format!("{seconds}s"))));
    }
    match settings.text("loglevel").map(str::to_uppercase).as_deref() {
        Some("DEBUG") => options.push(("debug", None)),
        None | Some("INFO" | "WARN" | "ERROR") => {}
        Some(other) => left_out.push(format!("loglevel {}: no such level", on_one_line(other))),
    }
    if settings.flag("logjson")? {
        options.push(("access-log", Some("stdout".to_owned())));
        options.push(("log-format", Some("json".to_owned())));
    }
    let mut name = |name: &str, why: &str| {
        if let Some((place, value)) = settings.given(name) {
            left_out.push(format!("{place}={}: {why}", on_one_line(value)));
        }
    };
    if settings
        .number("watchdoginterval")?
        .is_some_and(|it| it > 0)
    {
        name(
            "watchdoginterval",
            "doxy has no watchdog; it connects to the engine anew for requests",
        );
    }
    if settings.flag("stoponwatchdog")? {
        name(
            "stoponwatchdog",
            "doxy has no watchdog, and serves on when the engine is back",
        );
    }
    if settings.flag("allowhealthcheck")? {
        name(
            "allowhealthcheck",
            "doxy has no port for health checks; ask the socket itself",
        );
    }
    name(
        "proxycontainername",
        "give each container with labels a socket of its own; import its labels for the rules",
    );
    if let Some((place, value)) = settings.given(BIND_MOUNTS) {
        left_out.push(bind_mounts(&place, value));
    }
    Ok(options)
}

/// The mode of the socket in octal. A variable is octal anyway, an argument as in Go.
fn mode(settings: &Settings<'_>) -> Result<String, ImportError> {
    let Some((place, value)) = settings.given("proxysocketendpointfilemode") else {
        return Ok("0600".to_owned());
    };
    let octal = value.strip_prefix("0o").or(value.strip_prefix('0'));
    let mode = match (place.starts_with("SP_"), octal) {
        (true, _) => u32::from_str_radix(value, 8),
        (false, Some(digits)) => {
            u32::from_str_radix(if digits.is_empty() { "0" } else { digits }, 8)
        }
        (false, None) => value.parse(),
    };
    match mode {
        Ok(mode @ ..=0o777) => Ok(format!("{mode:04o}")),
        _ => {
            let what = format!("{place}={}: no mode of a file", on_one_line(value));
            Err(ImportError::new(what, "write octal digits, such as 0660"))
        }
    }
}

fn over_tcp(
    settings: &Settings<'_>,
    options: &mut Options,
    left_out: &mut Vec<String>,
) -> Result<(), ImportError> {
    let ip = settings.text("listenip").unwrap_or("127.0.0.1");
    let port = settings.number("proxyport")?.unwrap_or(2375);
    let address = ip
        .parse()
        .ok()
        .zip(u16::try_from(port).ok().filter(|port| *port > 0));
    let Some((ip, port)) = address else {
        let what = format!(
            "listenip {} and proxyport {port}: no address",
            on_one_line(ip)
        );
        return Err(ImportError::new(
            what,
            "write an IP address, and a port up to 65535",
        ));
    };
    let address = std::net::SocketAddr::new(ip, port);
    options.push(("proxy-socket", Some(format!("tcp://{address}"))));
    for from in settings
        .text("allowfrom")
        .unwrap_or("127.0.0.1/32")
        .split(',')
    {
        match network(from) {
            Some(network) if network.ends_with("/0") => options.push(("insecure-tcp", None)),
            Some(network) => options.push(("allow-from", Some(network))),
            None => left_out.push(format!(
                "allowfrom {}: doxy asks no name server; write the network with --allow-from, or the \
                 container with --allow-container",
                on_one_line(from)
            )),
        }
    }
    Ok(())
}

/// A network without the bits behind its length, which Go leaves out too.
fn network(text: &str) -> Option<String> {
    let Some((address, length)) = text.split_once('/') else {
        return text
            .parse::<std::net::IpAddr>()
            .ok()
            .map(|it| it.to_string());
    };
    let length: u32 = length.parse().ok()?;
    Some(match address.parse().ok()? {
        std::net::IpAddr::V4(ip) => {
            let mask = u32::MAX
                .checked_shl(32_u32.checked_sub(length)?)
                .unwrap_or(0);
            format!(
                "{}/{length}",
                std::net::Ipv4Addr::from(u32::from(ip) & mask)
            )
        }
        std::net::IpAddr::V6(ip) => {
            let mask = u128::MAX
                .checked_shl(128_u32.checked_sub(length)?)
                .unwrap_or(0);
            format!(
                "{}/{length}",
                std::net::Ipv6Addr::from(u128::from(ip) & mask)
            )
        }
    })
}
