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
mod served;
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
use crate::tools::verify::listener::Users;
use crate::tools::verify::sockets::Known;

/// Looks at everything. `time` is for each answer.
pub(crate) async fn verify(
    source: &Source,
    admin: Option<&AdminClient>,
    time: Duration,
) -> Result<Report, ConfigError> {
    let mut report = Report::default();
    // Without addresses there is nothing to look at.
    let given = match admin.is_some() && !source.is_of_a_doxy() {
        true => None,
        false => Some(source.reach()?),
    };
    let config = match &given {
        Some(sockets) => settings(source, sockets, &mut report),
        None => {
            let says = "none are given: looked at is what the admin side says it serves";
            report.skipped(
                "settings",
                "",
                says,
                "to have policies and certificates compared: --config FILE",
            );
            None
        }
    };
    let inside = Inside::ask(admin, &mut report).await;
    inside.process(&mut report);
    let is_given = given.is_some();
    let (sockets, engines) = match (given, inside.status.as_deref()) {
        (Some(sockets), _) => {
            let engines = vec![true; sockets.len()];
            (sockets, engines)
        }
        (None, Some(status)) => served::sockets(status, &mut report),
        (None, None) => (vec![], vec![]),
    };
    let sockets: Arc<[Reach]> = sockets.into();
    let known = Known {
        users: users(config.as_ref(), is_given, &inside),
        inside,
        time,
    };
    let permits = permits();
    let looks = (0..sockets.len()).map(|index| {
        let (sockets, known) = (Arc::clone(&sockets), known.clone());
        let permits = Arc::clone(&permits);
        async move {
            let _permit = permits.acquire().await;
            let mut report = Report::default();
            if let Some(socket) = sockets.get(index) {
                sockets::check(socket, &known, &mut report).await;
            }
            (index, report)
        }
    });
    let mut found = looks.collect::<JoinSet<_>>().join_all().await;
    found.sort_by_key(|(index, _)| *index);
    for (socket, (_, of_socket)) in sockets.iter().zip(found) {
        report.lines.extend(of_socket.lines);
        match is_given {
            true => known
                .inside
                .policy(&socket.name, config.as_ref(), &mut report),
            false => known.inside.in_force(&socket.name, &mut report),
        }
        certificates::of_clients(socket, &mut report);
    }
    if is_given {
        known.inside.others(&sockets, &mut report);
    }
    let asked = sockets.iter().zip(engines);
    let asked = asked.filter_map(|(socket, is_known)| is_known.then_some(socket));
    engines::check(asked, time, &mut report).await;
    Ok(report)
}

/// What is wrong with the settings, so that nothing can be looked at.
pub(crate) fn refused(error: &ConfigError) -> Report {
    let mut report = Report::default();
    for error in error.all() {
        let (what, help) = error.split_once("\nhelp: ").unwrap_or((error, ""));
        report.failed("settings", "", what.to_owned(), help);
    }
    report
}

/// Who may be doxy: root, who asks, whom the settings name, and who the admin side says it is. None if the
/// settings cannot be read.
fn users(config: Option<&Config>, is_given: bool, inside: &Inside) -> Users {
    let named = match (config, is_given) {
        (None, true) => return None,
        (config, _) => config.and_then(|config| config.shared.run_as_numbers),
    };
    let named = named.map(|(user, _)| user.as_raw());
    let own = rustix::process::geteuid().as_raw();
    let users = [Some(0), Some(own), named, inside.uid()];
    Some(users.into_iter().flatten().collect())
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
