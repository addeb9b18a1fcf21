//! The rules of a comparison, as a configuration of each proxy.
//!
//! They are doxy's ten default patterns and what the streams need besides. Each configuration is
//! what someone who knows the proxy well would write. Nothing here reads or writes files.

use std::path::{Path, PathBuf};

use doxy_filter::DEFAULT_PATTERNS;

use crate::http::socket::Address;
use crate::peers::certificate::Certificate;

/// What the streams need besides the ten patterns, with GET and with POST.
const GET_TOO: [&str; 2] = [r"^/v1\.41/events$", r"^/v1\.41/containers/big/export$"];
const POST: [&str; 2] = [
    r"^/v1\.41/images/load$",
    r"^/v1\.41/containers/(source|sink|echo)/attach$",
];

/// All patterns for GET.
fn get() -> impl Iterator<Item = &'static str> {
    let ten = DEFAULT_PATTERNS.lines().map(str::trim);
    ten.filter(|line| line.starts_with('^')).chain(GET_TOO)
}

/// The patterns for GET, one per line.
pub(crate) fn get_patterns() -> String {
    get().map(|pattern| format!("{pattern}\n")).collect()
}

pub(crate) fn post_patterns() -> String {
    POST.map(|pattern| format!("{pattern}\n")).concat()
}

/// A pattern file for doxy: the default patterns as they are, and the rest with methods.
pub(crate) fn doxy() -> String {
    let with = |method: &str, pattern: &str| {
        let path = pattern.trim_start_matches('^').trim_end_matches('$');
        format!("{method} {path}\n")
    };
    let mut rules = DEFAULT_PATTERNS.to_owned();
    rules.extend(GET_TOO.map(|pattern| with("GET", pattern)));
    rules.extend(POST.map(|pattern| with("POST", pattern)));
    rules
}

/// A configuration of doxy with many sockets: each has the default patterns and one of its own, so
/// that no two share a policy.
pub(crate) fn doxy_sockets(engine: &Path, sockets: impl Iterator<Item = PathBuf>) -> String {
    let mut text = format!("docker-socket = \"{}\"\n", engine.display());
    for (number, socket) in sockets.enumerate() {
        text.push_str(&format!(
            "[socket.s{number}]
proxy-socket = \"{socket}\"
patterns = '''
{DEFAULT_PATTERNS}
POST /v1\\.41/containers/project-{number}-\\w+/restart
'''
",
            socket = socket.display()
        ));
    }
    text
}

/// What HAProxy's `bind` says about an address.
pub(crate) fn haproxy_bind(address: &Address, certificate: &Certificate) -> String {
    match address {
        Address::Unix(path) => path.display().to_string(),
        Address::Tcp(address) => address.to_string(),
        Address::Tls(address, _) => format!(
            "{address} ssl crt {} ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.3",
            certificate.both.display()
        ),
    }
}

/// What nginx's server says about an address.
pub(crate) fn nginx_listen(address: &Address, certificate: &Certificate) -> String {
    match address {
        Address::Unix(path) => format!("        listen unix:{} backlog=4096;\n", path.display()),
        Address::Tcp(address) => format!("        listen {address} backlog=4096;\n"),
        Address::Tls(address, _) => format!(
            "        listen {address} ssl backlog=4096;
        ssl_certificate {};
        ssl_certificate_key {};
        ssl_protocols TLSv1.2 TLSv1.3;
",
            certificate.chain.display(),
            certificate.key.display()
        ),
    }
}

/// HAProxy with its fastest settings: one thread, kept connections, `splice(2)`, no log, all
/// patterns in one condition.
pub(crate) fn haproxy(engine: &Path, bind: &str, get: &Path, post: &Path) -> String {
    format!(
        "global
    nbthread 1
    maxconn 6000
defaults
    mode http
    option http-keep-alive
    option splice-auto
    http-reuse always
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    timeout http-keep-alive 1h
frontend docker
    bind {bind}
    acl get path -m reg -f {get}
    acl post path -m reg -f {post}
    http-request deny unless METH_GET get or METH_POST post
    default_backend engine
backend engine
    server engine unix@{engine}
",
        engine = engine.display(),
        get = get.display(),
        post = post.display(),
    )
}

/// HAProxy with the settings of images that filter Docker's socket: one connection to the engine
/// per request, an access log, a condition for each pattern. The timeouts for idle connections and
/// the limit of connections are higher here, so that idle connections can be measured.
pub(crate) fn haproxy_deployed(engine: &Path, socket: &Path) -> String {
    let allow = |method: &str, pattern: &str| {
        format!("    http-request allow if {method} {{ path,url_dec -m reg -i {pattern} }}\n")
    };
    let mut allowed: String = get().map(|pattern| allow("METH_GET", pattern)).collect();
    allowed.extend(POST.map(|pattern| allow("METH_POST", pattern)));
    format!(
        "global
    log stdout format raw daemon info
    nbthread 1
    maxconn 6000
defaults
    mode http
    log global
    option httplog
    option dontlognull
    option http-server-close
    option redispatch
    retries 3
    timeout http-request 10s
    timeout queue 1m
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
frontend docker
    bind {socket}
{allowed}    http-request deny
    default_backend engine
backend engine
    server engine {engine}
",
        socket = socket.display(),
        engine = engine.display(),
    )
}

