//! The table of the API beside a real engine: its log says which routes it has, and each is asked for.
//!
//! A route that the table lacks is one that no policy, report or learned rule knows.

use std::collections::BTreeSet;
use std::path::Path;

use doxy_filter::api::{Api, Endpoint, endpoints};

use super::named_path;
use super::real::engine;
use crate::support::Client;
use crate::support::needs::say;

/// Names of objects that exist nowhere.
const NAME: &str = "doxy-has-no-such-thing";

/// What an engine writes into its log for each of its routes, with `--debug`.
fn registered(log: &str) -> BTreeSet<(String, String)> {
    let line = |line: &str| {
        let (_, rest) = line.split_once("msg=\"Registering ")?;
        let (method, path) = match rest.strip_prefix("route\" method=") {
            // Since 28; a path that needs no quotes has none.
            Some(rest) => rest.split_once(" path=")?,
            None => rest.split_once(", ")?,
        };
        let path = path.trim_start_matches('"').split(['"', ' ']).next()?;
        Some((method.to_owned(), path.to_owned()))
    };
    // It registers other things too: volumes.
    let is_method = |(method, _): &(String, String)| method.bytes().all(|b| b.is_ascii_uppercase());
    log.lines().filter_map(line).filter(is_method).collect()
}

/// The version of the API that an engine has.
fn api_version(socket: &Path) -> (u8, u8) {
    let reply = ask(socket, "GET", "/version").expect("an answer");
    let json: serde_json::Value = serde_json::from_slice(&reply.1).expect("JSON");
    let version = json["ApiVersion"].as_str().expect("a version");
    let (major, minor) = version.split_once('.').expect("two numbers");
    (major.parse().unwrap(), minor.parse().unwrap())
}

/// The status and the beginning of the body. None if the engine has no such route.
fn ask(socket: &Path, method: &str, target: &str) -> Option<(u16, Vec<u8>)> {
    let mut client = Client::connect(socket);
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ));
    let reply = client.reply(method).expect("an answer");
    let words = String::from_utf8_lossy(&reply.body).into_owned();
    let missing = reply.status() == 404 && words.contains("page not found");
    (!missing).then(|| (reply.status(), reply.body))
}

fn in_version(endpoint: &Endpoint, (major, minor): (u8, u8)) -> bool {
    let at = |version: doxy_filter::api::Version| (version.major, version.minor);
    at(endpoint.first) <= (major, minor)
        && endpoint.last.is_none_or(|last| (major, minor) <= at(last))
}

/// Whether asking it changes nothing, and the answer ends.
fn harmless(endpoint: &Endpoint) -> bool {
    let named = endpoint.template.contains('{');
    let endless = ["/events", "/session", "/grpc"].contains(&endpoint.template);
    !endless && (named || matches!(endpoint.method, "GET" | "HEAD"))
}

fn path_of(endpoint: &Endpoint) -> String {
    let pieces = endpoint.template.split('{').map(|piece| {
        let text = piece.split_once('}');
        text.map_or_else(|| piece.to_owned(), |(_, text)| format!("{NAME}{text}"))
    });
    pieces.collect()
}

#[test]
fn the_table_has_every_route_of_the_engine_and_no_other() {
    let Some(engine) = engine() else { return };
    let log = match engine.private {
        true => engine.socket.with_file_name("log"),
        false => match named_path("DOXY_TEST_ENGINE_LOG") {
            Some(log) => log,
            None => return say("set DOXY_TEST_ENGINE_LOG to the log of an engine with --debug"),
        },
    };
    let text = std::fs::read(&log).expect("the engine's log");
    let mut routes = registered(&String::from_utf8_lossy(&text));
    // It answers at every path, in engines up to 27, and no row of the table is meant by it.
    routes.retain(|(method, _)| method != "OPTIONS");
    assert!(
        routes.len() > 90,
        "{}: {} routes",
        log.display(),
        routes.len()
    );
    let version = api_version(&engine.socket);

    // Engines up to 27 serve their profiles, with --debug alone, beside their router.
    let listed = |it: &&Endpoint| it.method != "OPTIONS" && !it.template.starts_with("/debug/");
    let all = || endpoints().filter(|it| it.api == Api::Docker);
    let docker = || all().filter(listed);
    let known: BTreeSet<_> = all()
        .map(|it| (it.method.to_owned(), it.template.to_owned()))
        .collect();
    let lacking: Vec<_> = routes.difference(&known).collect();
    assert!(
        lacking.is_empty(),
        "API {version:?}: the table lacks {lacking:?}"
    );
    let gone: Vec<_> = docker()
        .filter(|it| in_version(it, version))
        .map(|it| (it.method.to_owned(), it.template.to_owned()))
        .filter(|it| !routes.contains(it))
        .collect();
    assert!(
        gone.is_empty(),
        "API {version:?}: the engine lacks {gone:?}"
    );

    let prefix = format!("/v{}.{}", version.0, version.1);
    for endpoint in docker().filter(|it| in_version(it, version) && harmless(it)) {
        for prefix in ["", &prefix] {
            let target = format!("{prefix}{}", path_of(endpoint));
            let answer = ask(&engine.socket, endpoint.method, &target);
            assert!(answer.is_some(), "{} {target}: no route", endpoint.method);
        }
    }
    for path in ["/containers/x/nothing", "/nothing", "/images/x/y/nothing"] {
        assert!(ask(&engine.socket, "GET", path).is_none(), "{path}");
    }
}

#[test]
fn the_routes_of_a_log_are_found() {
    let log = "time=\"x\" level=debug msg=\"Registering routers\"\n\
               time=\"x\" level=debug msg=\"Registering GET, /containers/{name:.*}/json\" a=b\n\
               time=\"x\" level=debug msg=\"Registering route\" method=POST path=/auth\n\
               time=\"x\" level=debug msg=\"Registering route\" method=GET path=\"/tasks/{id}\"\n\
               time=\"x\" level=debug msg=\"Registering new volume reference: driver \\\"local\\\", name \\\"v\\\"\"\n\
               GET /info\n";
    let expected = [
        ("GET", "/containers/{name:.*}/json"),
        ("POST", "/auth"),
        ("GET", "/tasks/{id}"),
    ];
    let expected = expected.map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(registered(log), BTreeSet::from(expected));
}
