//! Where the requests of a socket are recorded, and in which format: which of them go together.
//!
//! It opens none of them.

use doxy_proxy::{Format, LogDestination};

use crate::config::error::ConfigError;
use crate::config::layers::Layers;
use crate::config::settings::Setting;
use crate::config::values;

/// Where systemd's journal takes entries in.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// Where requests are recorded.
#[derive(Debug, Clone)]
pub(crate) struct AccessLogConfig {
    /// For messages.
    pub(crate) setting: Setting,
    pub(crate) destination: LogDestination,
    pub(crate) format: Format,
}

/// The access log of a socket, if it has one.
///
/// The journal takes fields, and nothing else does: either setting alone leads there.
pub(super) fn of_socket(layers: &Layers<'_>) -> Result<Option<AccessLogConfig>, ConfigError> {
    let setting = layers.value("access-log");
    let formats = [
        ("text", Format::Text),
        ("json", Format::Json),
        ("journald", Format::Journald),
    ];
    let how = layers.value("log-format");
    let format = values::choice(&how, &formats)?;
    let unset = layers.optional("access-log").is_none();
    let (setting, destination) = match setting.value().to_str() {
        Some("off") if unset && format == Format::Journald => {
            (how.clone(), LogDestination::Journal(JOURNAL.into()))
        }
        Some("off") => return Ok(None),
        Some("") => {
            let help = "name a file, or write `stdout`, `journal` or `off`";
            return Err(setting.wrong("the path is empty", help));
        }
        Some("stdout") => (setting, LogDestination::Stdout),
        Some("journal") => (setting, LogDestination::Journal(JOURNAL.into())),
        _ => {
            let path = setting.path();
            (setting, LogDestination::File(path))
        }
    };
    let format = match (&destination, format) {
        (LogDestination::Journal(_), _) if layers.optional("log-format").is_none() => {
            Format::Journald
        }
        (LogDestination::Journal(_), Format::Text | Format::Json) => {
            return Err(how.wrong(
                format_args!("the journal takes fields, and {setting} leads there"),
                "write `journald`, or leave log-format out",
            ));
        }
        (LogDestination::Stdout | LogDestination::File(_), Format::Journald) => {
            return Err(how.wrong(
                format_args!("only the journal takes this format, and {setting} leads elsewhere"),
                "write access-log `journal`, or log-format `json`",
            ));
        }
        (_, format) => format,
    };
    Ok(Some(AccessLogConfig {
        setting,
        destination,
        format,
    }))
}
