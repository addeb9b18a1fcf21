//! A tokio runtime for the parts of a test that are asynchronous.

use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};

/// A runtime on the calling thread, like one worker of doxy.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .unwrap()
}

/// Runs a future in a runtime on a thread of its own. `start` runs inside that runtime.
pub(crate) fn on_thread<F>(start: impl FnOnce() -> F + Send + 'static) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static>,
{
    std::thread::spawn(move || runtime().block_on(async move { start().await }))
}
