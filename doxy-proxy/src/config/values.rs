//! Values of settings: numbers, sizes, durations, file modes, choices.
//!
//! Each parser takes the setting, so that its error names it. No value is corrected silently.

use std::time::Duration;

use crate::config::error::ConfigError;
use crate::config::settings::Setting;

/// That denials only are logged, and the requests forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DryRun {
    /// For how long. Always, if there is none.
    pub(crate) lasts: Option<Duration>,
}

/// Permission bits of a socket, in octal. Whoever may write may connect.
pub(super) fn mode(setting: &Setting) -> Result<u32, ConfigError> {
    let text = setting.text()?;
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    let mode = u32::from_str_radix(digits, 8).ok();
    let mode = mode.filter(|mode| plain && *mode <= 0o777);
    let [owner, group, others] = [0o200, 0o020, 0o002].map(|bit| mode.unwrap_or(0) & bit != 0);
    let why = match mode {
        None => "invalid file mode".to_owned(),
        Some(0) => return Ok(0),
        Some(mode) if !owner && (group || others) => {
            let who = if others { "others" } else { "the group" };
            format!("in octal this is {mode:04o}: {who} may connect, and the owner may not")
        }
        Some(mode) if !group && others => {
            format!("in octal this is {mode:04o}: others may connect, and the group may not")
        }
        Some(mode) if !owner => format!("in octal this is {mode:04o}: nobody may connect"),
        Some(mode) => return Ok(mode),
    };
    // YAML and JSON turn 0660 into 432.
    let decimal = text
        .parse()
        .ok()
        .filter(|number: &u32| !text.starts_with('0') && *number <= 0o777 && number & 0o200 != 0);
    Err(match decimal {
        Some(mode) => setting.wrong(why, format_args!("write {mode:04o} if {text} is decimal")),
        None => setting.wrong(why, "write it in octal, such as 0660 for owner and group"),
    })
}

/// A whole number from 1 to `max`.
pub(super) fn number(setting: &Setting, max: usize) -> Result<usize, ConfigError> {
    let text = setting.text()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok();
    number
        .filter(|number| plain && (1..=max).contains(number))
        .ok_or_else(|| {
            let help = match max {
                usize::MAX => "write a whole number greater than 0".to_owned(),
                max => format!("write a whole number from 1 to {max}"),
            };
            setting.wrong("invalid number", help)
        })
}

/// A number of bytes greater than 0, with or without a unit.
pub(super) fn size(setting: &Setting) -> Result<usize, ConfigError> {
    let text = setting.text()?;
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let unit = match text.strip_prefix(digits) {
        Some("") => Some(1),
        Some("k" | "K" | "KiB") => Some(1 << 10),
        Some("m" | "M" | "MiB") => Some(1 << 20),
        _ => None,
    };
    let number = digits.parse::<usize>().ok().filter(|_| plain);
    let bytes = number.zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| {
        setting.wrong(
            "invalid size",
            "write a number of bytes greater than 0, with or without a unit: 65536, 512k, 1M",
        )
    })
}

/// A number of seconds, or numbers with units: `500ms`, `1h30m`.
pub(super) fn duration(setting: &Setting) -> Result<Duration, ConfigError> {
    let text = setting.text()?;
    let seconds = text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if seconds {
        text.parse().ok().map(Duration::from_secs)
    } else {
        // `1 0s` would be ten seconds to it, and `10M` ten months.
        let clear = text
            .split_whitespace()
            .all(|part| part.ends_with(|c: char| c.is_ascii_lowercase()));
        humantime::parse_duration(text).ok().filter(|_| clear)
    };
    // Longer ones could not be added to the time of day.
    parsed
        .filter(|duration| duration.as_secs() <= u32::MAX.into())
        .ok_or_else(|| {
            setting.wrong(
                "invalid duration",
                "write a number of seconds, or numbers with units: 10s, 500ms, 2m, 1h30m",
            )
        })
}

/// A duration greater than 0.
pub(crate) fn timeout(setting: &Setting) -> Result<Duration, ConfigError> {
    match duration(setting)? {
        Duration::ZERO => Err(setting.wrong("must be greater than 0", "write one such as 30s")),
        timeout => Ok(timeout),
    }
}

