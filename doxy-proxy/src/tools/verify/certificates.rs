//! Certificates and their dates, in the files of the settings and as they are shown.

use std::io;
use std::time::{Duration, SystemTime};

use doxy_proxy::{Dated, Shown, TlsFile, TlsFileError, TlsServer, TlsServerFiles, dates_in, shown};
use tokio::time::timeout;

use crate::config::{EngineTls, Reach, Setting};
use crate::tools::verify::report::{Level, Report};

pub(super) const CERTIFICATE: &str = "certificate";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its end a certificate is told of.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
const RENEW: &str = "renew it, then send SIGHUP to doxy";

/// The files of one socket's TLS.
pub(super) fn of_clients(socket: &Reach, report: &mut Report) {
    let Some(files) = &socket.tls else { return };
    let from = TlsServerFiles {
        certificate: files.cert.path(),
        key: files.key.path(),
        client_authorities: files.client_ca.as_ref().map(Setting::path),
    };
    if let Err(error) = TlsServer::read(&from) {
        let setting = match error.file {
            TlsFile::Certificate => &files.cert,
            TlsFile::Key => &files.key,
            TlsFile::Authorities => files.client_ca.as_ref().unwrap_or(&files.cert),
        };
        return unreadable(setting, &error, report);
    }
    in_file(&files.cert, TlsFile::Certificate, RENEW, report);
    if let Some(ca) = &files.client_ca {
        in_file(ca, TlsFile::Authorities, RENEW, report);
    }
}

/// The files for an engine.
pub(super) fn of_engine(files: &EngineTls, report: &mut Report) {
    in_file(&files.ca, TlsFile::Authorities, RENEW, report);
    if let Some((cert, _)) = &files.client {
        in_file(cert, TlsFile::Certificate, RENEW, report);
    }
}

/// What a doxy shows to its clients, beside what the file has. Says whether both are the same.
pub(super) fn served(served: &Dated, file: &Setting, address: &str, report: &mut Report) -> bool {
    let first = dates_in(&file.path(), TlsFile::Certificate);
    let first = first.ok().and_then(|found| found.into_iter().next());
    if first.is_some_and(|first| first.der != served.der) {
        let says = format!(
            "doxy shows another certificate than {} has",
            file.path().display()
        );
        let cure = "it was replaced: send SIGHUP to doxy, and look at its log";
        report.failed(CERTIFICATE, address, says, cure);
        return false;
    }
    dates(
        std::slice::from_ref(served),
        address,
        "shown",
        RENEW,
        report,
    );
    true
}

/// What an engine shows.
pub(super) fn of_server(shown: &Dated, address: &str, report: &mut Report) {
    let cure = "renew the engine's certificate";
    dates(std::slice::from_ref(shown), address, "shown", cure, report);
}

fn in_file(setting: &Setting, file: TlsFile, cure: &str, report: &mut Report) {
    let path = setting.path();
    match dates_in(&path, file) {
        Ok(found) => {
            let shown = path.display().to_string();
            // Of a chain, the first is doxy's own.
            let (own, what) = match file {
                TlsFile::Authorities => (&found[..], "authorities"),
                _ => (found.get(..1).unwrap_or_default(), "in the file"),
            };
            dates(own, &shown, what, cure, report);
        }
        Err(error) => unreadable(setting, &error, report),
    }
}

fn unreadable(setting: &Setting, error: &TlsFileError, report: &mut Report) {
    let path = setting.path().display().to_string();
    let TlsFileError { what, help, .. } = error;
    report.failed(CERTIFICATE, &path, what.clone(), help);
}

/// What a server at `HOST:PORT` shows to a client without a certificate. None if it cannot be reached in this
/// time.
pub(super) async fn shown_at(tcp: &str, time: Duration) -> Option<Shown> {
    let seen = timeout(time, async {
        let mut addresses = tokio::net::lookup_host(tcp).await?;
        let first = addresses.next().ok_or(io::ErrorKind::NotFound)?;
        shown(first).await
    });
    seen.await.ok()?.ok()
}

/// The dates of certificates of which one has to be good: that which ends last.
fn dates(found: &[Dated], about: &str, what: &str, cure: &str, report: &mut Report) {
    let Some(last) = found.iter().max_by_key(|dated| dated.until) else {
        return;
    };
    let (level, says) = judged(last, SystemTime::now());
    let cure = (level != Level::Ok).then_some(cure);
    report.add(level, CERTIFICATE, about, format!("{what}: {says}"), cure);
}

fn judged(dated: &Dated, now: SystemTime) -> (Level, String) {
    let date = |at| {
        let date = humantime::format_rfc3339_seconds(at).to_string();
        date.split('T').next().unwrap_or_default().to_owned()
    };
    let until = date(dated.until);
    if now < dated.from {
        return (
            Level::Failed,
            format!("not valid before {}", date(dated.from)),
        );
    }
    match dated.until.duration_since(now) {
        Err(_) => (Level::Failed, format!("expired on {until}")),
        Ok(left) => {
            let days = left.as_secs() / DAY.as_secs();
            let says = format!("valid until {until} ({days} days)");
            let level = if left < SOON {
                Level::Warning
            } else {
                Level::Ok
            };
            (level, says)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{DAY, Dated, Level, judged};

    #[test]
    fn dates_are_told_in_time() {
        // 2001-09-09
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for (from, until, level, says) in [
            (-10, 100, Level::Ok, "valid until 2001-12-18 (100 days)"),
            (-10, 14, Level::Ok, "valid until 2001-09-23 (14 days)"),
            (-10, 13, Level::Warning, "valid until 2001-09-22 (13 days)"),
            (-10, 0, Level::Warning, "valid until 2001-09-09 (0 days)"),
            (-10, -1, Level::Failed, "expired on 2001-09-08"),
            (1, 100, Level::Failed, "not valid before 2001-09-10"),
        ] {
            let at = |days: i32| {
                let far = DAY * days.unsigned_abs();
                if days < 0 { now - far } else { now + far }
            };
            let dated = Dated {
                der: vec![],
                from: at(from),
                until: at(until),
            };
            assert_eq!(judged(&dated, now), (level, says.to_owned()));
        }
    }
}
