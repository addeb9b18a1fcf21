//! What holds for any body, query and script.

use doxy_script::{Decision, Script};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{Ask, words};

/// JSON text as clients could make it: any order, duplicates, odd spellings, escapes.
fn json() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("HostConfig"),
        Just("hostconfig"),
        Just("Privileged"),
        Just("privileged"),
        Just("Binds"),
        Just("Labels"),
        Just("labels"),
        Just("Mounts"),
        Just("Type"),
        Just("CapAdd"),
        Just("x"),
        Just("X"),
        Just("Ho\u{17f}tConfig"),
        Just("\\u0050rivileged"),
        Just("Cmd"),
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("0".to_owned()),
        any::<i32>().prop_map(|n| n.to_string()),
        "[a-z/:]{0,6}".prop_map(|text| format!("\"{text}\"")),
        Just("1.5e3".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| format!("\"{key}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// Go's decoder on a struct or a map of structs, as far as these fields go: merges what is there twice, without regard to
/// case where keys are fields.
fn merged(text: &str) -> Option<GoHost> {
    let value: Ordered = serde_json::from_str(text).ok()?;
    let mut host = GoHost::default();
    for (key, value) in value.object()? {
        if folds(key, "HostConfig") {
            match value {
                Ordered::Null => host = GoHost::default(),
                value => host.read(value.object()?),
            }
        }
    }
    Some(host)
}

#[derive(Debug, Default)]
struct GoHost {
    privileged: bool,
    binds: usize,
}

impl GoHost {
    fn read(&mut self, members: &[(String, Ordered)]) {
        for (key, value) in members {
            match value {
                Ordered::Bool(truth) if folds(key, "Privileged") => self.privileged = *truth,
                Ordered::List(items) if folds(key, "Binds") => self.binds = items.len(),
                Ordered::Null if folds(key, "Binds") => self.binds = 0,
                _ => {}
            }
        }
    }
}

fn folds(key: &str, field: &str) -> bool {
    key.replace('\u{17f}', "s")
        .replace('\u{212a}', "k")
        .eq_ignore_ascii_case(field)
}

/// JSON with its duplicates.
#[derive(Debug)]
enum Ordered {
    Null,
    Bool(bool),
    Other,
    List(Vec<Ordered>),
    Object(Vec<(String, Ordered)>),
}

impl Ordered {
    fn object(&self) -> Option<&[(String, Ordered)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }
}

impl<'de> serde::Deserialize<'de> for Ordered {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Ordered;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Ordered, E> {
                Ok(Ordered::Null)
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Ordered, E> {
                Ok(Ordered::Bool(truth))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Ordered, E> {
                Ok(Ordered::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Ordered, E> {
                Ok(Ordered::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Ordered, E> {
                Ok(Ordered::Other)
            }
            fn visit_str<E>(self, _: &str) -> Result<Ordered, E> {
                Ok(Ordered::Other)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<Ordered, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Ordered::List(list))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut members: A,
            ) -> Result<Ordered, A::Error> {
                let mut object = Vec::new();
                while let Some(member) = members.next_entry()? {
                    object.push(member);
                }
                Ok(Ordered::Object(object))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

const LOOK: &str = r#"fn decide(req) {
    let host = req.json().HostConfig;
    deny(`${host.Privileged == true} ${host.Binds.len()}`)
}"#;

/// Writes the body again, as the script sees it.
const ECHO: &str = r#"
fn show(x) {
    switch type_of(x) {
        "object" => {
            let parts = [];
            for key in x.keys() { parts.push(`"${key}":${show(x[key])}`); }
            `{${parts.join(",")}}`
        }
        "array" => {
            let parts = [];
            for item in x { parts.push(show(item)); }
            `[${parts.join(",")}]`
        }
        "string" => `"${x}"`,
        "()" => "null",
        _ => `${x}`,
    }
}
fn decide(req) { print(show(req.json())); allow() }"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_seen_is_what_go_reads_or_the_body_is_refused(text in json()) {
        let script = Script::compile("p", LOOK.as_bytes()).unwrap();
        let decision = Ask::new("POST", "/containers/create").body(text.clone()).of(&script, None);
        if let Decision::Deny { reason, .. } = decision
            && let Some(go) = merged(&text)
        {
            prop_assert_eq!(reason, format!("{} {}", go.privileged, go.binds), "{}", text);
        }
    }

    #[test]
    fn what_is_read_is_what_another_reader_reads(text in json()) {
        use std::sync::{Arc, Mutex};

        let seen = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&seen);
        let script = Script::compile("p", ECHO.as_bytes()).unwrap().on_print(move |line| {
            line.clone_into(&mut sink.lock().unwrap());
        });
        // Where nothing is known of the endpoint, nothing but duplicates is refused.
        if Ask::new("POST", "/unknown").body(text.clone()).of(&script, None) == Decision::Allow {
            let seen = seen.lock().unwrap();
            // A line is cut where it gets too long.
            if seen.chars().count() < 1024 {
                let ours: Value = serde_json::from_str(&seen).unwrap();
                let theirs: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(ours, theirs, "{}", text);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200), query in "[ -~]{0,40}") {
        let script = Script::compile("p", br#"fn decide(req) { req.json(); req.query.x; allow() }"#).unwrap();
        let decision = Ask::new("POST", &format!("/containers/create?{query}")).body(body).of(&script, None);
        let judged = matches!(decision, Decision::Allow | Decision::Failed { .. });
        prop_assert!(judged);
    }

    #[test]
    fn almost_json_is_read_as_strictly_as_by_another_reader(text in r#"[{}\[\]":,0-9a-c\\eE+.\-nultruefas ]{0,24}"#) {
        let script = Script::compile("p", b"fn decide(req) { req.json(); allow() }").unwrap();
        let decision = Ask::new("POST", "/unknown").body(text.clone()).of(&script, None);
        if decision == Decision::Allow && !text.is_empty() {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn any_text_is_compiled_or_refused(text in "[ -~\n]{0,120}") {
        let wrapped = format!("fn decide(req) {{ {text} }}");
        for source in [text, wrapped] {
            match Script::compile("p", source.as_bytes()) {
                Ok(script) => drop(words(&Ask::new("GET", "/").of(&script, None))),
                Err(error) => prop_assert!(error.to_string().contains("\nhelp: ")),
            }
        }
    }
}
