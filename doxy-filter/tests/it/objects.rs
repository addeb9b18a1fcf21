//! Which object a path names, and the target that asks for it.

use doxy_filter::api::{ObjectKind, object_of};

#[test]
fn the_object_that_a_path_names() {
    let cases = [
        ("GET", "/v1.41/containers/web/json", "container web"),
        ("DELETE", "/containers/web", "container web"),
        ("GET", "/containers/web/attach/ws", "container web"),
        ("DELETE", "/containers/web/checkpoints/one", "container web"),
        ("GET", "/containers/json", ""),
        ("POST", "/containers/create", ""),
        ("GET", "/containers/json/json", "container json"),
        // The engine takes all of it as the name.
        ("GET", "/containers/a/b/json", "container a/b"),
        ("POST", "/exec/e1/start", "exec e1"),
        ("GET", "/networks/net", "network net"),
        ("POST", "/networks/net/connect", "network net"),
        ("GET", "/networks", ""),
        ("GET", "/images/org/app:1/json", "image org/app:1"),
        ("DELETE", "/images/app", "image app"),
        ("GET", "/volumes/data", "volume data"),
        ("POST", "/services/web/update", "service web"),
        ("GET", "/tasks/t/logs", "task t"),
        ("DELETE", "/nodes/n", "node n"),
        ("GET", "/v4.0.0/libpod/containers/web/json", "container web"),
        ("GET", "/info", ""),
        // The engine's router serves it; the name is empty.
        ("DELETE", "/containers/", ""),
        ("GET", "/plugins/p/json", ""),
        ("PUT", "/containers/web/json", ""),
    ];
    for (method, path, expected) in cases {
        let found = object_of(method, path).map_or(String::new(), |object| {
            format!("{} {}", object.kind.word(), path.get(object.name).unwrap())
        });
        assert_eq!(found, expected, "{method} {path}");
    }
}

#[test]
fn the_target_that_asks_for_an_object() {
    let cases = [
        (ObjectKind::Container, "web", Some("/containers/web/json")),
        (ObjectKind::Exec, "e1", Some("/exec/e1/json")),
        (
            ObjectKind::Image,
            "org/app:1",
            Some("/images/org/app:1/json"),
        ),
        (ObjectKind::Image, "sha256:0", Some("/images/sha256:0/json")),
        (ObjectKind::Network, "net", Some("/networks/net")),
        (ObjectKind::Volume, "data", Some("/volumes/data")),
        (ObjectKind::Service, "web", Some("/services/web")),
        (ObjectKind::Task, "t", Some("/tasks/t")),
        (ObjectKind::Node, "n", Some("/nodes/n")),
        (ObjectKind::Container, "", None),
        (ObjectKind::Container, ".", None),
        (ObjectKind::Container, "..", None),
        (ObjectKind::Container, "a/b", None),
        (ObjectKind::Container, "a?b", None),
        (ObjectKind::Container, "a%2Fb", None),
        (ObjectKind::Container, "a b", None),
        (ObjectKind::Container, "é", None),
        (ObjectKind::Image, "a//b", None),
        (ObjectKind::Image, "a/../b", None),
        (ObjectKind::Image, "a/", None),
    ];
    for (kind, name, expected) in cases {
        assert_eq!(kind.target(name).as_deref(), expected, "{kind:?} {name}");
        // What it asks for is described at an endpoint that names this object.
        if let Some(target) = expected {
            let object = object_of("GET", target).unwrap();
            assert_eq!(
                (object.kind, target.get(object.name).unwrap()),
                (kind, name)
            );
        }
    }
    let target = |length| ObjectKind::Container.target(&"a".repeat(length));
    assert!(target(255).is_some() && target(256).is_none());
    for kind in ObjectKind::ALL {
        assert_eq!(ObjectKind::of(kind.word()), Some(kind));
    }
}

#[test]
fn what_identifies_an_object_and_what_is_said_without_it() {
    let cases = [
        (ObjectKind::Container, Some("Id"), "No such container: x"),
        (ObjectKind::Exec, Some("ID"), "No such exec instance: x"),
        (ObjectKind::Image, None, "No such image: x"),
        (ObjectKind::Network, Some("Id"), "network x not found"),
        (ObjectKind::Volume, None, "get x: no such volume"),
        (ObjectKind::Service, Some("ID"), "service x not found"),
        (ObjectKind::Task, Some("ID"), "task x not found"),
        (ObjectKind::Node, Some("ID"), "node x not found"),
    ];
    for (kind, id, absent) in cases {
        assert_eq!((kind.id_field(), &*kind.absent("x")), (id, absent));
    }
}
