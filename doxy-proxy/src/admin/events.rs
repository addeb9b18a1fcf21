//! The status as it changes, for pages that are open.
//!
//! One task looks for all pages, and there is none while no page is open. A page that does not read gets
//! the latest state when it reads again, and never holds up another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::admin::board::Board;
use crate::admin::status;

/// How often is looked for changes.
const LOOK: Duration = Duration::from_millis(500);
/// After how many looks without a change the state is sent all the same, so that a page knows that doxy
/// is there.
const SILENT: u32 = 10;

/// Everybody who watches.
#[derive(Debug)]
pub(super) struct Events {
    board: Board,
    /// The latest event. None while nobody watches.
    latest: Arc<Mutex<Option<watch::Sender<Bytes>>>>,
}

impl Events {
    pub(super) fn new(board: Board) -> Self {
        Self {
            board,
            latest: Arc::default(),
        }
    }

    /// The events for one page, beginning with the state as it is. How many pages there may be is for the
    /// server to say.
    pub(super) fn subscribe(&self) -> mpsc::Receiver<Bytes> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let watching = match &*latest {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, watching) = watch::channel(event(&status::json(&self.board)));
                *latest = Some(sender);
                tokio::spawn(look(self.board.clone(), Arc::clone(&self.latest)));
                watching
            }
        };
        let (send, receive) = mpsc::channel(1);
        tokio::spawn(pass_on(watching, send));
        receive
    }
}

async fn pass_on(mut watching: watch::Receiver<Bytes>, page: mpsc::Sender<Bytes>) {
    watching.mark_changed();
    loop {
        tokio::select! {
            changed = watching.changed() => if changed.is_err() { return },
            () = page.closed() => return,
        }
        let event = watching.borrow_and_update().clone();
        if page.send(event).await.is_err() {
            return;
        }
    }
}

/// Looks for changes until nobody watches.
async fn look(board: Board, latest: Arc<Mutex<Option<watch::Sender<Bytes>>>>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = Value::Null;
    let mut silent = 0;
    loop {
        looks.tick().await;
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = latest.as_ref().filter(|it| it.receiver_count() > 0) else {
            *latest = None;
            return;
        };
        let state = status::json(&board);
        let now = status::without_time(&state);
        silent += 1;
        if now != before || silent >= SILENT {
            sender.send_replace(event(&state));
            (before, silent) = (now, 0);
        }
    }
}

/// A server-sent event.
fn event(state: &Value) -> Bytes {
    format!("event: status\ndata: {state}\n\n").into()
}
