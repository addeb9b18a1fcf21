//! The table of the API: which request is for which endpoint, and what the rows say.

use std::collections::HashSet;

use doxy_filter::api::schema::{Field, Schema};
use doxy_filter::api::{
    Api, Body, CONTAINERS, Endpoint, FILTERS, Risk, VERSION, Version, endpoint_of, endpoints,
    escapes_matter, examples, field_names, query_matters, upgrade_of,
};
use doxy_filter::canonical_path;

const CASES: &str = include_str!("../data/endpoints.cases");

fn template(method: &str, target: &str) -> Option<&'static str> {
    let path = target.split('?').next().unwrap();
    let path = canonical_path(path).ok()?;
    endpoint_of(method, &path).map(|endpoint| endpoint.template)
}

#[test]
fn requests_find_their_endpoints() {
    let mut wrong = Vec::new();
    for case in CASES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let [method, target, expected] = case.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not a case: {case}");
        };
        let found = template(method, target).unwrap_or("-");
        if found != expected {
            wrong.push(format!("{case}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A path of a template, with this name in each of its places.
pub(crate) fn example(template: &str, name: &str) -> String {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, more)) = rest.split_once('{') {
        path.push_str(before);
        path.push_str(name);
        rest = more.split_once('}').unwrap().1;
    }
    path + rest
}

/// A version under which a row is found.
pub(crate) fn version_of(endpoint: &Endpoint) -> &'static str {
    let old = ["/create", "/add", "/push"]
        .iter()
        .any(|end| endpoint.template.ends_with(end));
    match endpoint.api {
        Api::Docker => "/v1.41",
        Api::Libpod if old && endpoint.template.starts_with("/libpod/manifests/") => "/v3.4",
        Api::Libpod => "/v5.0",
    }
}

#[test]
fn every_endpoint_is_found_by_its_own_path() {
    for endpoint in endpoints() {
        let path = version_of(endpoint).to_owned() + &example(endpoint.template, "x0");
        let found = endpoint_of(endpoint.method, &path).map(std::ptr::from_ref);
        assert_eq!(
            found,
            Some(std::ptr::from_ref(endpoint)),
            "{} {path}",
            endpoint.method
        );
    }
}

#[test]
fn the_table_is_whole() {
    let count = |api| endpoints().filter(|endpoint| endpoint.api == api).count();
    assert_eq!((count(Api::Docker), count(Api::Libpod)), (123, 140));
    let mut seen = HashSet::new();
    for endpoint in endpoints() {
        assert!(
            seen.insert((endpoint.method, endpoint.template)),
            "{endpoint:?} is there twice"
        );
        assert_eq!(
            endpoint.template.starts_with("/libpod/"),
            endpoint.api == Api::Libpod
        );
    }
}

/// The endpoints of which the engine may take a connection over, and no other.
#[test]
fn where_connections_are_hijacked() {
    let hijacks: Vec<_> = endpoints()
        .filter_map(|endpoint| Some((endpoint.method, endpoint.template, endpoint.upgrade()?)))
        .collect();
    assert_eq!(
        hijacks,
        [
            ("GET", "/containers/{name:.*}/attach/ws", "websocket"),
            ("POST", "/containers/{name:.*}/attach", "tcp"),
            ("POST", "/exec/{name:.*}/start", "tcp"),
            ("POST", "/session", "h2c"),
            ("POST", "/grpc", "h2c"),
            ("POST", "/libpod/containers/{name}/attach", "tcp"),
            ("POST", "/libpod/exec/{id}/start", "tcp"),
        ]
    );
    for (method, path) in [
        ("POST", "/containers//attach"),
        ("POST", "/exec//start"),
        ("GET", "/containers//attach/ws"),
        ("POST", "/x/session"),
        ("POST", "/vx/containers/x/attach"),
        ("POST", "/v1.41/v1.41/session"),
        ("POST", "/containers/a\nb/attach"),
    ] {
        assert!(endpoint_of(method, path).is_none(), "{method} {path}");
    }
}

/// The short way to the answer gives the same as the table, for every case there is and for every
/// template with a name in it.
#[test]
fn what_doxy_itself_asks_is_harmless() {
    for path in [VERSION, CONTAINERS] {
        let endpoint = endpoint_of("GET", path).unwrap();
        assert_eq!(endpoint.template, path);
        assert!(endpoint.effect.is_none() && !endpoint.risks.contains(&Risk::State));
    }
}

