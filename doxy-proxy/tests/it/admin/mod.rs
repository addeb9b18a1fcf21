//! The admin side: what doxy shows of itself.

mod crowd;
mod deploy;
mod faults;
mod metrics;
mod serving;

use crate::support::{Binary, Client, Reply, Setup};

/// With an admin side at `admin.sock` in its folder.
fn with_admin(setup: Setup) -> Setup {
    setup.args(["--admin-listen", "admin.sock"])
}

/// What the admin side says to a GET of this path.
#[track_caller]
fn get(doxy: &Binary, path: &str) -> Reply {
    let request = format!("GET {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
    Client::connect(&doxy.path("admin.sock")).ask(request)
}
