//! The engines themselves, each once: whether it answers, what it says it is, and its certificate.

use std::io;
use std::time::Duration;

use doxy_filter::api::{VERSION, newest};
use doxy_proxy::log::probe::VERIFY;
use doxy_proxy::{GetError, Shown, UpstreamAddr, dated, is_mount_point, try_connect};
use serde_json::Value;
use tokio::time::timeout;

use crate::config::Reach;
use crate::startup::engine_for_tool;
use crate::tools::verify::certificates;
use crate::tools::verify::report::Report;

const ENGINE: &str = "engine";
const API: &str = "api";

/// Asks each engine.
pub(super) async fn check(
    sockets: impl Iterator<Item = &Reach>,
    time: Duration,
    report: &mut Report,
) {
    let mut asked: Vec<&UpstreamAddr> = vec![];
    for socket in sockets {
        if !asked.contains(&&socket.engine) {
            asked.push(&socket.engine);
            ask(socket, time, report).await;
        }
    }
}

async fn ask(socket: &Reach, time: Duration, report: &mut Report) {
    let address = socket.engine.to_string();
    let files = socket.engine_tls.as_ref();
    if let Some(files) = files {
        certificates::of_engine(files, report);
        if let UpstreamAddr::Tcp(tcp) = &socket.engine {
            certificate(tcp, &address, time, report).await;
        }
    }
    let engine = match engine_for_tool(&socket.engine, files, time.saturating_mul(2)) {
        Ok(engine) => engine,
        Err(error) => {
            let error = error.to_string();
            let (what, help) = error.split_once("\nhelp: ").unwrap_or((&error, ""));
            return report.failed(ENGINE, &address, what.to_owned(), help);
        }
    };
    match timeout(time, engine.get(VERSION, VERIFY)).await {
        Ok(Ok(answer)) if answer.status().is_success() => {
            versions(&address, answer.body(), report);
        }
        Ok(Ok(answer)) => {
            let status = answer.status().as_u16();
            let says = format!("it answers, and does not say its version ({status})");
            let cure = "if another proxy stands there, that is all that can be known from here";
            report.warning(ENGINE, &address, says, cure);
        }
        Ok(Err(error)) => unreachable(&socket.engine, &address, &error, report),
        Err(_) => {
            let says = format!("no answer within {}", humantime::format_duration(time));
            let cure = "the engine hangs: look at its log, and restart it";
            report.failed(ENGINE, &address, says, cure);
        }
    }
}

fn unreachable(engine: &UpstreamAddr, address: &str, error: &GetError, report: &mut Report) {
    let mut cure = "start the engine, or mend docker-socket";
    if let UpstreamAddr::Unix(path) = engine
        && let Err(error) = try_connect(path)
    {
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                let says = "not known: this user may not ask the engine itself";
                let cure = "run this as root, or as a user who may use the engine's socket";
                return report.skipped(ENGINE, address, says, cure);
            }
            io::ErrorKind::ConnectionRefused if is_mount_point(path) => {
                cure = "it is mounted as a file, and the engine has made a new socket since: restart \
                        doxy's container, and mount the folder around the socket";
            }
            io::ErrorKind::ConnectionRefused => {
                cure = "nobody listens there: start the engine";
            }
            _ => {}
        }
    }
    report.failed(ENGINE, address, error.to_string(), cure);
}

/// What the engine says it is.
fn versions(address: &str, body: &[u8], report: &mut Report) {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| json.get(key).and_then(Value::as_str);
    let (Some(version), Some(api)) = (text("Version"), text("ApiVersion")) else {
        let says = "it answers, and not as an engine does".to_owned();
        let cure = "mend docker-socket: it names something else";
        return report.warning(ENGINE, address, says, cure);
    };
    let components = json.get("Components").and_then(Value::as_array);
    let mut names = components
        .into_iter()
        .flatten()
        .filter_map(|it| it.get("Name")?.as_str());
    let product = match names.any(|name| name == "Podman Engine") {
        true => "Podman",
        false => "Docker",
    };
    report.ok(ENGINE, address, format!("{product} {}", plain(version)));
    let least = text("MinAPIVersion").unwrap_or(api);
    let newest = newest();
    let known = (newest.major, newest.minor);
    let range = format!("API {} to {}", plain(least), plain(api));
    match (numbers(least), numbers(api)) {
        (Some(least), _) if least > known => {
            let says = format!("{range}: doxy knows it up to {}.{} alone", known.0, known.1);
            report.failed(API, address, says, "update doxy");
        }
        (Some(_), Some(api)) if api > known => {
            let says = format!(
                "{range}: doxy knows it up to {}.{}; presets and coverage know nothing newer",
                known.0, known.1
            );
            report.warning(
                API,
                address,
                says,
                "update doxy; what no rule allows is denied all the same",
            );
        }
        (Some(_), Some(_)) => report.ok(API, address, range),
        _ => {
            let says = format!("{range}: these are no versions");
            report.warning(API, address, says, "see what the engine is: docker version");
        }
    }
}

/// `1.41` as numbers.
fn numbers(version: &str) -> Option<(u8, u8)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// What an engine says, on one line and not long.
fn plain(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_graphic();
    text.chars().filter(plain).take(40).collect()
}

/// The engine's own certificate.
async fn certificate(tcp: &str, address: &str, time: Duration, report: &mut Report) {
    // That it cannot be reached is for the line about the engine.
    if let Some(Shown::Certificate(der)) = certificates::shown_at(tcp, time).await
        && let Some(shown) = dated(&der)
    {
        certificates::of_server(&shown, address, report);
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, versions};
    use crate::tools::verify::report::Level;

    #[test]
    fn what_engines_say_of_themselves() {
        for (says, expected) in [
            (
                r#"{"Version":"29.1.0","ApiVersion":"1.52","MinAPIVersion":"1.44","Components":[{"Name":"Engine"}]}"#,
                &[
                    (Level::Ok, "Docker 29.1.0"),
                    (Level::Ok, "API 1.44 to 1.52"),
                ][..],
            ),
            (
                r#"{"Version":"5.8.6","ApiVersion":"1.41","MinAPIVersion":"1.24","Components":[{"Name":"Podman Engine"}]}"#,
                &[(Level::Ok, "Podman 5.8.6"), (Level::Ok, "API 1.24 to 1.41")],
            ),
            (
                r#"{"Version":"99","ApiVersion":"1.99","MinAPIVersion":"1.44"}"#,
                &[
                    (Level::Ok, "Docker 99"),
                    (
                        Level::Warning,
                        "API 1.44 to 1.99: doxy knows it up to 1.55; presets and coverage know nothing newer",
                    ),
                ],
            ),
            (
                r#"{"Version":"99","ApiVersion":"2.1","MinAPIVersion":"2.0"}"#,
                &[
                    (Level::Ok, "Docker 99"),
                    (
                        Level::Failed,
                        "API 2.0 to 2.1: doxy knows it up to 1.55 alone",
                    ),
                ],
            ),
            (
                r#"{"Version":"\u001b[2J1\n","ApiVersion":"new"}"#,
                &[
                    (Level::Ok, "Docker [2J1"),
                    (Level::Warning, "API new to new: these are no versions"),
                ],
            ),
            (
                "OK",
                &[(Level::Warning, "it answers, and not as an engine does")],
            ),
        ] {
            let mut report = Report::default();
            versions("x", says.as_bytes(), &mut report);
            let got: Vec<_> = report
                .lines
                .iter()
                .map(|it| (it.level, &*it.says))
                .collect();
            assert_eq!(got, expected, "{says}");
        }
    }
}