#[test]
fn escapes_matter_where_they_change_the_endpoint() {
    for (method, sent, matter) in [
        ("GET", "/info", false),
        ("GET", "/containers/a%62c/json", false),
        ("GET", "/images/ghcr.io%2Forg%2Fapp%3Av1/json", false),
        (
            "GET",
            "/v5.0.0/libpod/images/ghcr.io%2Forg%2Fapp/json",
            false,
        ),
        ("GET", "/nowhere/%61", false),
        ("BREW", "/nowhere/%61", false),
        ("OPTIONS", "/a%2Fb", false),
        // Podman removes a container of that name, Docker a checkpoint.
        ("DELETE", "/containers/x%2Fcheckpoints%2Fy", true),
        ("POST", "/containers/x%2Fstart", true),
        ("GET", "/%69nfo", true),
        ("GET", "/v1%2E41/info", true),
        ("GET", "/containers%2Fjson", true),
        ("POST", "/v5.0.0/libpod/containers/x%2Fy/attach", true),
        ("GET", "/nowhere%2Fa", true),
        ("BREW", "/containers%2Fa", true),
    ] {
        let path = canonical_path(sent).unwrap();
        assert_eq!(
            escapes_matter(method, sent, &path),
            matter,
            "{method} {sent}"
        );
    }
}

#[test]
fn the_short_way_to_a_hijack_agrees_with_the_table() {
    let cases = CASES.lines().filter_map(|case| {
        let mut words = case.split(' ');
        let method = words.next()?;
        let path = words.next()?.split('?').next()?;
        Some((method.to_owned(), canonical_path(path).ok()?.into_owned()))
    });
    let named = |template: &str| {
        let segment = |segment: &str| match segment.starts_with('{') {
            true => "x".to_owned(),
            false => segment.to_owned(),
        };
        let segments: Vec<_> = template.split('/').map(segment).collect();
        format!("/v5.1{}", segments.join("/"))
    };
    let rows = endpoints().map(|row| (row.method.to_owned(), named(row.template)));
    let mut hijacked = 0;
    for (method, path) in cases.chain(rows) {
        for method in [&*method, "GET", "POST", "HEAD"] {
            let expected = endpoint_of(method, &path).and_then(Endpoint::upgrade);
            assert_eq!(upgrade_of(method, &path), expected, "{method} {path}");
            hijacked += usize::from(expected.is_some());
        }
    }
    assert!(hijacked >= 7, "{hijacked}");
}

#[test]
fn what_rows_say() {
    let find = |method, path| endpoint_of(method, path).unwrap();
    let copy = find("POST", "/containers/x/copy");
    assert_eq!(copy.first, Version { major: 1, minor: 4 });
    assert_eq!(
        copy.last,
        Some(Version {
            major: 1,
            minor: 23
        })
    );
    assert!(
        copy.first
            < find("GET", "/info").first.max(Version {
                major: 1,
                minor: 10
            })
    );
    let stats = find("GET", "/containers/x/stats");
    assert_eq!(stats.query().collect::<Vec<_>>(), ["stream", "one-shot"]);
    assert_eq!(stats.risks, [Risk::Info, Risk::Dos]);
    assert_eq!((stats.last, stats.effect), (None, None));
    assert!(
        find("POST", "/containers/create")
            .risks
            .contains(&Risk::HostRoot)
    );
    // The reading of old versions: no body may pass there.
    let refused: Vec<_> = endpoints()
        .filter(|endpoint| matches!(endpoint.body, Body::Refused))
        .map(|endpoint| endpoint.template)
        .collect();
    assert_eq!(refused, ["/containers/{name:.*}/start"]);
    assert!(matches!(find("GET", "/info").body.schema(), Schema::Any));
    for endpoint in endpoints() {
        let reads = !matches!(endpoint.body, Body::None);
        assert!(
            !reads || !matches!(endpoint.method, "GET" | "HEAD" | "OPTIONS"),
            "{endpoint:?}"
        );
        assert!(
            endpoint.effect.is_none() || matches!(endpoint.method, "GET" | "HEAD"),
            "{endpoint:?}"
        );
    }
}

