//! An ordinary HTTP server at an address of its own, for whoever looks after doxy. hyper serves it.
//!
//! What is answered is for the caller to say, who gets the path of a request and nothing else of it. It
//! must never take a method that changes anything.

mod answer;
mod guard;
mod patience;
mod places;
mod server;
mod turn;

pub use self::answer::{WebAnswer, WebEvents};
pub use self::places::WebRefusals;
pub use self::server::WebServer;
