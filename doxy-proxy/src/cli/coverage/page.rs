//! The coverage as one page of HTML that needs nothing else: no network, no file, and a script only for
//! its search.
//!
//! All text is escaped. Names of files and of risks may be anybody's.

use std::fmt::Write as _;

use doxy_filter::api::{Api, Endpoint, Risk};
use doxy_filter::{Access, Coverage};
use doxy_proxy::Covered;

use crate::admin::risks;
use crate::cli::coverage::rows::opened;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page for a policy, which is described by this text.
pub(super) fn page(covered: &Covered, described: &str) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; \
         form-action 'none'\">\n\
         <title>What the policy opens</title>\n<style>\n{STYLE}{}</style>\n</head>\n<body>\n",
        filters_style(),
    );
    header(&mut page, covered, described);
    controls(&mut page);
    page.push_str("<main id=\"endpoints\">\n");
    let mut rest = &*covered.endpoints;
    while let Some(first) = rest.first() {
        let group = group_of(first.endpoint);
        let end = rest.iter().position(|row| group_of(row.endpoint) != group);
        let (rows, behind) = rest.split_at(end.unwrap_or(rest.len()));
        section(&mut page, &group, rows);
        rest = behind;
    }
    let _ = write!(
        page,
        "</main>\n<footer>\n<p>Written by doxy {}. Risks are what a client can do at worst.</p>\n\
         </footer>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
    );
    page
}

/// What the whole policy opens.
fn header(page: &mut String, covered: &Covered, described: &str) {
    let count = |access| {
        covered
            .endpoints
            .iter()
            .filter(|it| it.access == access)
            .count()
    };
    let _ = write!(
        page,
        "<header>\n<h1>What the policy opens</h1>\n<p class=\"policy\">{}</p>\n<ul class=\"counts\">\n",
        escaped(described),
    );
    for (access, what) in [
        (Access::Allowed, "for every name and version"),
        (
            Access::Partly,
            "only some names, versions, queries or bodies",
        ),
        (Access::Denied, "no request at all"),
    ] {
        let _ = writeln!(
            page,
            "<li><strong>{}</strong> {} <span class=\"what\">{what}</span></li>",
            count(access),
            badge(access),
        );
    }
    page.push_str("</ul>\n");
    let opened: Vec<_> = opened(&covered.endpoints).collect();
    if opened.is_empty() {
        page.push_str("<p>What is open is harmless.</p>\n");
    } else {
        page.push_str("<h2>What a client can do</h2>\n<ul class=\"opened\">\n");
        for (risk, count) in opened {
            let endpoints = if count == 1 { "endpoint" } else { "endpoints" };
            let _ = writeln!(
                page,
                "<li>{} <span class=\"what\">{}, by {count} {endpoints}</span></li>",
                label(risk.name()),
                meaning(risk),
            );
        }
        page.push_str("</ul>\n");
    }
    if covered.has_script {
        page.push_str(
            "<p>A script decides. It was asked with typical requests for each endpoint; what it decides \
             by a body or by a lookup is <em>partly</em> open.</p>\n",
        );
    }
    page.push_str("</header>\n");
}

/// The filters work without the script: each is a radio button whose style hides rows.
fn controls(page: &mut String) {
    page.push_str(
        "<nav aria-label=\"Filters\">\n<p class=\"search\" hidden><label for=\"search\">Search</label> \
         <input type=\"search\" id=\"search\" autocomplete=\"off\" spellcheck=\"false\"> \
         <output for=\"search\" id=\"found\"></output></p>\n",
    );
    let mut choices = |legend: &str, name: &str, choices: &[(&str, &str)]| {
        let _ = write!(page, "<fieldset>\n<legend>{legend}</legend>\n<div>\n");
        for (at, (value, text)) in choices.iter().enumerate() {
            let checked = if at == 0 { " checked" } else { "" };
            let _ = writeln!(
                page,
                "<label><input type=\"radio\" name=\"{name}\" id=\"{name}-{value}\"{checked}> \
                 {text}</label>",
            );
        }
        page.push_str("</div>\n</fieldset>\n");
    };
    choices(
        "Show",
        "access",
        &[
            ("all", "every endpoint"),
            ("open", "what is open"),
            ("partly", "what is partly open"),
            ("denied", "what is denied"),
        ],
    );
    let mut by_risk = vec![("all", "anything")];
    by_risk.extend(Risk::ALL.map(|risk| (risk.name(), meaning(risk))));
    by_risk.push(("harmless", "harmless"));
    choices("That gives a client", "risk", &by_risk);
    page.push_str("</nav>\n");
}

/// The styles of the filters.
fn filters_style() -> String {
    let mut style = String::new();
    let mut hide = |button: &str, shown: &str| {
        let _ = writeln!(
            style,
            "body:has(#{button}:checked) tbody tr:not({shown}),\n\
             body:has(#{button}:checked) section:not(:has(tbody tr{shown})) {{ display: none }}",
        );
    };
    hide("access-open", ":is(.allowed, .partly)");
    hide("access-partly", ".partly");
    hide("access-denied", ".denied");
    for name in Risk::ALL.map(Risk::name).into_iter().chain(["harmless"]) {
        hide(&format!("risk-{name}"), &format!(".{name}"));
    }
    style
}

