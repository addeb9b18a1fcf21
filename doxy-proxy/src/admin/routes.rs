//! What is where on the admin side.

use std::sync::Arc;

use doxy_proxy::{WebAnswer, WebEvents};

use crate::admin::board::Board;
use crate::admin::events::Events;
use crate::admin::{prometheus, ready, status};

/// Everything that an answer is made of. A clone is the same.
#[derive(Debug, Clone)]
pub(super) struct Routes {
    board: Board,
    events: Arc<Events>,
}

impl Routes {
    pub(super) fn new(board: Board) -> Self {
        Self {
            events: Arc::new(Events::new(board.clone())),
            board,
        }
    }

    /// The answer to a request for this path.
    pub(super) async fn answer(self, path: String) -> WebAnswer {
        match &*path {
            "/metrics" => {
                const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
                WebAnswer::new(200, TYPE, prometheus::text(&self.board))
            }
            "/healthz" => WebAnswer::text(200, "ok"),
            "/readyz" => {
                let (ready, json) = ready::ready(&self.board).await;
                WebAnswer::json(if ready { 200 } else { 503 }, &json)
            }
            "/api/status" => WebAnswer::json(200, &status::json(&self.board)),
            "/api/events" => match self.events.subscribe() {
                Some(events) => WebAnswer::events(WebEvents(events)),
                None => WebAnswer::text(503, "too many pages are open already"),
            },
            _ => WebAnswer::text(404, "there is nothing here"),
        }
    }
}
