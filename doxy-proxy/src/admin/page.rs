//! The live page: one document with its style and its script in it, and the policy by which a browser runs
//! nothing else.
//!
//! It is the same for everyone: what doxy knows comes to its script from `/api`, and what clients sent
//! is text there. It must never have a word of a client in it.

use doxy_proxy::WebAnswer;
use hyper::body::Bytes;
use ring::digest::{SHA256, digest};

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The page, as it is sent.
#[derive(Debug)]
pub(super) struct Page {
    html: Bytes,
    /// Its `Content-Security-Policy`.
    policy: String,
}

impl Page {
    pub(super) fn new() -> Self {
        let html = format!(
            include_str!("page/page.html"),
            style = STYLE,
            script = SCRIPT
        );
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
             trusted-types 'none'",
            source(STYLE),
            source(SCRIPT),
        );
        Self {
            html: html.into(),
            policy,
        }
    }

    /// The page as an answer.
    pub(super) fn answer(&self) -> WebAnswer {
        WebAnswer::page(self.html.clone(), self.policy.clone())
    }
}

/// What names a text in the policy: `sha256-` and the digest in base64.
fn source(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut source = String::from("sha256-");
    for group in digest(&SHA256, text.as_bytes()).as_ref().chunks(3) {
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | group.get(at).copied().map_or(0, usize::from)
        });
        for at in 0..4 {
            let letter = LETTERS.get(bits >> (18 - 6 * at) & 63).copied();
            let letter = letter.filter(|_| at <= group.len());
            source.push(letter.map_or('=', char::from));
        }
    }
    source
}

#[cfg(test)]
mod tests {
    use super::{Page, SCRIPT, STYLE, source};

    /// As `openssl dgst -sha256 -binary | base64` says.
    #[test]
    fn digests_are_those_of_browsers() {
        for (text, expected) in [
            ("", "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
            ("abc", "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        ] {
            assert_eq!(source(text), expected);
        }
    }

    /// It is looked at where there may be no network, and it must tell nobody.
    #[test]
    fn the_page_needs_nothing_else() {
        let Page { html, policy } = Page::new();
        let html = String::from_utf8_lossy(&html);
        // The one name of a format is no address that anything is got from.
        let text = html.replace("http://www.w3.org/2000/svg", "");
        for outside in [
            "http:",
            "https:",
            "src=",
            "href=",
            "url(",
            "@import",
            "<link",
            "onclick=",
            "style=",
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(outside), "{outside}");
        }
        assert_eq!(html.matches("<script").count(), 1);
        assert_eq!(html.matches("</script").count(), 1);
        assert_eq!(html.matches("</style").count(), 1);
        for part in [STYLE, SCRIPT] {
            assert_eq!(html.matches(part).count(), 1);
            assert!(policy.contains(&source(part)), "{policy}");
        }
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
    }

    #[test]
    fn everyone_can_read_it() {
        let page = Page::new();
        let html = String::from_utf8_lossy(&page.html);
        for part in [
            "<header>",
            "<main>",
            "<footer>",
            "lang=\"en\"",
            "<h1>",
            "role=\"status\"",
            "<noscript>",
            "<label for=\"find\">",
            "prefers-color-scheme: dark",
            "prefers-reduced-motion",
            ":focus-visible",
            "tabular-nums",
        ] {
            assert_eq!(html.matches(part).count(), 1, "{part}");
        }
    }
}
