//! Asks the engine a question of doxy's own.
//!
//! hyper is the client, on a connection of its own. It sends nothing but a GET of the target that it
//! is given: no header or body of a client. Nothing here knows what the answer is for.

use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::net::stream::Stream;

/// How long the engine may take for one answer.
pub(super) const TIME: Duration = Duration::from_secs(2);
/// The longest answer, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Gets the description at `target`: `None` if the engine has no such object. An error says why there
/// is no answer.
pub(super) async fn get(stream: Stream, target: &str) -> Result<Option<Bytes>, String> {
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
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(format!("the engine answered {}", status.as_u16())),
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await;
        let body =
            body.map_err(|error| format!("the engine's answer is cut or too long: {error}"))?;
        Ok(Some(body.to_bytes()))
    };
    tokio::select! {
        biased;
        answer = answered => answer,
        // Its errors also come out of the exchange, which ends first.
        () = async { let _ = connection.await; std::future::pending().await } => Err(String::new()),
    }
}
