//! `req`: the request itself.

use std::sync::Arc;

use doxy_filter::api::{endpoint_of, object_of};
use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext, Position};

use super::headers::Headers;
use super::object;
use super::query::Query;
use crate::budget::{Stop, stop};
use crate::reads::{Part, note};
use crate::request::{Certificate, Container, Content, OwnedRequest, Peer, PeerContainer};

/// The properties of `req`.
pub(crate) const PROPERTIES: [&str; 11] = [
    "method", "path", "endpoint", "version", "template", "object", "query", "headers", "peer",
    "socket", "matched",
];

/// The properties of `req.peer`, `req.matched` and `req.object`.
pub(crate) const PARTS: [&str; 13] = [
    "uid",
    "gid",
    "pid",
    "address",
    "port",
    "subject",
    "sans",
    "spki",
    "container",
    "allowed",
    "rule",
    "kind",
    "name",
];

/// `req`: a handle to the request.
#[derive(Debug, Clone)]
pub(crate) struct Req(pub(crate) Arc<OwnedRequest>);

/// `req.peer`: who connected. What is not known of a peer is `()`: the user over TCP, the address over
/// a unix socket.
#[derive(Debug, Clone)]
struct PeerView(Arc<OwnedRequest>);

/// `req.object`: the object that the path names.
#[derive(Debug, Clone)]
struct ObjectView {
    kind: &'static str,
    name: ImmutableString,
}

/// `req.matched`: what the rules say.
#[derive(Debug, Clone)]
struct Matched(Arc<OwnedRequest>);

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Req>("request")
        .register_get("method", |req: &mut Req| req.0.method())
        .register_get("path", |req: &mut Req| {
            note(Part::Path);
            req.0.path()
        })
        .register_get("endpoint", |req: &mut Req| {
            note(Part::Endpoint);
            req.0.endpoint()
        })
        .register_get("version", |req: &mut Req| {
            note(Part::Version);
            req.0.version()
        })
        .register_get("template", |req: &mut Req| {
            let endpoint = endpoint_of(&req.0.method(), &req.0.path());
            endpoint.map_or(Dynamic::UNIT, |endpoint| text(endpoint.template).into())
        })
        .register_get("object", |req: &mut Req| object_view(&req.0))
        .register_type_with_name::<ObjectView>("object in the path")
        .register_get("kind", |object: &mut ObjectView| text(object.kind))
        .register_get("name", |object: &mut ObjectView| {
            note(Part::Object);
            object.name.clone()
        })
        .register_get("socket", |req: &mut Req| req.0.socket())
        .register_get("query", |context: NativeCallContext<'_>, req: &mut Req| {
            Query::of(&req.0, context.call_position())
        })
        .register_get("headers", |req: &mut Req| {
            note(Part::Headers);
            Headers(Arc::clone(&req.0))
        })
        .register_get("peer", |req: &mut Req| PeerView(Arc::clone(&req.0)))
        .register_get("matched", |req: &mut Req| {
            note(Part::Matched);
            Matched(Arc::clone(&req.0))
        })
        .register_fn("json", body)
        .register_type_with_name::<PeerView>("peer")
        .register_get("uid", |peer: &mut PeerView| match known(peer, Part::User) {
            Some(Peer::Unix { uid, .. }) => Dynamic::from_int((*uid).into()),
            _ => Dynamic::UNIT,
        })
        .register_get("gid", |peer: &mut PeerView| match known(peer, Part::User) {
            Some(Peer::Unix { gid, .. }) => Dynamic::from_int((*gid).into()),
            _ => Dynamic::UNIT,
        })
        .register_get("pid", |peer: &mut PeerView| {
            match known(peer, Part::Process) {
                Some(Peer::Unix { pid: Some(pid), .. }) => Dynamic::from_int((*pid).into()),
                _ => Dynamic::UNIT,
            }
        })
        .register_get("address", |peer: &mut PeerView| {
            match known(peer, Part::Network) {
                Some(Peer::Net { address, .. }) => address.ip().to_string().into(),
                _ => Dynamic::UNIT,
            }
        })
        .register_get("port", |peer: &mut PeerView| {
            match known(peer, Part::Network) {
                Some(Peer::Net { address, .. }) => Dynamic::from_int(address.port().into()),
                _ => Dynamic::UNIT,
            }
        })
        .register_get("subject", |peer: &mut PeerView| {
            let shown = certificate(&peer.0);
            shown.map_or(Dynamic::UNIT, |shown| text(&shown.subject).into())
        })
        .register_get("sans", |peer: &mut PeerView| {
            let names = certificate(&peer.0).map(|shown| shown.sans.iter());
            names.map_or(Dynamic::UNIT, |names| {
                let names: Array = names.map(|name| text(name).into()).collect();
                names.into()
            })
        })
        .register_get("spki", |peer: &mut PeerView| {
            certificate(&peer.0).map_or(Dynamic::UNIT, |shown| {
                let digits = shown.spki.iter().map(|byte| format!("{byte:02x}"));
                digits.collect::<String>().into()
            })
        })
        .register_get("container", container)
        .register_type_with_name::<Matched>("matched")
        .register_get("allowed", |matched: &mut Matched| matched.0.allowed)
        .register_get("rule", |matched: &mut Matched| {
            matched
                .0
                .rule()
                .map_or(Dynamic::UNIT, |rule| text(rule).into())
        });
}

/// Who connected, for a policy that reads this part.
fn known(peer: &PeerView, part: Part) -> Option<&Peer> {
    note(part);
    peer.0.peer.as_ref()
}

/// The certificate that the peer has shown.
fn certificate(request: &OwnedRequest) -> Option<&Certificate> {
    note(Part::Network);
    match &request.peer {
        Some(Peer::Net { certificate, .. }) => certificate.as_ref(),
        _ => None,
    }
}

fn text(text: &str) -> ImmutableString {
    text.into()
}

/// The object that the path names, or `()`.
fn object_view(request: &OwnedRequest) -> Dynamic {
    let path = request.path();
    let object = object_of(&request.method(), &path);
    object.map_or(Dynamic::UNIT, |object| {
        Dynamic::from(ObjectView {
            kind: object.kind.word(),
            name: text(path.get(object.name).unwrap_or_default()),
        })
    })
}

/// `req.peer.container`: the container that the peer is in, or `()`.
fn container(
    context: NativeCallContext<'_>,
    peer: &mut PeerView,
) -> Result<Dynamic, Box<EvalAltResult>> {
    match &peer.0.container {
        PeerContainer::Known(Container(doc)) => Ok(object::value(doc, doc.root())),
        PeerContainer::Unknown => Ok(Dynamic::UNIT),
        PeerContainer::NotAsked => Err(stop(Stop::NeedsContainer, context.call_position())),
    }
}

/// `req.json()`: the body. Without one it is `()`.
fn body(context: NativeCallContext<'_>, req: &mut Req) -> Result<Dynamic, Box<EvalAltResult>> {
    match &req.0.content {
        Content::Read(doc) => Ok(object::value(doc, doc.root())),
        Content::Refused(reason) => Err(stop(
            Stop::Rejected(reason.clone()),
            context.call_position(),
        )),
        Content::NotRead if req.0.has_body => Err(stop(Stop::NeedsBody, Position::NONE)),
        Content::NotRead => Ok(Dynamic::UNIT),
    }
}
