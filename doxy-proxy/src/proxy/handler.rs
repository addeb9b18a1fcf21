//! The life of a request, from its head to the last byte of the response. Open this file first.
//!
//! Each step is one call into the folder that owns it. What is done here is their order.

use std::time::Duration;

use doxy_filter::Verdict;
use tokio::time::timeout;

use crate::facts::Outcome;
use crate::http::collect::RequestBody;
use crate::http::request::{Exchange, Head, HeaderSlots, Rejected, ValidRequest, header_slots};
use crate::log::context::LogContext;
use crate::log::probe;
use crate::log::record::RequestRecord;
use crate::net::buffer::ReadBuf;
use crate::net::peer::Peer;
use crate::net::stream::Stream;
#[cfg(feature = "script")]
use crate::policy::Lookup;
use crate::policy::{Decision, Lookups, Origin, Policy};
use crate::proxy::browser;
use crate::proxy::client::{Client, Next};
#[cfg(feature = "script")]
use crate::proxy::containers;
use crate::proxy::error::Error;
use crate::proxy::exchange::forward;
#[cfg(feature = "script")]
use crate::proxy::missing::look_up;
use crate::proxy::missing::read_body;
use crate::proxy::respond::{self, Reply};
use crate::proxy::service::Service;
use crate::proxy::upstream_request::UpstreamRequest;
use crate::shares::connections::Place;

/// How long a client may take to read a response of doxy's own.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers one request, whose head of `length` bytes has come: with the engine's response if the
/// policy allows it, else with the reason why not. Says what becomes of the connection.
pub(crate) async fn handle(
    client: &mut Client,
    length: usize,
    service: &Service,
    place: &Place,
) -> Next {
    // accept: the connection stands, and with it who asks
    let policy = service.policy.load();
    let Client { stream, input, log } = client;
    log.forget_failure();
    let log = &*log;
    let mut record = RequestRecord::open(log, service.request_ids.next());
    let head = input.unread().get(..length).unwrap_or_default();
    let mut behind = None;

    let sharer = || service.shares.of(&log.peer);
    let decided = {
        let mut lookups = Lookups::default();
        // The answers take memory until the request is decided.
        #[cfg(feature = "script")]
        let mut held = None;
        // Only a script takes so long that peers have to take turns.
        let turn = match policy.asks_script() {
            true => Some(service.shares.turns.take(sharer()).await),
            false => None,
        };

        // parse
        let mut step = {
            let mut slots = header_slots();
            match parse(head, &mut slots, &log.peer, service, &mut record) {
                Ok(request) => {
                    let verdict = policy.match_rules(&request);
                    decide(
                        (&policy, log, service),
                        request,
                        verdict,
                        &mut lookups,
                        &mut record,
                    )
                }
                Err(refused) => Step::Decided(Err(*refused)),
            }
        };
        drop(turn);

        // decide: until the policy has all it asks for
        loop {
            let (mut undecided, missing) = match step.decided() {
                Ok(decided) => break decided,
                Err(missing) => missing,
            };
            match missing {
                Missing::Body => {
                    let rest = behind.get_or_insert_with(|| {
                        let read = input.unread().get(length..).unwrap_or_default();
                        Box::new(ReadBuf::from_block(read.to_vec().into(), read.len()))
                    });
                    let body = read_body(&mut undecided.0, stream, rest, service, sharer());
                    Box::pin(body).await;
                }
                #[cfg(feature = "script")]
                Missing::Answer(lookup) => {
                    let answers = (&mut lookups, &mut held);
                    Box::pin(look_up(lookup, answers, service, sharer())).await;
                }
                #[cfg(feature = "script")]
                Missing::Nothing => {}
                #[cfg(feature = "script")]
                Missing::Container => Box::pin(containers::find(stream, log, service)).await,
            }
            let _turn = Box::pin(service.shares.turns.take(sharer())).await;
            let (request, verdict) = *undecided;
            step = decide(
                (&policy, log, service),
                request,
                verdict,
                &mut lookups,
                &mut record,
            );
        }
    };
    input.consume(length);
    if let Some(rest) = behind {
        *input = *rest;
    }

    // forward, and stream what comes back
    let stopping = || place.is_stopping();
    let refused = match decided {
        Ok(mut request) => {
            record.decided();
            // Of a body it is unknown how much the engine has got.
            let unread = request.unread_body().filter(|length| *length == 0);
            let upstream = &service.upstream;
            let done = forward(&mut request, stream, input, upstream, &record, stopping);
            match Box::pin(done).await {
                Ok(next) => return next,
                Err(error) => Refused {
                    error,
                    exchange: Some(request.exchange),
                    unread,
                    suggestion: None,
                },
            }
        }
        Err(refused) => refused,
    };

    // or answer it here
    let (reply, next) = refused.reply(input, stopping(), &mut record);
    send(stream, reply, next, &record).await
} // log: the record is written when it is dropped