fn section(page: &mut String, group: &str, rows: &[Coverage]) {
    let id: String = group
        .chars()
        .map(|c| if c == ' ' { '-' } else { c })
        .collect();
    let open = rows
        .iter()
        .filter(|row| row.access != Access::Denied)
        .count();
    let _ = write!(
        page,
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{} <span class=\"what\">{open} of {} \
         open</span></h2>\n<table>\n<thead><tr><th scope=\"col\">Access</th><th \
         scope=\"col\">Method</th><th scope=\"col\">Endpoint</th><th scope=\"col\">Gives a \
         client</th></tr></thead>\n<tbody>\n",
        escaped(group),
        rows.len(),
    );
    for Coverage { endpoint, access } in rows {
        let risks = match risks(endpoint) {
            risks if risks.is_empty() => vec!["harmless"],
            risks => risks,
        };
        let labels: Vec<_> = risks.iter().map(|risk| label(risk)).collect();
        let _ = writeln!(
            page,
            "<tr class=\"{access} {}\"><td>{}</td><td>{}</td><th scope=\"row\"><code>{}</code></th>\
             <td>{}</td></tr>",
            risks.join(" "),
            badge(*access),
            escaped(endpoint.method),
            escaped(endpoint.template),
            labels.join(" "),
        );
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

/// The group of an endpoint: the first segment of its path, and whose it is.
fn group_of(endpoint: &Endpoint) -> String {
    let mut segments = endpoint.template.split('/').filter(|it| !it.is_empty());
    match endpoint.api {
        Api::Docker => {
            let first = segments.next().filter(|it| !it.contains('{'));
            first.unwrap_or("any path").to_owned()
        }
        Api::Libpod => format!("libpod {}", segments.nth(1).unwrap_or_default()),
    }
}

fn badge(access: Access) -> String {
    let sign = match access {
        Access::Allowed => "●",
        Access::Partly => "◐",
        Access::Denied => "○",
    };
    let name = access.name();
    format!("<span class=\"badge {name}\"><span aria-hidden=\"true\">{sign}</span> {name}</span>")
}

fn label(risk: &str) -> String {
    format!("<span class=\"risk {risk}\">{risk}</span>")
}

/// What a risk means, for people.
fn meaning(risk: Risk) -> &'static str {
    match risk {
        Risk::HostRoot => "root on the host",
        Risk::Exec => "runs commands",
        Risk::Secrets => "reads secrets",
        Risk::FilesOut => "takes files out",
        Risk::FilesIn => "puts files in",
        Risk::State => "changes state",
        Risk::Egress => "calls other hosts",
        Risk::Dos => "slows the engine down",
        Risk::Info => "looks",
    }
}

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use doxy_filter::RuleSet;
    use doxy_filter::api::endpoints;
    use doxy_proxy::Policy;

    use super::{STYLE, escaped, page};

    fn of(rules: &str, described: &str) -> String {
        let rules = RuleSet::parse("f", rules.as_bytes()).map(Policy::new);
        let covered = rules.map(|policy| policy.coverage("s"));
        covered.map_or_else(|error| error.to_string(), |it| page(&it, described))
    }

    #[test]
    fn every_endpoint_is_on_the_page_once() {
        let page = of("* .*", "all");
        for endpoint in endpoints() {
            let row = format!(
                "<td>{}</td><th scope=\"row\"><code>{}</code></th>",
                endpoint.method,
                escaped(endpoint.template)
            );
            assert_eq!(page.matches(&row).count(), 1, "{row}");
        }
        let rows = endpoints().count();
        assert_eq!(page.matches("<tr class=\"allowed").count(), rows);
        assert!(page.contains(&format!("<strong>{rows}</strong>")));
        // Every heading has the name by which its section is known.
        assert_eq!(
            page.matches("<section ").count(),
            page.matches("<h2 id=").count()
        );
    }

    #[test]
    fn text_is_text() {
        let evil = "3 rules from <script>alert('1')</script>\"&.pattern";
        let page = of("/info", evil);
        assert!(!page.contains("<script>alert"));
        let text = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;.pattern";
        assert!(page.contains(text), "{text}");
    }

    /// It is looked at where there may be no network, and it must tell nobody.
    #[test]
    fn the_page_needs_nothing_else() {
        let page = of("/info\nPOST /containers/x/start", "2 rules");
        for outside in [
            "http:", "https:", "//", "src=", "href=", "url(", "@import", "<link", "on=",
        ] {
            // A path in a template has no two slashes.
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<script").count(), 1);
        for part in [
            "<header>",
            "<nav aria-label=",
            "<main ",
            "<footer>",
            "lang=\"en\"",
            "<h1>",
        ] {
            assert_eq!(page.matches(part).count(), 1, "{part}");
        }
        for part in [
            "prefers-color-scheme: dark",
            "@media print",
            ":focus-visible",
        ] {
            assert!(STYLE.contains(part), "{part}");
        }
    }
}
