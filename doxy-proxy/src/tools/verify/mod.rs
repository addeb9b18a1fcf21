//! Looks whether a running doxy is well: its sockets as clients see them, its engines, certificates and
//! policies, and what its admin side says.
//!
//! It changes nothing and starts nothing. Through each address go two requests, marked as its own: a ping,
//! and one for a path that is no endpoint. Of what it cannot see it says so, and never that it is well.

mod certificates;
mod engines;
mod inside;
mod listener;
mod report;
mod sockets;
mod through;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

pub(crate) use self::report::{Level, Report};
use crate::config::{Config, ConfigError, Reach, Source};
use crate::tools::admin_client::AdminClient;
use crate::tools::at_once::permits;
use crate::tools::verify::inside::Inside;

/// Looks at everything. `time` is for each answer.
pub(crate) async fn verify(
    source: &Source,
    admin: Option<&AdminClient>,
    time: Duration,
) -> Result<Report, ConfigError> {
    // Without addresses there is nothing to look at.
    let sockets: Arc<[Reach]> = source.reach()?.into();
    let mut report = Report::default();
    let config = settings(source, &sockets, &mut report);
    let inside = Inside::ask(admin, &mut report).await;
    inside.process(&mut report);
    let permits = permits();
    let looks = (0..sockets.len()).map(|index| {
        let (sockets, inside) = (Arc::clone(&sockets), inside.clone());
        let permits = Arc::clone(&permits);
        async move {
            let _permit = permits.acquire().await;
            let mut report = Report::default();
            if let Some(socket) = sockets.get(index) {
                sockets::check(socket, &inside, time, &mut report).await;
            }
            (index, report)
        }
    });
    let mut found = looks.collect::<JoinSet<_>>().join_all().await;
    found.sort_by_key(|(index, _)| *index);
    for (socket, (_, of_socket)) in sockets.iter().zip(found) {
        report.lines.extend(of_socket.lines);
        inside.policy(&socket.name, config.as_ref(), &mut report);
        certificates::of_clients(socket, &mut report);
    }
    inside.others(&sockets, &mut report);
    engines::check(&sockets, time, &mut report).await;
    Ok(report)
}

/// Whether doxy would start with these settings now.
fn settings(source: &Source, sockets: &[Reach], report: &mut Report) -> Option<Config> {
    let error = match source.load() {
        Ok(config) => {
            let count = match sockets.len() {
                1 => "1 socket".to_owned(),
                many => format!("{many} sockets"),
            };
            report.ok("settings", "", format!("policies can be read; {count}"));
            return Some(config);
        }
        Err(error) => error.to_string(),
    };
    let (what, help) = error.split_once("\nhelp: ").unwrap_or((&error, ""));
    let says = format!("a start or a reload would refuse them: {what}");
    report.failed("settings", "", says, help);
    None
}
