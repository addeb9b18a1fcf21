//! What is where on the admin side.

use std::sync::Arc;

use doxy_proxy::{WebAnswer, WebEvents};

use crate::admin::board::Board;
use crate::admin::coverage::{Coverages, names};
use crate::admin::events::Events;
use crate::admin::page::Page;
use crate::admin::{prometheus, ready, status};

/// Everything that an answer is made of. A clone is the same.
#[derive(Debug, Clone)]
pub(super) struct Routes {
    board: Board,
    coverages: Arc<Coverages>,
    events: Arc<Events>,
    page: Arc<Page>,
}

impl Routes {
    pub(super) fn new(board: Board) -> Self {
        Self {
            coverages: Arc::default(),
            events: Arc::new(Events::new(board.clone())),
            page: Arc::new(Page::new()),
            board,
        }
    }

    /// The answer to a request for this path.
    pub(super) async fn answer(self, path: String) -> WebAnswer {
        match &*path {
            "/" => self.page.answer(),
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
            "/api/events" => WebAnswer::events(WebEvents(self.events.subscribe())),
            _ => match path.strip_prefix("/api/coverage/") {
                Some(end) => self.coverage(end).await,
                None => WebAnswer::text(404, "there is nothing here"),
            },
        }
    }

    async fn coverage(&self, end: &str) -> WebAnswer {
        let facts = self.board.facts();
        let socket = facts.sockets.iter().find(|it| names(end, &it.name));
        let Some(socket) = socket else {
            return WebAnswer::text(404, "there is no socket of this name");
        };
        match self.coverages.of(socket).await {
            Some(json) => WebAnswer::new(200, "application/json", json),
            None => WebAnswer::text(503, "no thread can be started to find it out"),
        }
    }
}