/// Whether denials only are logged: never, always, or for some time.
pub(super) fn dry_run(setting: &Setting) -> Result<Option<DryRun>, ConfigError> {
    match setting.text()? {
        "true" | "yes" | "on" | "1" => Ok(Some(DryRun { lasts: None })),
        "false" | "no" | "off" | "0" => Ok(None),
        // `60` could be seconds, and `1` was a flag.
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => Err(setting.wrong(
            "neither a flag nor a duration",
            "write true, false, or a duration with its unit, such as 24h",
        )),
        _ => Ok(Some(DryRun {
            lasts: Some(timeout(setting)?),
        })),
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(setting: &Setting, words: &[(&str, T)]) -> Result<T, ConfigError> {
    let text = setting.text()?;
    let chosen = words.iter().find(|(word, _)| *word == text);
    chosen.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let (last, others) = words.split_last().map_or(("", &[][..]), |(l, o)| (l, o));
        let help = format!("write {} or {last}", others.join(", "));
        setting.wrong("unknown choice", help)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Setting {
        Setting::option("x", text.as_ref())
    }

    #[test]
    fn modes() {
        for (text, expected) in [
            ("0660", Some(0o660)),
            ("666", Some(0o666)),
            ("0o600", Some(0o600)),
            ("0", Some(0)),
            ("0200", Some(0o200)),
            ("0620", Some(0o620)),
            ("0622", Some(0o622)),
            // Others would get in where the owner, or the group, does not.
            ("432", None),
            ("0432", None),
            ("0o432", None),
            ("0060", None),
            ("0002", None),
            ("0466", None),
            ("0602", None),
            ("256", None),
            // Nobody would.
            ("0444", None),
            ("504", None),
            ("511", None),
            // Decimal, and no octal number.
            ("384", None),
            ("438", None),
            ("1777", None),
            ("0888", None),
            ("+660", None),
            ("rw", None),
            ("", None),
        ] {
            assert_eq!(mode(&given(text)).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers() {
        for (text, max, expected) in [
            ("1", 8, Some(1)),
            ("8", 8, Some(8)),
            ("9", 8, None),
            ("0", 8, None),
            ("+1", 8, None),
            ("-1", 8, None),
            ("1k", 8, None),
            ("", 8, None),
            ("4096", usize::MAX, Some(4096)),
            ("99999999999999999999", usize::MAX, None),
        ] {
            assert_eq!(number(&given(text), max).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("10", Some(10_000)),
            ("10s", Some(10_000)),
            ("500ms", Some(500)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("1h30m", Some(5_400_000)),
            ("1h 30m", Some(5_400_000)),
            ("2days", Some(172_800_000)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("4294967295", Some(4_294_967_295_000)),
            ("4294967296", None),
            ("99999999999999999999", None),
            ("99999999999999999999h", None),
            ("-1", None),
            ("+1", None),
            ("1.5h", Some(5_400_000)),
            ("s", None),
            ("h1", None),
            ("", None),
            (" ", None),
            ("1 s", None),
            ("1 0s", None),
            ("10M", None),
            ("10S", None),
            ("1h30", None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(duration(&given(text)).ok(), expected, "{text:?}");
            let expected = expected.filter(|duration| !duration.is_zero());
            assert_eq!(timeout(&given(text)).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn dry_runs() {
        for (text, expected) in [
            ("true", Some(Some(None))),
            ("1", Some(Some(None))),
            ("false", Some(None)),
            ("0", Some(None)),
            ("24h", Some(Some(Some(86_400)))),
            ("60s", Some(Some(Some(60)))),
            ("60", None),
            ("0s", None),
            ("maybe", None),
            ("", None),
        ] {
            let lasts = |dry: DryRun| dry.lasts.map(|lasts| lasts.as_secs());
            let read = dry_run(&given(text)).ok().map(|dry| dry.map(lasts));
            assert_eq!(read, expected, "{text:?}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("65536", Some(65_536)),
            ("512k", Some(512 << 10)),
            ("1M", Some(1 << 20)),
            ("1MiB", Some(1 << 20)),
            ("0", None),
            ("0M", None),
            ("", None),
            ("M", None),
            ("-1", None),
            ("1G", None),
            ("99999999999999999999", None),
            ("18446744073709551615M", None),
        ] {
            assert_eq!(size(&given(text)).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn an_error_names_the_setting_as_it_was_given() {
        let words = [("auto", 1), ("require", 2), ("off", 3)];
        assert_eq!(choice(&given("off"), &words).ok(), Some(3));
        for (setting, expected) in [
            (given("on"), "--x on: unknown choice"),
            (given(""), "--x: unknown choice"),
            (
                Setting::variable("sandbox", "on".as_ref()),
                "DOXY_SANDBOX=on: unknown choice",
            ),
        ] {
            let error = choice(&setting, &words).map_err(|error| error.to_string());
            let help = "help: write `auto`, `require` or `off`";
            assert_eq!(error, Err(format!("{expected}\n{help}")));
        }
    }
}
