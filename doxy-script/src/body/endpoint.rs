//! Which endpoint reads which body, and bodies that no policy may let pass unread.

use super::shape::{self, Shape};
use crate::input::Input;

/// POST endpoints that read JSON: how the path begins, how it ends, what they read. Names in between may have
/// slashes in them, as they may for the engine.
static READERS: [(&str, &str, &Shape); 27] = [
    ("/containers/create", "", &shape::CREATE),
    ("/containers/", "/exec", &shape::EXEC),
    ("/containers/", "/start", &shape::HOST),
    ("/containers/", "/update", &shape::UPDATE),
    ("/containers/", "/copy", &shape::COPY),
    ("/exec/", "/start", &shape::EXEC_START),
    ("/commit", "", &shape::CREATE),
    ("/volumes/create", "", &shape::VOLUME),
    ("/networks/create", "", &shape::NETWORK),
    ("/networks/", "/connect", &shape::CONNECT),
    ("/networks/", "/disconnect", &shape::CONNECT),
    ("/services/create", "", &shape::SERVICE),
    ("/services/", "/update", &shape::SERVICE),
    ("/swarm/init", "", &shape::SWARM_INIT),
    ("/swarm/join", "", &shape::SWARM_JOIN),
    ("/swarm/update", "", &shape::SWARM),
    ("/swarm/unlock", "", &shape::SWARM_UNLOCK),
    ("/nodes/", "/update", &shape::NODE),
    ("/secrets/create", "", &shape::SECRET),
    ("/secrets/", "/update", &shape::SECRET),
    ("/configs/create", "", &shape::SECRET),
    ("/configs/", "/update", &shape::SECRET),
    ("/plugins/pull", "", &shape::GRANTS),
    ("/plugins/", "/upgrade", &shape::GRANTS),
    ("/plugins/", "/set", &shape::SETTINGS),
    ("/auth", "", &shape::AUTH),
    ("/volumes/", "", &shape::VOLUME_UPDATE),
];

/// The shape of the body that the engine expects there.
pub(crate) fn shape_of(method: &str, endpoint: &str) -> &'static Shape {
    let reads = |(start, end, _): &&(&str, &str, &'static Shape)| match (*start, *end) {
        ("/volumes/", _) => method == "PUT" && endpoint.starts_with("/volumes/"),
        _ if method != "POST" => false,
        (whole, "") => endpoint == whole,
        (start, end) => endpoint
            .strip_prefix(start)
            .is_some_and(|rest| rest.ends_with(end) && rest.len() > end.len()),
    };
    READERS
        .iter()
        .find(reads)
        .map_or(&Shape::Any, |(_, _, shape)| shape)
}

/// Bodies that change what the head of a request says, without being asked for: status and reason.
pub(crate) fn refuse_framing(input: &Input<'_>) -> Option<(u16, &'static str)> {
    if !input.has_body || !matches!(input.method, "POST" | "PUT" | "PATCH") {
        return None;
    }
    let (_, endpoint) = doxy_filter::split_version(input.path);
    if endpoint.starts_with("/containers/") && endpoint.ends_with("/start") {
        return Some((
            403,
            "a body on start is not allowed: old API versions rewrite the container with it",
        ));
    }
    // Go trims and folds by Unicode's rules, and takes more than this crate does for the name of a form.
    if input.header("content-type").any(|value| !value.is_ascii()) {
        return Some((415, "a Content-Type that is not ASCII is not allowed"));
    }
    let form = input.header("content-type").any(|value| {
        let kind = value.split(|byte| *byte == b';').next().unwrap_or_default();
        let kind = kind.trim_ascii().to_ascii_lowercase();
        kind == b"application/x-www-form-urlencoded" || kind.starts_with(b"multipart/")
    });
    form.then_some((
        415,
        "a form body is not allowed: the Docker engine would read it as part of the query; send the \
         parameters in the query, or a body of type application/json",
    ))
}

/// Every shape that some endpoint reads.
pub(super) fn all_shapes() -> impl Iterator<Item = &'static Shape> {
    READERS.iter().map(|(_, _, shape)| *shape)
}

#[cfg(test)]
mod tests {
    use super::{Shape, shape, shape_of};

    #[test]
    fn the_engine_s_own_routes() {
        for (method, endpoint, expected) in [
            ("POST", "/containers/create", &shape::CREATE),
            ("POST", "/containers/a/b/exec", &shape::EXEC),
            ("POST", "/containers/create/exec", &shape::EXEC),
            ("POST", "/exec/x/start", &shape::EXEC_START),
            ("POST", "/networks/create", &shape::NETWORK),
            ("POST", "/networks/create/connect", &shape::CONNECT),
            ("PUT", "/volumes/v", &shape::VOLUME_UPDATE),
        ] {
            let found = shape_of(method, endpoint);
            assert_eq!(
                std::ptr::from_ref(found),
                std::ptr::from_ref(expected),
                "{endpoint}"
            );
        }
        assert!(matches!(shape_of("GET", "/containers/create"), Shape::Any));
        for endpoint in ["/build", "/containers/exec", "/images/create"] {
            assert!(
                matches!(shape_of("POST", endpoint), Shape::Any),
                "{endpoint}"
            );
        }
    }
}