/// Refuses what cannot be read as a request, or a connection that is not served.
pub(crate) async fn refuse(error: &Error, client: &mut Client, service: &Service) -> Next {
    error.tell(&client.log);
    let mut record = RequestRecord::open(&client.log, service.request_ids.next());
    error.note(&mut record);
    let reply = respond::reply(error, record.id, None, None, true);
    send(&client.stream, reply, Next::Linger, &record).await
}

/// What is to be done with a request.
enum Step<'p, 'b> {
    /// Forward it, or answer it here.
    Decided(Result<UpstreamRequest, Refused>),
    /// Get what is missing, then ask the policy again. What the rules say stays.
    Undecided(Undecided<'p, 'b>, Missing),
}

/// What the policy has to know before it decides.
enum Missing {
    /// The body of the request.
    Body,
    /// The engine's answer to this.
    #[cfg(feature = "script")]
    Answer(Box<Lookup>),
    /// The container that the peer is in.
    #[cfg(feature = "script")]
    Container,
    /// Nothing: it has changed the request, and has to judge what came of it.
    #[cfg(feature = "script")]
    Nothing,
}

impl<'p, 'b> Step<'p, 'b> {
    /// What was decided, or the request that waits, and for what. By value: what is left of a step
    /// would take room in the task of every connection.
    fn decided(self) -> Result<Result<UpstreamRequest, Refused>, (Undecided<'p, 'b>, Missing)> {
        match self {
            Self::Decided(decided) => Ok(decided),
            Self::Undecided(request, missing) => Err((request, missing)),
        }
    }
}

/// A request that waits for what the policy asks for, and what the rules say.
type Undecided<'p, 'b> = Box<(ValidRequest<'b, 'b>, Verdict<'p>)>;

/// A request that doxy answers itself.
struct Refused {
    error: Error,
    /// None if nothing is known about how the request is framed.
    exchange: Option<Exchange>,
    /// The length of the body that is still to be read, if it is known.
    unread: Option<usize>,
    /// The rule that would allow it, if the client is to know.
    suggestion: Option<Box<str>>,
}

impl Refused {
    /// The response, and what becomes of the connection. If all of the request's body is in `input`,
    /// the next request begins behind it, and the connection can go on.
    fn reply(
        self,
        input: &mut ReadBuf,
        stopping: bool,
        record: &mut RequestRecord<'_>,
    ) -> (Reply, Next) {
        self.error.note(record);
        let here = self.unread.filter(|length| *length <= input.unread().len());
        let next = match (here, self.exchange) {
            (Some(length), Some(exchange)) if !matches!(self.error, Error::BadRequest(_)) => {
                input.consume(length);
                if exchange.keep_alive && !stopping {
                    Next::Request
                } else {
                    Next::Close
                }
            }
            (Some(_), _) => Next::Close,
            (None, _) => Next::Linger,
        };
        let suggestion = self.suggestion.as_deref();
        let closes = next != Next::Request;
        let reply = respond::reply(&self.error, record.id, suggestion, self.exchange, closes);
        (reply, next)
    }
}

fn parse<'s, 'b>(
    head: &'b [u8],
    slots: &'s mut HeaderSlots<'b>,
    peer: &Peer,
    service: &Service,
    record: &mut RequestRecord<'_>,
) -> Result<ValidRequest<'s, 'b>, Box<Refused>> {
    let refused = |Rejected { error, exchange }| {
        Box::new(Refused {
            error: Error::BadRequest(error),
            exchange,
            unread: None,
            suggestion: None,
        })
    };
    let head = Head::parse(head, slots).map_err(|error| refused(error.into()))?;
    record.head(&head);
    let method = head.method;
    let lines = head.lines.clone();
    let request = head.validate().map_err(|rejected| {
        record.malformed(method);
        if probe::is_redirected(&rejected.error, method, &lines) {
            record.answered_to_probe();
        }
        refused(rejected)
    })?;
    record.judged(&request.judged());
    if let Peer::Net(_) = peer
        && let Err(error) = browser::check(request.head.target, &request.head.lines, &service.hosts)
    {
        return Err(Box::new(Refused {
            error: error.into(),
            exchange: Some(request.exchange),
            unread: request.unread_body(),
            suggestion: None,
        }));
    }
    Ok(request)
}

/// What a request is judged by, and whether a denial is only recorded. Made anew for each time: kept, it
/// would take room in the task of every connection.
type Judge<'a> = (&'a Policy, &'a LogContext, &'a Service);

