#![expect(clippy::indexing_slicing, reason = "a failed test is meant to panic")]

use super::*;

#[test]
fn addresses_of_engines() {
    let unix = |path: &str| Some(UpstreamAddr::Unix(path.into()));
    let tcp = |address: &str| Some(UpstreamAddr::Tcp(address.to_owned()));
    for (text, expected) in [
        ("/run/d.sock", unix("/run/d.sock")),
        ("d.sock", unix("d.sock")),
        ("unix:///run/d.sock", unix("/run/d.sock")),
        ("unix://d.sock", unix("d.sock")),
        ("./odd:name", unix("./odd:name")),
        ("tcp://127.0.0.1:2375", tcp("127.0.0.1:2375")),
        ("tcp://[::1]:2375/", tcp("[::1]:2375")),
        ("tcp://engine", None),
        ("tcp://:2375", None),
        ("tcp://a/b:1", None),
        ("tcp://a:0", None),
        ("tcp://a:70000", None),
        ("tcp://a:+1", None),
        ("tcp://a b:1", None),
        ("tcp://me@a:1", None),
        ("tcp:/a:1", None),
        ("ssh://me@host", None),
        ("unix:/run/d.sock", None),
        ("fd://x", None),
        ("127.0.0.1:2375", None),
        ("2375", None),
        ("unix://", None),
        ("", None),
    ] {
        let setting = Setting::option("docker-socket", text.as_ref());
        assert_eq!(engine(&setting).ok(), expected, "{text:?}");
    }
}

#[test]
fn addresses_of_sockets_to_create() {
    const NETWORK: &str = "this is a network address without tcp://";
    const UNKNOWN: &str = "unknown kind of address";
    const PORT: &str = "the port is no number from 1 to 65535";
    const NONE: &str = "no address\n";
    const NAME: &str = "this is a name\nhelp: name the address; doxy binds addresses, not names";
    const V6: &str = "no address of IPv6 in brackets";
    for (text, expected) in [
        ("/run/d.sock", Ok("/run/d.sock")),
        ("d.sock", Ok("d.sock")),
        ("unix:///run/d.sock", Ok("/run/d.sock")),
        ("unix://d.sock", Ok("d.sock")),
        ("./2375", Ok("./2375")),
        ("./127.0.0.1:2375", Ok("./127.0.0.1:2375")),
        ("2375.sock", Ok("2375.sock")),
        ("tcp://127.0.0.1:2375", Ok("tcp 127.0.0.1:2375")),
        ("tcp://0.0.0.0:65535/", Ok("tcp 0.0.0.0:65535")),
        ("tcp://[::]:1", Ok("tcp [::]:1")),
        ("tcp://[2001:db8::1]:2375", Ok("tcp [2001:db8::1]:2375")),
        ("fd://docker", Ok("fd docker")),
        ("127.0.0.1:2375", Err(NETWORK)),
        ("localhost:2375", Err(NETWORK)),
        ("[::1]:2375", Err(NETWORK)),
        ("::1", Err(NETWORK)),
        ("0.0.0.0", Err(NETWORK)),
        ("*:2375", Err(NETWORK)),
        (":2375", Err(NETWORK)),
        ("2375", Err(NETWORK)),
        ("tcp://", Err("no port\n")),
        ("tcp://127.0.0.1", Err("no port\n")),
        ("tcp://127.0.0.1:", Err(PORT)),
        ("tcp://127.0.0.1:0", Err(PORT)),
        ("tcp://127.0.0.1:65536", Err(PORT)),
        ("tcp://127.0.0.1:+1", Err(PORT)),
        ("tcp://127.0.0.1:2375/x", Err(PORT)),
        ("tcp://:2375", Err(NONE)),
        ("tcp://*:2375", Err(NONE)),
        ("tcp://engine:2375", Err(NAME)),
        ("tcp://127.1:2375", Err(NAME)),
        ("tcp://127.0.0.01:2375", Err(NAME)),
        ("tcp://me@127.0.0.1:2375", Err(NAME)),
        (
            "tcp://::1:2375",
            Err("an address of IPv6 stands in brackets"),
        ),
        ("tcp://[::1:2375", Err(V6)),
        ("tcp://[127.0.0.1]:2375", Err(V6)),
        ("tcp://[]:2375", Err(V6)),
        (
            "tcp://[::ffff:127.0.0.1]:2375",
            Err("write tcp://127.0.0.1:2375"),
        ),
        (
            "tcp://[fe80::1]:2375",
            Err("name the interface: tcp://[fe80::1%eth0]:2375"),
        ),
        (
            "tcp://[::1%lo]:2375",
            Err("only link-local addresses have a zone"),
        ),
        (
            "tcp://[fe80::1%no such]:1",
            Err("there is no such interface"),
        ),
        ("http://127.0.0.1:2375", Err(UNKNOWN)),
        ("http://engine", Err(UNKNOWN)),
        ("ssh://me@host", Err(UNKNOWN)),
        ("fd://", Err("no name of a socket")),
        ("fd://a:b", Err("no name of a socket")),
        ("fd://a b", Err("no name of a socket")),
        ("unix:/run/d.sock", Err(UNKNOWN)),
        ("unix://", Err("the path is empty")),
        ("", Err("the path is empty")),
    ] {
        let setting = Setting::option("proxy-socket", text.as_ref());
        let got = proxy(&setting).map_err(|error| error.to_string());
        match (got, expected) {
            (Ok(address), Ok(expected)) => {
                let shown = match address {
                    Address::Unix(path) => path.display().to_string(),
                    Address::Tcp(tcp) => format!("tcp {}", tcp[0]),
                    Address::Inherited(name) => format!("fd {name}"),
                };
                assert_eq!(shown, expected);
            }
            (Err(error), Err(words)) => assert!(error.contains(words), "{text:?}: {error}"),
            (got, expected) => assert_eq!(got.is_ok(), expected.is_ok(), "{text:?}: {got:?}"),
        }
    }
}

/// As the kernel lists them: lo, and eth0 with a global and a link-local address.
const INTERFACES: &str = "\
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000001 0b 40 00 80     eth0
fe800000000000000000000000000001 0b 40 20 80     eth0
";

#[test]
fn interfaces_have_names_and_numbers() {
    for (zone, expected) in [
        ("lo", Some(1)),
        ("eth0", Some(11)),
        ("11", Some(11)),
        ("0b", None),
        ("eth1", None),
        ("2", None),
        ("", None),
    ] {
        assert_eq!(index(INTERFACES, zone), expected, "{zone:?}");
    }
    assert!(has_loopback(INTERFACES));
    let (_, others) = INTERFACES.split_once('\n').unwrap_or_default();
    assert!(!has_loopback(others));
    assert!(!has_loopback(""));
}

#[test]
fn localhost_is_the_loopback_address_of_each_family() {
    let setting = Setting::option("proxy-socket", "tcp://localhost:2375".as_ref());
    let mut expected = vec!["127.0.0.1:2375".parse().ok()];
    if has_loopback(&interfaces()) {
        expected.push("[::1]:2375".parse().ok());
    }
    let expected = expected.into_iter().flatten().collect();
    assert_eq!(proxy(&setting).ok(), Some(Address::Tcp(expected)));
}
