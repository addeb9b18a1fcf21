//! The life of a request, from its head to the last byte of its answer. Open this file first.
//!
//! Every step is one call into the file that owns it; what is done here is their order.

use std::future::pending;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response};

use crate::client_io::Client;
use crate::policy::Policy;
use crate::record::Record;
use crate::stream::{self, Answer};
use crate::upstream::{Reply, Upstream};
use crate::{forward, request, respond};

/// What the requests of one proxy have in common.
#[derive(Debug)]
pub struct Proxy {
    /// Who may ask for what.
    pub policy: Policy,
    /// Who answers.
    pub upstream: Arc<Upstream>,
}

/// Answers one request: by the engine if the policy allows it, else with the reason why not.
///
/// `server` accepts the connection and `connection` hands over what hyper has read from it.
pub(crate) async fn handle(
    request: Request<Incoming>,
    proxy: &Proxy,
    client: Arc<Client>,
) -> Response<Answer> {
    let mut record = Record::open(&request);
    client.serving(&request);
    let reply = async {
        let inbound = request::read(request)?; // parse
        let permit = proxy.policy.decide(inbound, &mut record)?; // decide
        forward::send(permit, &proxy.upstream).await // forward
    };
    match reply.await {
        Ok(Reply::Answer(response, lease)) => stream::relay(response, lease, record, client), // stream
        Ok(Reply::Switched(switched)) => {
            // No HTTP any more: `connection` takes over, and drops this future with hyper.
            client.switch(switched, record);
            pending().await
        }
        Err(error) => {
            record.refused(&error);
            stream::own(respond::answer(&error), record, client)
        }
    } // log: the body owns the record, and writes it when the answer has ended
}