/// Asks the policy once.
fn decide<'p, 'b>(
    (policy, log, service): Judge<'_>,
    request: ValidRequest<'_, 'b>,
    verdict: Verdict<'p>,
    lookups: &mut Lookups,
    record: &mut RequestRecord<'_>,
) -> Step<'p, 'b> {
    let (exchange, unread) = (request.exchange, request.unread_body());
    let asked = !matches!(request.body, RequestBody::Unread);
    let origin = Origin {
        socket: &service.name,
        peer: &log.peer,
        container: log.container(),
    };
    let mut suggestion = None;
    let error = match policy.decide(request, verdict, origin, lookups, record) {
        Decision::Permit(permit) => match UpstreamRequest::new(permit) {
            Some(request) => return Step::Decided(Ok(request)),
            None => Error::Internal,
        },
        Decision::Denied(request, denial) => {
            if service.explain_denials {
                let suggested = policy.suggestion(&request.judged(), &denial);
                suggestion = suggested.map(String::into_boxed_str);
            }
            let permit = service
                .dry_run
                .as_ref()
                .and_then(|dry| dry.permit(request, &denial));
            let error = Error::from(denial);
            match permit.and_then(UpstreamRequest::in_dry_run) {
                Some(request) => {
                    record.would_deny();
                    error.note(record);
                    return Step::Decided(Ok(request));
                }
                None => error,
            }
        }
        #[cfg(feature = "script")]
        Decision::NeedsContainer(request) if origin.container.is_none() => {
            return Step::Undecided(Box::new((request.detach(), verdict)), Missing::Container);
        }
        // A policy that asks twice would ask for ever.
        #[cfg(feature = "script")]
        Decision::NeedsContainer(_) => Error::Internal,
        Decision::NeedsBody(_) if asked => Error::Internal,
        Decision::NeedsBody(request) => {
            return Step::Undecided(Box::new((request.detach(), verdict)), Missing::Body);
        }
        #[cfg(feature = "script")]
        Decision::Rewritten(request) => {
            return Step::Undecided(Box::new((request.detach(), verdict)), Missing::Nothing);
        }
        #[cfg(feature = "script")]
        Decision::NeedsLookup(request, lookup) => {
            let missing = Missing::Answer(Box::new(lookup));
            return Step::Undecided(Box::new((request.detach(), verdict)), missing);
        }
    };
    Step::Decided(Err(Refused {
        error,
        exchange: Some(exchange),
        unread,
        suggestion,
    }))
}

/// Sends a response of doxy's own.
async fn send(stream: &Stream, reply: Reply, next: Next, record: &RequestRecord<'_>) -> Next {
    record.response_sent(reply.status);
    // A client that never reads, and asks on, would hold the connection for ever.
    let sent = match stream.try_write(&reply.bytes) {
        Ok(written) if written == reply.bytes.len() => true,
        Ok(written) => {
            let rest = reply.bytes.get(written..).unwrap_or_default();
            let sent = Box::pin(timeout(SEND_TIMEOUT, stream.write_all(rest))).await;
            matches!(sent, Ok(Ok(())))
        }
        Err(_) => false,
    };
    if sent {
        record.ended(Outcome::Complete);
        next
    } else {
        record.ended(Outcome::ClientGone);
        Next::Gone
    }
}
