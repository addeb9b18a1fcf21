//! Which requests the admin side serves at all: those that read, and that no foreign web page has a
//! browser make.

use http::{HeaderMap, HeaderValue, Method, Request, header};

use crate::proxy::browser::is_known;

/// Why a request is not served: the status and the words.
pub(super) type Refusal = (u16, &'static str);

/// Looks at a request's method and at the headers by which browsers say where it comes from.
///
/// `hosts` are names by which people call doxy. `network` says whether it comes over a network: no browser
/// speaks to a unix socket.
pub(super) fn check<B>(
    request: &Request<B>,
    hosts: &[String],
    network: bool,
) -> Result<(), Refusal> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Err((405, "the admin side only reads: use GET"));
    }
    let headers = request.headers();
    let mut hosts_named = headers.get_all(header::HOST).iter();
    let host = hosts_named.next().map(HeaderValue::as_bytes);
    let several = hosts_named.next().is_some();
    let named = request.uri().authority().map(|it| it.as_str().as_bytes());
    let known = |host: Option<&[u8]>| host.is_none_or(|host| is_known(host, hosts));
    if network && (several || !known(host) || !known(named)) {
        return Err((
            403,
            "this host is not known: if people call doxy by that name, set --allow-host to it",
        ));
    }
    if !is_own(headers, host, request.uri().path()) {
        return Err((403, "a foreign web page asks for this"));
    }
    Ok(())
}

/// Whether the request is from no web page, or from the admin side's own. Of a header that comes several
/// times each value counts: a program in between may have taken any of them.
fn is_own(headers: &HeaderMap, host: Option<&[u8]>, path: &str) -> bool {
    let all = |name: &str, holds: &dyn Fn(&[u8]) -> bool| {
        let mut values = headers.get_all(name).iter();
        values.all(|value| holds(value.as_bytes()))
    };
    let origin = all("origin", &|origin| {
        let rest = [&b"http://"[..], b"https://"]
            .iter()
            .find_map(|scheme| origin.strip_prefix(*scheme));
        rest.is_some() && rest == host
    });
    // Who follows a link comes from elsewhere, and sees the page as a page.
    let is_only = |name: &str, expected: &[u8]| {
        headers.contains_key(name) && all(name, &|value| value == expected)
    };
    let navigates = path == "/"
        && is_only("sec-fetch-mode", b"navigate")
        && is_only("sec-fetch-dest", b"document");
    let own = all("sec-fetch-site", &|site| {
        [&b"same-origin"[..], b"none"].contains(&site)
    });
    origin && (own || navigates)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::check;

    fn status(method: &str, target: &str, headers: &[(&str, &str)], network: bool) -> u16 {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap_or_default();
        match check(&request, &["doxy.example".to_owned()], network) {
            Ok(()) => 200,
            Err((status, _)) => status,
        }
    }

    #[test]
    fn what_is_served() {
        let own = [("host", "localhost:9")];
        for (method, status_of) in [
            ("GET", 200),
            ("HEAD", 200),
            ("POST", 405),
            ("PUT", 405),
            ("DELETE", 405),
            ("OPTIONS", 405),
            ("BREW", 405),
        ] {
            assert_eq!(
                status(method, "/metrics", &own, true),
                status_of,
                "{method}"
            );
        }
        for (headers, expected) in [
            (vec![], 200),
            (vec![("host", "127.0.0.1:9380")], 200),
            (vec![("host", "doxy:9380")], 200),
            (vec![("host", "doxy.example")], 200),
            (vec![("host", "evil.example")], 403),
            (vec![("host", "localhost"), ("host", "evil.example")], 403),
            (vec![("host", "a:1"), ("origin", "http://a:1")], 200),
            (vec![("host", "a:1"), ("origin", "https://a:1")], 200),
            (vec![("host", "a:1"), ("origin", "http://a:2")], 403),
            (vec![("host", "a:1"), ("origin", "null")], 403),
            (vec![("host", "a:1"), ("origin", "")], 403),
            (vec![("origin", "http://a:1")], 403),
            // Each of several counts, whichever comes first.
            (
                vec![
                    ("host", "a:1"),
                    ("origin", "http://a:1"),
                    ("origin", "http://evil.example"),
                ],
                403,
            ),
            (
                vec![
                    ("host", "a:1"),
                    ("origin", "http://a:1"),
                    ("origin", "http://a:1"),
                ],
                200,
            ),
            (vec![("host", "localhost"), ("host", "localhost")], 403),
            (
                vec![
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-site", "cross-site"),
                ],
                403,
            ),
            (
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                    ("sec-fetch-dest", "iframe"),
                ],
                403,
            ),
            (vec![("sec-fetch-site", "same-origin")], 200),
            (vec![("sec-fetch-site", "none")], 200),
            (vec![("sec-fetch-site", "cross-site")], 403),
            (vec![("sec-fetch-site", "same-site")], 403),
            (vec![("sec-fetch-site", "")], 403),
            (
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                ],
                200,
            ),
            (
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "iframe"),
                ],
                403,
            ),
        ] {
            assert_eq!(status("GET", "/", &headers, true), expected, "{headers:?}");
        }
        let link = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert_eq!(status("GET", "/api/status", &link, true), 403);
        assert_eq!(status("GET", "http://evil.example/", &own, true), 403);
        assert_eq!(status("GET", "/", &[("host", "evil.example")], false), 200);
    }
}