/// nginx with its fastest settings: one process, kept connections on both sides, no log, nothing on
/// disk, bodies streamed.
/// `listen` is what its server has to say about that.
pub(crate) fn nginx(engine: &Path, listen: &str, dir: &Path) -> String {
    let location = |pattern: &str, more: &str| {
        format!("        location ~ \"{pattern}\" {{ {more} proxy_pass http://engine; }}\n")
    };
    // The first `location` that matches decides, whatever its methods: the narrow ones with POST
    // come first.
    let upgrade = "limit_except POST { deny all; } \
        proxy_set_header Host $http_host; \
        proxy_set_header Upgrade $http_upgrade; \
        proxy_set_header Connection $connection_upgrade;";
    let mut locations = POST
        .map(|pattern| match pattern.contains("attach") {
            true => location(pattern, upgrade),
            false => location(pattern, "limit_except POST { deny all; }"),
        })
        .concat();
    // Events must be flushed at once. Everything else may be buffered and forwarded in larger
    // pieces.
    locations.extend(get().map(|pattern| match pattern.contains("events") {
        true => location(
            pattern,
            "limit_except GET { deny all; } proxy_buffering off;",
        ),
        false => location(pattern, "limit_except GET { deny all; }"),
    }));
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {}/nginx-{kind};\n", dir.display()))
        .concat();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {dir}/nginx.pid;
error_log stderr error;
events {{
    worker_connections 16384;
}}
http {{
{paths}    access_log off;
    server_tokens off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Connection \"\";
    proxy_request_buffering off;
    proxy_buffering on;
    proxy_buffer_size 8k;
    proxy_buffers 8 32k;
    proxy_busy_buffers_size 64k;
    proxy_max_temp_file_size 0;
    proxy_read_timeout 1h;
    proxy_send_timeout 1h;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        \"\" \"\";
    }}
    upstream engine {{
        server unix:{engine};
        keepalive 512;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
{listen}{locations}        location / {{ return 403; }}
    }}
}}
",
        dir = dir.display(),
        engine = engine.display(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn ten_patterns_and_what_streams_need() {
        assert_eq!(get().count(), 10 + GET_TOO.len());
        assert_eq!(get_patterns().lines().count(), 12);
        assert_eq!(post_patterns().lines().count(), 2);
    }

    #[test]
    fn all_in_the_language_of_each() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, socket, dir) = (Path::new("/e"), Path::new("/s"), Path::new("/d"));
        let certificate = Certificate::make(folder.path()).unwrap();
        let unix = Address::Unix(socket.to_owned());
        let deployed = haproxy_deployed(engine, socket);
        let nginx = nginx(engine, &nginx_listen(&unix, &certificate), dir);
        let doxy = doxy();
        for pattern in get().chain(POST) {
            assert!(deployed.contains(&format!("-m reg -i {pattern} }}")));
            assert!(nginx.contains(&format!("location ~ \"{pattern}\"")));
        }
        for line in DEFAULT_PATTERNS.lines() {
            assert!(doxy.contains(line));
        }
        assert!(doxy.contains("POST /v1\\.41/images/load\n"));
        assert!(nginx.contains("server unix:/e;") && nginx.contains("listen unix:/s "));
        let bind = haproxy_bind(&unix, &certificate);
        let haproxy = haproxy(engine, &bind, Path::new("/g"), Path::new("/p"));
        assert!(haproxy.contains("path -m reg -f /g") && haproxy.contains("path -m reg -f /p"));
        assert!(haproxy.contains("unix@/e") && haproxy.contains("bind /s"));
    }

    #[test]
    fn tcp_and_tls_with_the_same_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::make(folder.path()).unwrap();
        let at = "127.0.0.2:2376".parse().unwrap();
        let (tcp, tls) = (
            Address::Tcp(at),
            Address::Tls(at, certificate.client.clone()),
        );
        assert_eq!(haproxy_bind(&tcp, &certificate), "127.0.0.2:2376");
        assert!(!nginx_listen(&tcp, &certificate).contains("ssl"));
        let bind = haproxy_bind(&tls, &certificate);
        assert!(bind.starts_with("127.0.0.2:2376 ssl crt "), "{bind}");
        assert!(bind.contains("/both.pem ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.3"));
        let listen = nginx_listen(&tls, &certificate);
        assert!(listen.contains("/certificate.pem;") && listen.contains("/key.pem;"));
        assert!(listen.contains("ssl_protocols TLSv1.2 TLSv1.3;"));
        let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let both = format!("{}{}", read("certificate.pem"), read("key.pem"));
        assert_eq!(both, read("both.pem"));
    }

    #[test]
    fn many_sockets_share_no_rules() {
        let sockets = ["/s/1", "/s/2"].map(PathBuf::from);
        let text = doxy_sockets(Path::new("/e"), sockets.into_iter());
        assert_eq!(text.matches("[socket.").count(), 2);
        assert_eq!(text.matches(DEFAULT_PATTERNS).count(), 2);
        for own in ["/containers/project-0-", "/containers/project-1-"] {
            assert_eq!(text.matches(own).count(), 1, "{text}");
        }
    }

    #[test]
    fn only_what_changes_its_protocol_is_told_so() {
        let nginx = nginx(Path::new("/e"), "", Path::new("/d"));
        let upgrades = nginx.matches("Upgrade $http_upgrade").count();
        assert_eq!(upgrades, 1);
        assert_eq!(nginx.matches("proxy_buffering off").count(), 1);
    }
}
