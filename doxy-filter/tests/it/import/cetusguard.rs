//! CetusGuard.

use doxy_filter::import::cetusguard::{Rules, files, import, is_variable};

use super::{arguments, judges, options, variables};

fn of(text: &str) -> doxy_filter::import::Imported {
    let file = Rules {
        place: "rules.list".to_owned(),
        text: text.to_owned(),
    };
    import(&[], &[], &[file]).unwrap()
}

#[test]
fn requests_that_it_lets_through() {
    let mut count = judges(
        &of(""),
        "
        + GET /_ping
        + HEAD /_ping
        + GET /v1.41/_ping
        + GET /version
        + GET /v1.41/info
        + GET /v5.0.0/libpod/_ping
        + GET /v5.0.0/libpod/info
        - GET /libpod/info
        - POST /_ping
        - GET /v1.41/containers/json
        - GET /events
        ",
    );
    count += judges(
        &of("! List\nGET %API_PREFIX_CONTAINERS%/json\r
            GET,POST\t%API_PREFIX_CONTAINERS%/%CONTAINER_ID_OR_NAME%/(json|stats)  \n\n
            DELETE %API_PREFIX_VOLUMES%/%VOLUME_NAME%\nGET %API_PREFIX_IMAGES%/%IMAGE_ID_OR_REFERENCE%/json
            GET %API_PREFIX_NETWORKS%(/%NETWORK_ID_OR_NAME%)?\nGET %API_PREFIX_EVENTS%(\\?.*)?
            GET %API_PREFIX_LIBPOD_PODS%/json"),
        "
        + GET /containers/json
        + GET /v1.41/containers/json
        + GET /v1/containers/json
        - GET /v1./containers/json
        + GET /v1.41/containers/my_app-web-1.x/json
        + POST /v1.41/containers/0a1b/stats
        - GET /v1.41/containers/-x/json
        - GET /v1.41/containers/x/json
        - GET /v1.41/containers/web/logs
        + DELETE /v1.41/volumes/my-data
        - DELETE /v1.41/volumes/x
        - DELETE /v1.41/volumes/my-data/more
        + GET /v1.41/images/nginx/json
        + GET /v1.41/images/nginx:1.25/json
        + GET /v1.41/images/ghcr.io:443/team/app_x:v1/json
        + GET /v1.41/images/nginx@sha256:0123456789abcdef0123456789abcdef/json
        + GET /v1.41/images/0a1b2c/json
        - GET /v1.41/images/get
        - GET /v1.41/images/-x/json
        + GET /networks
        + GET /v1.41/networks/any,name
        - GET /v1.41/networks/a/b
        + GET /v1.41/events
        + GET /v5.0.0/libpod/pods/json
        - GET /libpod/pods/json
        ",
    );
    // Without a group around them.
    count += judges(
        &of("GET /version|%API_PREFIX_EVENTS%"),
        "
        + GET /version/x
        + GET /x/events
        - GET /x/version
        - GET /events/x
        ",
    );
    let none = variables("CETUSGUARD_NO_BUILTIN_RULES=true");
    count += judges(
        &import(&none, &[], &[]).unwrap(),
        "- GET /_ping\n- GET /version",
    );
    assert!(count >= 40, "{count}");
}

#[test]
fn rules_and_settings_of_variables_and_arguments() {
    let environment = vec![
        ("CETUSGUARD_RULES".to_owned(), "GET /a\nPOST /b".to_owned()),
        ("CETUSGUARD_RULES_FILE".to_owned(), "/rules.list".to_owned()),
        (
            "CETUSGUARD_FRONTEND_ADDR".to_owned(),
            "unix:///run/x.sock".to_owned(),
        ),
        (
            "CETUSGUARD_BACKEND_ADDR".to_owned(),
            "tcp://engine:2376".to_owned(),
        ),
        (
            "CETUSGUARD_BACKEND_TLS_CACERT".to_owned(),
            "/ca.pem".to_owned(),
        ),
        ("CETUSGUARD_LOG_LEVEL".to_owned(), "7".to_owned()),
    ];
    assert_eq!(files(&environment, &[]).unwrap(), ["/rules.list"]);
    let imported = import(&environment, &[], &[]).unwrap();
    judges(&imported, "+ GET /a\n+ POST /b\n- GET /b");
    assert_eq!(imported.left_out, [""; 0]);
    assert_eq!(
        options(&imported),
        "--proxy-socket unix:///run/x.sock --docker-socket tcp://engine:2376 --docker-tls-ca /ca.pem \
         --debug"
    );
    let all = arguments(&[
        "-rules",
        "GET /c",
        "-rules-file=f",
        "-rules-file=g",
        "-no-builtin-rules",
    ]);
    assert_eq!(files(&environment, &all).unwrap(), ["f", "g"]);
    let imported = import(&environment, &all, &[]).unwrap();
    judges(&imported, "+ GET /c\n- GET /a\n- GET /_ping");
    let both = [
        "-frontend-addr=tcp://0.0.0.0:1",
        "-frontend-addr=unix:///x",
        "-frontend-tls-cert=c",
    ];
    assert_eq!(
        options(&import(&[], &arguments(&both), &[]).unwrap()),
        "--proxy-socket tcp://0.0.0.0:1 --proxy-socket unix:///x --tls-cert c"
    );
}

#[test]
fn what_is_not_translated_is_named() {
    for (text, expected) in [
        ("GET", "rules.list:1: `GET`: not a rule"),
        ("\nget /x", "rules.list:2: `get /x`: not a rule"),
        ("TRACE /x", "rules.list:1: `TRACE /x`: no engine serves"),
        (
            "GET,TRACE /x",
            "rules.list:1: `GET,TRACE /x`: no engine serves",
        ),
        ("GET /x)", "rules.list:1: `GET /x)`: `)` closes no group"),
        ("GET /a%NO_SUCH%", "rules.list:1: `GET /a%NO_SUCH%`: "),
    ] {
        let imported = of(text);
        assert_eq!(
            imported.left_out.len(),
            1,
            "{text}: {:?}",
            imported.left_out
        );
        assert!(
            imported.left_out[0].starts_with(expected),
            "{:?}",
            imported.left_out
        );
        judges(&imported, "+ GET /_ping\n- POST /x");
    }
    for (all, expected) in [
        (&["-frontend-addr=x"][..], "-frontend-addr=x: no address"),
        (
            &["-backend-addr=ssh://x"],
            "-backend-addr=ssh://x: no address",
        ),
        (&["-log-level=9"], "-log-level: no level from 0 to 7"),
    ] {
        assert_eq!(
            import(&[], &arguments(all), &[]).unwrap().left_out,
            [expected]
        );
    }
    assert!(import(&[], &arguments(&["-version"]), &[]).is_err());
    assert!(is_variable("CETUSGUARD_RULES_FILE"));
    assert!(!is_variable("CETUSGUARD_RULEZ") && !is_variable("DOCKER_HOST"));
}
