//! Asks the engine a question of doxy's own.
//!
//! hyper is the client, on a connection of its own. It sends nothing but a GET of the target that it
//! is given: no header or body of a client. Nothing here knows what the answer is for, nor does
//! anything of an engine's error go on but its status.

use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::net::stream::Stream;

/// How long the engine may take for one answer.
pub(crate) const TIME: Duration = Duration::from_secs(2);
/// The longest answer, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// What engines say, with status 500, of a text that is the beginning of several ids: of containers
/// up to 20.10, and of services, tasks and nodes. If another error has these words, it is a denial
/// with another status, and no more.
const AMBIGUOUS: [&str; 2] = ["Multiple IDs found with provided prefix", " is ambiguous ("];

/// Why an engine has neither described an object nor said that there is none.
#[derive(Debug)]
pub(crate) enum LookupError {
    /// The name is not that of one object.
    NotOne,
    /// The reason, for the client.
    Failed(String),
}

impl From<String> for LookupError {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

/// Gets the description at `target`: `None` if the engine has no such object.
pub(super) async fn get(stream: Stream, target: &str) -> Result<Option<Bytes>, LookupError> {
    let broken = |error: hyper::Error| format!("the engine broke off: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answered = async {
        let request = Request::get(target)
            .header(header::HOST, "docker")
            // There is no second question.
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        match status {
            StatusCode::NOT_FOUND => return Ok(None),
            // The engine cannot take the name.
            StatusCode::BAD_REQUEST => return Err(LookupError::NotOne),
            StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR => {}
            _ => return Err(answered_with(status)),
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await;
        let body = body
            .map_err(|error| format!("the engine's answer is cut or too long: {error}"))?
            .to_bytes();
        if status == StatusCode::OK {
            return Ok(Some(body));
        }
        let words = String::from_utf8_lossy(&body);
        match AMBIGUOUS.iter().any(|said| words.contains(said)) {
            true => Err(LookupError::NotOne),
            false => Err(answered_with(status)),
        }
    };
    tokio::select! {
        biased;
        answer = answered => answer,
        // Its errors also come out of the exchange, which ends first.
        () = async { let _ = connection.await; std::future::pending().await } => Err(LookupError::Failed(String::new())),
    }
}

fn answered_with(status: StatusCode) -> LookupError {
    LookupError::Failed(format!("the engine answered {}", status.as_u16()))
}
