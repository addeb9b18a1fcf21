//! Answers as engines give them, and others.

use std::error::Error;

use serde_json::json;

use super::*;

const ID: &str = "4f5a0c1d2e3b4a59687766554433221100ffeeddccbbaa998877665544332211";
const OTHER: &str = "aa00bb11cc22dd33ee44ff5566778899aa00bb11cc22dd33ee44ff5566778899";

fn description() -> Value {
    json!({
        "Id": ID, "Name": "/web", "Image": "sha256:b0",
        "State": {"Running": true, "Pid": 7},
        "Config": {"Image": "web:1", "Labels": {"a": ""}},
    })
}

#[test]
fn a_container_that_runs() -> Result<(), Box<dyn Error>> {
    let Running { container, pid } = running(&description(), ID)?.ok_or("it does not run")?;
    assert_eq!((&*container.id, &*container.name, pid), (ID, "web", 7));
    assert_eq!(
        (&*container.image, container.labels.get("a")),
        ("web:1", Some(&String::new()))
    );
    Ok(())
}

/// Each changes one thing. None: the container does not run. An error: the answer is not to go by.
#[test]
fn what_is_missing_or_strange_is_never_passed_over() {
    let changes: [(&str, Value, Option<bool>); 12] = [
        ("/State/Pid", json!(0), Some(false)),
        ("/State/Pid", json!(-1), Some(false)),
        ("/State/Running", json!(false), Some(false)),
        ("/State/Pid", json!(1_u64 << 40), None),
        ("/State/Pid", json!("7"), None),
        ("/State", json!(null), None),
        ("/Id", json!(OTHER), None),
        ("/Name", json!(null), None),
        ("/Config/Image", json!(1), None),
        ("/Config/Labels", json!({"a": 1}), None),
        ("/Config/Labels", json!([]), None),
        ("/Config/Labels", json!(null), Some(true)),
    ];
    for (at, value, expected) in changes {
        let mut changed = description();
        if let Some(place) = changed.pointer_mut(at) {
            *place = value;
        }
        let got = running(&changed, ID).ok().map(|running| running.is_some());
        assert_eq!(got, expected, "{at}: {changed}");
    }
}

fn listed(id: &str, mode: &str, networks: Value) -> Value {
    json!({
        "Id": id, "Names": ["/web", "/other/alias"], "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": networks},
    })
}

fn at(v4: &str, v6: &str) -> Value {
    json!({"IPAddress": v4, "GlobalIPv6Address": v6})
}

#[test]
fn who_has_an_address() -> Result<(), Box<dyn Error>> {
    let (v4, v6) = ("172.18.0.2", "2001:db8::2");
    let two = || json!({"a": at(v4, ""), "b": at("172.19.0.9", v6)});
    let web = || listed(ID, "a", two());
    for (list, ip, expected) in [
        (vec![web()], v4, &[ID][..]),
        (vec![web()], "172.19.0.9", &[ID]),
        (vec![web()], v6, &[ID]),
        // However the engine writes it.
        (
            vec![listed(ID, "a", json!({"a": at("", "2001:DB8:0::2")}))],
            v6,
            &[ID],
        ),
        // The gateway, an address that begins like it, none at all.
        (vec![web()], "172.18.0.1", &[]),
        (vec![web()], "172.18.0.20", &[]),
        (vec![], v4, &[]),
        // One that has ended has no address; one of the host's network never has.
        (vec![listed(ID, "a", json!({"a": at("", "")}))], v4, &[]),
        (
            vec![listed(ID, "host", json!({"host": at("", "")}))],
            v4,
            &[],
        ),
        (vec![listed(ID, "none", json!(null))], v4, &[]),
        // In both networks of one container, it is still one.
        (
            vec![listed(ID, "a", json!({"a": at(v4, ""), "b": at(v4, "")}))],
            v4,
            &[ID],
        ),
        // Two networks may have the same addresses.
        (
            vec![web(), listed(OTHER, "c", json!({"c": at(v4, "")}))],
            v4,
            &[ID, OTHER],
        ),
        // In the network of the other.
        (
            vec![web(), listed(OTHER, &format!("container:{ID}"), json!({}))],
            v4,
            &[OTHER, ID],
        ),
        (
            vec![listed(OTHER, "container:4f5a0c1d", json!({})), web()],
            v4,
            &[OTHER, ID],
        ),
        (
            vec![web(), listed(OTHER, "container:web", json!({}))],
            v4,
            &[OTHER, ID],
        ),
        (
            vec![web(), listed(OTHER, "container:db", json!({}))],
            v4,
            &[ID],
        ),
    ] {
        let list = Value::from(list);
        let mut found = with_address(&list, ip.parse()?).ok_or("unread")?;
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{ip} {list}");
    }
    Ok(())
}

#[test]
fn a_list_that_cannot_be_read_says_nothing() -> Result<(), Box<dyn Error>> {
    let ip = "172.18.0.2".parse()?;
    let mut lists = vec![json!({}), json!([1]), json!(null)];
    for field in ["Id", "NetworkSettings", "HostConfig"] {
        // A second one, of which it is not known what it has.
        let mut other = listed(OTHER, "b", json!({}));
        if let Some(other) = other.as_object_mut() {
            other.remove(field);
        }
        lists.push(json!([
            listed(ID, "a", json!({"a": at("172.18.0.2", "")})),
            other
        ]));
    }
    for list in lists {
        assert_eq!(with_address(&list, ip), None, "{list}");
    }
    Ok(())
}
