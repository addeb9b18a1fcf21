//! What policies look up: the calls, their limits, and what comes of the answers.

use doxy_filter::{Reason, Verdict};
use doxy_script::{Body, Decision, Lookups, PeerContainer, Script, ScriptRequest};

use crate::support::{Ask, run, words};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn ask(method: &str, target: &str) -> Ask {
    let container = format!(
        r#"{{"Id":"{ID}","Name":"/web","Config":{{"Labels":{{"doxy.owner":"1000"}}}},"HostConfig":{{}}}}"#
    );
    let exec = format!(r#"{{"ID":"{ID}","ContainerID":"{ID}","Running":false}}"#);
    let network = format!(r#"{{"Id":"{ID}","Name":"team","Labels":null}}"#);
    let answers = [
        ("/containers/web/json", container.clone()),
        (&format!("/containers/{ID}/json"), container),
        ("/containers/broken/json", "{".to_owned()),
        ("/containers/text/json", "\"web\"".to_owned()),
        ("/containers/numbered/json", r#"{"Id":"../x"}"#.to_owned()),
        (&format!("/exec/{ID}/json"), exec),
        ("/networks/team", network),
        ("/volumes/data", r#"{"Name":"data","Labels":{}}"#.to_owned()),
        ("/info", r#"{"SecurityOptions":["name=userns"]}"#.to_owned()),
    ];
    let mut ask = Ask::new(method, target);
    ask.engine = answers
        .map(|(target, answer)| (target.to_owned(), answer))
        .into();
    ask
}

#[test]
fn what_a_lookup_gives() {
    // The body of `decide`, the target, and what comes of it.
    let cases = [
        (
            r#"deny(inspect("container", "web").Config.Labels["doxy.owner"])"#,
            "/info",
            "deny 1000",
        ),
        (
            r#"deny(`${inspect("container", "gone")}`)"#,
            "/info",
            "deny ",
        ),
        (r#"deny(`${inspect("container", ())}`)"#, "/info", "deny "),
        (
            r#"deny(inspect("container", req.object.name).Name)"#,
            "/v1.41/containers/web/logs",
            "deny /web",
        ),
        (r#"deny(req.object.kind)"#, "/exec/1/json", "deny exec"),
        (r#"deny(`${req.object}`)"#, "/containers/json", "deny "),
        (
            r#"deny(req.template)"#,
            "/v1.41/containers/web/logs",
            "deny /containers/{name:.*}/logs",
        ),
        (r#"deny(`${req.template}`)"#, "/nothing/here", "deny "),
        (
            r#"deny(engine_info().SecurityOptions[0])"#,
            "/info",
            "deny name=userns",
        ),
        (
            r#"deny(inspect("volume", "data").Name)"#,
            "/info",
            "deny data",
        ),
        // An exec leads to its container.
        (
            r#"let of = inspect("exec", req.object.name).ContainerID; deny(inspect("container", of).Name)"#,
            &format!("/exec/{ID}/json"),
            "deny /web",
        ),
        (
            r#"no_such("container", "web")"#,
            "/info",
            "deny No such container: web",
        ),
        (
            r#"no_such("network", "n")"#,
            "/info",
            "deny network n not found",
        ),
        (
            r#"no_such("volume", "v")"#,
            "/info",
            "deny get v: no such volume",
        ),
    ];
    for (body, target, expected) in cases {
        let source = format!(
            r#"const LOOKUPS = ["container", "exec", "network", "volume", "engine"];
            fn decide(req) {{ {body} }}"#
        );
        assert_eq!(run(&source, &ask("GET", target)), expected, "{body}");
    }
}

#[test]
fn what_cannot_be_looked_up_is_denied() {
    // What is looked up, and the reason.
    let cases = [
        (r#"inspect("container", "broken")"#, "cannot be read"),
        (r#"inspect("container", "text")"#, "must be an object"),
        (r#"inspect("container", "numbered")"#, "has no full id"),
        (
            r#"inspect("container", "../../info")"#,
            "no container can have this name",
        ),
        (
            r#"inspect("container", "a?b")"#,
            "no container can have this name",
        ),
        (
            r#"inspect("container", "a/b")"#,
            "no container can have this name",
        ),
        (
            r#"inspect("image", "a/../b")"#,
            "no image can have this name",
        ),
        (r#"inspect("image", "/a")"#, "no image can have this name"),
        (
            r#"inspect("container", "")"#,
            "no container can have this name",
        ),
        (
            r#"let kind = "socket"; inspect(kind, "web")"#,
            "`socket` cannot be looked up",
        ),
        (
            r#"let kind = "node"; inspect(kind, "web")"#,
            r#"const LOOKUPS = ["node"]"#,
        ),
        (
            r#"for n in range(0, 9) { inspect("container", `c${n}`); }"#,
            "more than 8 objects",
        ),
    ];
    for (body, because) in cases {
        let source = format!(
            r#"const LOOKUPS = ["container", "image"]; fn decide(req) {{ {body}; allow() }}"#
        );
        let got = run(&source, &ask("GET", "/info"));
        assert!(
            got.starts_with("fail ") && got.contains(because),
            "{body}: {got}"
        );
    }
}

#[test]
fn a_policy_names_what_it_looks_up() {
    // The whole policy, and a part of the error.
    let cases = [
        (
            r#"fn decide(req) { inspect("container", "a"); allow() }"#,
            "does not name it",
        ),
        (
            r#"fn decide(req) { engine_info(); allow() }"#,
            "does not name it",
        ),
        (
            r#"const LOOKUPS = ["container"]; fn decide(req) { inspect("exec", "a"); allow() }"#,
            r#"const LOOKUPS = ["exec"]"#,
        ),
        (
            r#"const LOOKUPS = ["socket"]; fn decide(req) { allow() }"#,
            "`socket` cannot be",
        ),
        (
            r#"const LOOKUPS = "container"; fn decide(req) { allow() }"#,
            "not a list of texts",
        ),
        (
            r#"const LOOKUPS = [1]; fn decide(req) { allow() }"#,
            "not a list of texts",
        ),
    ];
    for (source, because) in cases {
        let error = Script::compile("p.rhai", source.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(because) && error.contains("p.rhai:1:"),
            "{source}: {error}"
        );
    }
}

#[test]
fn a_text_refers_to_an_object_in_one_reading_only() {
    let cases = [
        (r#""web""#, true),
        (&format!("\"{ID}\""), true),
        // The beginning of an id, and what is a name and could be such a beginning.
        (r#""0123456789ab""#, false),
        (r#""""#, false),
        (r#""/web""#, false),
        (r#""WEB""#, false),
        ("()", false),
    ];
    for (text, expected) in cases {
        let source = format!(
            r#"const LOOKUPS = ["container"];
            fn decide(req) {{ deny(`${{refers_to({text}, inspect("container", "web"))}}`) }}"#
        );
        assert_eq!(
            run(&source, &ask("GET", "/info")),
            format!("deny {expected}"),
            "{text}"
        );
    }
    let mut ask = ask("GET", "/info");
    let named = format!(r#"{{"Id":"{ID}","Name":"/cafe"}}"#);
    ask.engine.insert("/containers/cafe/json".to_owned(), named);
    let source = r#"const LOOKUPS = ["container"];
        fn decide(req) { deny(`${refers_to("cafe", inspect("container", "cafe"))}`) }"#;
    assert_eq!(run(source, &ask), "deny false");
}

fn input() -> ScriptRequest<'static> {
    ScriptRequest {
        method: "POST",
        path: "/containers/create",
        query: None,
        headers: &[],
        peer: None,
        container: &PeerContainer::NotAsked,
        socket: "s",
        has_body: true,
        changed: false,
        verdict: Verdict::Deny(Reason::NoRule),
    }
}

#[test]
fn steps_count_over_all_calls_for_one_request() {
    let source = r#"const LOOKUPS = ["container"];
        fn decide(req) {
            for n in range(0, 1000) { }
            inspect("container", "a"); inspect("container", "b"); inspect("container", "c");
            allow()
        }"#;
    let limits = |steps| doxy_script::Limits {
        steps,
        time: std::time::Duration::from_secs(60),
    };
    let ends = |steps| {
        let script = Script::compile("p.rhai", source.as_bytes())
            .unwrap()
            .with_limits(limits(steps));
        let mut lookups = Lookups::default();
        loop {
            match script.decide(&input(), Body::NotRead, &mut lookups) {
                Decision::NeedsLookup(lookup) => lookups.answer(lookup, Ok(None)),
                decision => break words(&decision),
            }
        }
    };
    assert_eq!(ends(100_000), "allow");
    // Enough for one call, and not for four.
    assert!(
        ends(2_500).contains("more than 2500 steps"),
        "{}",
        ends(2_500)
    );
}

#[test]
fn the_same_lookup_is_made_once_and_lines_are_printed_once() {
    let printed = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = std::sync::Arc::clone(&printed);
    let source = r#"const LOOKUPS = ["container"];
        fn decide(req) {
            print("begin");
            let one = inspect("container", "web");
            let body = req.json();
            let other = inspect("container", "web");
            if one.Name == other.Name { allow() } else { deny("changed") }
        }"#;
    let script = Script::compile("p.rhai", source.as_bytes())
        .unwrap()
        .on_print(move |line| sink.lock().unwrap().push(line.to_owned()));
    let mut lookups = Lookups::default();
    let mut asked = Vec::new();
    let mut body = Body::NotRead;
    let decision = loop {
        match script.decide(&input(), body, &mut lookups) {
            Decision::NeedsLookup(lookup) => {
                asked.push(lookup.target().to_owned());
                let answer = format!(r#"{{"Id":"{ID}","Name":"/web"}}"#);
                lookups.answer(lookup, Ok(Some(answer.as_bytes())));
            }
            Decision::NeedsBody => body = Body::Read(b"{}"),
            decision => break decision,
        }
    };
    assert_eq!(decision, Decision::Allow);
    assert_eq!(asked, ["/containers/web/json"]);
    assert_eq!(*printed.lock().unwrap(), ["begin"]);
}
