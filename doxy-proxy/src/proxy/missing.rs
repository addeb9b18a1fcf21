//! Gets what the policy has to know before it decides: a request's body, or the engine's answer to a
//! question. Nothing here decides.

use tokio::time::timeout;

use crate::http::collect::{CollectError, RequestBody, collect};
use crate::http::request::ValidRequest;
use crate::metrics::Metrics;
use crate::metrics::shares::Share;
use crate::net::buffer::ReadBuf;
use crate::net::stream::Stream;
#[cfg(feature = "script")]
use crate::policy::{Lookup, Lookups, Unanswered};
use crate::proxy::service::Service;
#[cfg(feature = "script")]
use crate::shares::memory::Held;
use crate::shares::sharer::Sharer;
#[cfg(feature = "script")]
use crate::upstream::LookupError;

/// Reads a body that the policy asks for.
pub(super) async fn read_body(
    request: &mut ValidRequest<'_, '_>,
    stream: &Stream,
    input: &mut ReadBuf,
    service: &Service,
    sharer: Sharer,
) {
    let exchange = request.exchange;
    let limit = service.limits.body;
    let read = async {
        if exchange
            .framing
            .length()
            .is_some_and(|length| length > limit)
        {
            return Err(CollectError::TooLarge);
        }
        if exchange.expect_continue && input.is_empty() {
            // If the client is gone, the read below notices it.
            let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        let memory = (&service.shares.memory, sharer);
        collect(exchange.framing, stream, input, memory, limit).await
    };
    let read = timeout(service.limits.head, read).await;
    let read = read.unwrap_or(Err(CollectError::TimedOut));
    if let (Err(CollectError::NoMemory), Some(Metrics(metrics))) = (&read, &service.metrics) {
        metrics.shares.add(Share::Memory, sharer.identity.kind());
    }
    request.body = match read {
        Ok(body) => RequestBody::Collected(body),
        Err(error) => RequestBody::Unreadable(match error {
            CollectError::TooLarge => {
                format!("the body is larger than {limit} bytes (--max-body)").into()
            }
            CollectError::NoMemory => "too many bodies are being judged, try again later".into(),
            CollectError::Broken => "the body ended early or is not framed correctly".into(),
            CollectError::TimedOut => "the body did not come in time to be judged".into(),
        }),
    };
}

/// Asks the engine what the policy wants to know.
#[cfg(feature = "script")]
pub(super) async fn look_up(
    lookup: Box<Lookup>,
    (lookups, held): (&mut Lookups, &mut Option<Box<Held>>),
    service: &Service,
    sharer: Sharer,
) {
    let metrics = service.metrics.as_ref();
    let mut answer = {
        let _slot = service.shares.slots.take(sharer).await;
        service.upstream.look_up(lookup.target()).await
    };
    if let Ok(Some(bytes)) = &answer
        && !hold(held, bytes.len(), service, sharer).await
    {
        let reason = "too many requests are being judged, try again later";
        if let Some(Metrics(metrics)) = metrics {
            metrics.shares.add(Share::Memory, sharer.identity.kind());
        }
        answer = Err(LookupError::Failed(reason.to_owned()));
    }
    if let Some(Metrics(metrics)) = metrics {
        metrics.script.lookups.add(1);
        let failed = matches!(answer, Err(LookupError::Failed(_)));
        metrics.script.failed_lookups.add(u64::from(failed));
    }
    let answer = match &answer {
        Ok(bytes) => Ok(bytes.as_deref()),
        Err(LookupError::NotOne) => Err(Unanswered::NotOne),
        Err(LookupError::Failed(reason)) => Err(Unanswered::Failed(reason.clone())),
    };
    lookups.answer(*lookup, answer);
}

/// Holds memory for one more answer. False if there is none, and the peer has its share.
#[cfg(feature = "script")]
async fn hold(
    held: &mut Option<Box<Held>>,
    bytes: usize,
    service: &Service,
    sharer: Sharer,
) -> bool {
    let limit = service.limits.body;
    match held {
        Some(held) => held.grow(bytes, limit),
        None => {
            let memory = service.shares.memory.hold(sharer, bytes, limit);
            let got = timeout(service.limits.head, memory).await;
            *held = got.ok().flatten().map(Box::new);
            held.is_some()
        }
    }
}
