//! The thread that serves the admin side.

use std::io;
use std::thread::{self, JoinHandle};

use doxy_proxy::WebServer;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::admin::board::Board;
use crate::admin::routes::Routes;

/// The admin side, as long as this is there.
#[derive(Debug)]
pub(crate) struct AdminThread {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AdminThread {
    /// Serves what the board has.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(crate) fn start(server: WebServer, board: Board) -> io::Result<Self> {
        let (end, ended) = oneshot::channel::<()>();
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let routes = Routes::new(board);
                    let serving = server.serve(move |path| routes.clone().answer(path));
                    tokio::select! {
                        () = serving => {}
                        _ = ended => {}
                    }
                });
            })?;
        Ok(Self {
            end: Some(end),
            thread: Some(thread),
        })
    }
}

/// Its socket is removed when this has been dropped.
impl Drop for AdminThread {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