#[test]
fn examples_are_served_by_their_endpoint() {
    for endpoint in endpoints() {
        let paths = examples(endpoint, "web.1");
        assert!(!paths.is_empty());
        for path in paths {
            let found = endpoint_of(endpoint.method, &path);
            assert!(found.is_some_and(|it| std::ptr::eq(it, endpoint)), "{path}");
        }
    }
}

#[test]
fn a_risk_is_found_by_its_name() {
    let names = Risk::ALL.map(Risk::name);
    let expected = "host-root exec secrets files-out files-in state egress dos info";
    assert_eq!(names.join(" "), expected);
    for risk in Risk::ALL {
        assert_eq!(Risk::named(risk.name()), Some(risk));
    }
    let used = endpoints().flat_map(|endpoint| endpoint.risks);
    assert!(used.into_iter().all(|risk| Risk::ALL.contains(risk)));
    for unknown in ["", "HostRoot", "host_root", "root", " exec"] {
        assert_eq!(Risk::named(unknown), None, "{unknown}");
    }
}

fn fields_of(schema: &'static Schema, found: &mut Vec<&'static [Field]>) {
    match schema {
        Schema::Struct(fields) => {
            found.push(fields.known);
            fields
                .known
                .iter()
                .for_each(|field| fields_of(field.schema, found));
        }
        Schema::Map(inner) | Schema::List(inner) => fields_of(inner, found),
        Schema::Any | Schema::Opaque | Schema::StringOrList => {}
    }
}

/// Two fields of one struct that the engine takes for one another could not be told apart.
#[test]
fn fields_differ_in_more_than_case() {
    let mut structs = Vec::new();
    for endpoint in endpoints() {
        fields_of(endpoint.body.schema(), &mut structs);
    }
    assert!(structs.len() > 100);
    for fields in structs {
        // Readers of bodies keep a bit for each.
        assert!(fields.len() <= 128);
        let names: HashSet<_> = fields
            .iter()
            .map(|field| field.name.to_lowercase())
            .collect();
        assert_eq!(names.len(), fields.len(), "{fields:?}");
        assert!(fields.iter().all(|field| field.name.is_ascii()));
    }
    let Schema::Struct(create) = endpoint_of("POST", "/containers/create")
        .unwrap()
        .body
        .schema()
    else {
        panic!("a create is a struct")
    };
    assert!(create.misplaced.len() > 60);
    for field in create.misplaced {
        let both = create
            .known
            .iter()
            .any(|known| known.name.eq_ignore_ascii_case(field.name));
        assert!(!both, "{} is a field of both", field.name);
    }
}

#[test]
fn names_of_fields() {
    let names = field_names();
    for (name, opens) in [
        ("HostConfig", false),
        ("Labels", true),
        ("Privileged", false),
        ("CheckpointDir", false),
    ] {
        assert!(names.contains(&(name, opens)), "{name}");
    }
    assert!(names.is_sorted() && names.len() > 300, "{}", names.len());
    assert!(!names.iter().any(|(name, _)| *name == "Priviledged"));
    assert!(FILTERS.is_sorted() && FILTERS.contains(&"desired-state"));
}

#[test]
fn queries_that_podman_reads_otherwise() {
    for (query, matters) in [
        ("", false),
        ("&&", false),
        ("fromImage=a", false),
        ("fromImage=a&tag=b&platform=c", false),
        // Nothing that the engine reads here.
        ("Other=a&other2=b", false),
        ("t=a&t=b&names=a&names=b&references=a&references=b", false),
        ("fromImage=a&fromImage=b", true),
        ("fromImage=a&tag=c&fromImage=b", true),
        ("fromImage&fromImage", true),
        ("other=a&Other=b", true),
        ("t=a&T=b", true),
        // Docker does not read it, Podman does.
        ("FromImage=a", true),
        ("from%49mage=a", true),
        ("from+Image=a", true),
        ("tag=%2B", false),
    ] {
        let path = "/v1.41/images/create";
        assert_eq!(query_matters("POST", path, query), matters, "{query}");
    }
    // Of what is no endpoint no parameter is known.
    assert!(!query_matters("POST", "/nothing", "FromImage=a"));
    assert!(query_matters("POST", "/nothing", "a=1&a=2"));
}
