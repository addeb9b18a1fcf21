//! The text of a learned pattern file.
//!
//! The same requests give the same text, in whatever order and number they came. It must never
//! write a line that begins with something else than a rule of [`suggest`](crate::api::suggest), an
//! escaped path, or `#`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::row::{Row, Withheld};
use crate::api::{Body, Endpoint, Risk, endpoints};

/// How many query parameters a comment lists.
const MAX_PARAMETERS: usize = 6;
/// How much of a request that is for no endpoint is shown, in characters.
const MAX_SHOWN: usize = 200;

const HEADER: &str = "\
# Learned by doxy: what was seen, for any name, id and digest, in any version of the API.
# A rule knows neither the query nor the body of a request. Where these matter, use a script.
";
const NO_RULE: &str = "
# There is no rule yet, so doxy does not start with this file: everything that was seen is below.
";
const WITHHELD: &str = "
# Seen, and not allowed: decide about each. To allow one, remove the `#` in front of its rule, or learn
# again with --accept-risk and its classes.
";
const STRANGERS: &str = "
# Seen, and no endpoint of the engine:
";

/// The whole file: rules, then what is not allowed, as comments.
pub(super) fn write(
    allowed: &[&Row],
    withheld: &[(&Row, Withheld)],
    strangers: &BTreeSet<(String, String)>,
    more_strangers: bool,
) -> String {
    let mut text = HEADER.to_owned();
    if allowed.is_empty() {
        text.push_str(NO_RULE);
    }
    for row in allowed {
        // The rule for GET allows it too.
        let by_get = row.endpoint.method == "HEAD" && has(allowed, row, "GET");
        if by_get && row.paths.is_empty() {
            continue;
        }
        text.push('\n');
        comment(&mut text, row.endpoint);
        rules(&mut text, row, allowed, "");
    }
    if !withheld.is_empty() {
        text.push_str(WITHHELD);
    }
    let rows: Vec<_> = withheld.iter().map(|(row, _)| *row).collect();
    for (row, why) in withheld {
        let names: Vec<_> = why.risks.iter().map(|risk| risk.name()).collect();
        let names = names.join(", ");
        let why = match (why.denied, &*names) {
            (true, "") => "the policy in force denied such a request".to_owned(),
            (true, names) => format!("the policy in force denied such a request; it opens {names}"),
            (false, names) => format!("it opens {names}"),
        };
        let _ = writeln!(text, "#\n# Not allowed, for {why}:");
        rules(&mut text, row, &rows, "# ");
    }
    if !strangers.is_empty() {
        text.push_str(STRANGERS);
    }
    for (method, path) in strangers {
        let _ = writeln!(text, "#   {} {}", shown(method), shown(path));
    }
    if more_strangers {
        let _ = writeln!(text, "#   and more of them");
    }
    text
}

/// The rules of a row, each behind `before`. `among` are the rows that are treated alike.
fn rules(text: &mut String, row: &Row, among: &[&Row], before: &str) {
    for rule in row.rules() {
        let _ = writeln!(text, "{before}{rule}");
    }
    if row.more_paths > 0 {
        text.push_str(
            "# And more such names: a rule for all of them would open other endpoints.\n",
        );
    }
    if row.endpoint.method == "GET" && has_head(row.endpoint) && !has(among, row, "HEAD") {
        text.push_str(
            "# GET brings HEAD along, which is an endpoint of its own and was not learned:\n",
        );
        for rule in row.rules() {
            let pattern = rule.split_once(' ').map_or("", |(_, pattern)| pattern);
            let _ = writeln!(text, "{before}!HEAD {pattern}");
        }
    }
}

/// Whether the endpoint of a row is among these with another method.
fn has(rows: &[&Row], row: &Row, method: &str) -> bool {
    let mut endpoints = rows.iter().map(|row| row.endpoint);
    endpoints.any(|it| it.template == row.endpoint.template && it.method == method)
}

/// What a rule opens.
fn comment(text: &mut String, endpoint: &Endpoint) {
    let risks = match endpoint.risks {
        [] => "harmless".to_owned(),
        risks => {
            let sorted = Risk::ALL.iter().filter(|risk| risks.contains(risk));
            let names: Vec<_> = sorted.map(|risk| risk.name()).collect();
            names.join(", ")
        }
    };
    let mut any = vec![];
    let parameters: Vec<_> = endpoint.query().collect();
    if !parameters.is_empty() {
        let listed = parameters.iter().take(MAX_PARAMETERS).copied();
        let listed = listed.collect::<Vec<_>>().join(", ");
        let more = if parameters.len() > MAX_PARAMETERS {
            ", …"
        } else {
            ""
        };
        any.push(format!("any query ({listed}{more})"));
    }
    if !matches!(endpoint.body, Body::None | Body::Refused) {
        any.push("any body".to_owned());
    }
    let any = match any.as_slice() {
        [] => String::new(),
        any => format!(", with {}", any.join(" and ")),
    };
    let _ = writeln!(text, "# {risks}{any}");
}

/// Whether HEAD at the same paths is an endpoint of its own.
fn has_head(endpoint: &Endpoint) -> bool {
    endpoints().any(|it| it.method == "HEAD" && it.template == endpoint.template)
}

/// Text from a client, on one line and of bounded length.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, char) in text.chars().enumerate() {
        if count == MAX_SHOWN {
            shown.push('…');
            break;
        }
        match char {
            ' ' => shown.push_str(r"\u{20}"),
            _ if char.is_alphanumeric() || char.is_ascii_punctuation() => shown.push(char),
            _ => shown.extend(char.escape_unicode()),
        }
    }
    shown
}
