#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test is meant to panic"
)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn read_text(text: &str) -> Result<Contents, String> {
    let read = parse(Path::new("conf/doxy.toml"), text.as_bytes());
    read.map_err(|error| error.to_string())
}

#[test]
fn values_keep_their_place_and_spelling() {
    let text = "threads = 2\nallow-uid = [\n  'a', # ä\n  1_000\n]\n\n[socket.b]\nsocket-mode = 0o660\n\
                [socket.\"a\"]\n  debug-less.x = 1\n";
    assert!(read_text(text).is_err());
    let text = text.replace("  debug-less.x = 1\n", "socket-mode = '0600'\n");
    let contents = read_text(&text).unwrap();
    let shown = |layer: &Layer, key: &str| {
        let shown = layer.get(key).iter();
        shown
            .map(|it| format!("{it} is {}", it.value().display()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        shown(&contents.top, "threads"),
        ["conf/doxy.toml:1:11: threads = 2 is 2"]
    );
    assert_eq!(
        shown(&contents.top, "allow-uid"),
        [
            "conf/doxy.toml:3:3: allow-uid = 'a' is a",
            "conf/doxy.toml:4:3: allow-uid = 1_000 is 1000",
        ]
    );
    let names: Vec<_> = contents.sockets.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["b", "a"], "the order of the file");
    assert_eq!(
        shown(&contents.sockets[0].layer, "socket-mode"),
        ["conf/doxy.toml:8:15: socket-mode = 0o660 is 0o660"]
    );
    assert_eq!(contents.sockets[1].place.to_string(), "conf/doxy.toml:9:9");
}

#[test]
fn paths_begin_at_the_folder_of_the_file() {
    for (file, path, expected) in [
        ("conf/doxy.toml", "a.rhai", "conf/a.rhai"),
        ("conf/doxy.toml", "../a.rhai", "conf/../a.rhai"),
        ("conf/doxy.toml", "/a.rhai", "/a.rhai"),
        ("doxy.toml", "a.rhai", "a.rhai"),
        ("/etc/doxy.toml", "a.rhai", "/etc/a.rhai"),
    ] {
        let text = format!("script = \"{path}\"");
        let contents = parse(Path::new(file), text.as_bytes()).unwrap();
        let setting = &contents.top.get("script")[0];
        assert_eq!(setting.path(), Path::new(expected), "{file}");
        assert_eq!(setting.value(), path);
    }
}

/// The place where the text of a value begins, where its lines are lines of the file.
#[test]
fn places_of_text() {
    for (text, expected) in [
        ("patterns = \"/a\"", Some("1:13")),
        ("patterns = '/a'", Some("1:13")),
        ("patterns = \"\"\"/a\n/b\"\"\"", Some("1:15")),
        ("\npatterns = '''\n/a\n/b\n'''", Some("3:1")),
        ("\npatterns = \"\"\"\r\n/a\r\n\"\"\"", Some("3:1")),
        ("patterns = ''''/a'\n'''", Some("1:15")),
        ("patterns = \"\"", Some("1:13")),
        ("patterns = \"/a\\n/b\"", None),
        ("patterns = \"\"\"/a\\\n  b\"\"\"", None),
    ] {
        let contents = read_text(text).unwrap();
        let [setting] = contents.top.get("patterns") else {
            panic!("{text}");
        };
        let super::super::settings::Origin::File(spelled) = setting.origin() else {
            panic!("{text}");
        };
        let place = spelled.text_at.as_ref().map(Place::to_string);
        let expected = expected.map(|place| format!("conf/doxy.toml:{place}"));
        assert_eq!(place, expected, "{text}");
    }
}

#[test]
fn long_values_are_shown_on_one_line() {
    let contents = read_text("patterns = '''\n/a\n'''").unwrap();
    let shown = contents.top.get("patterns")[0].to_string();
    assert_eq!(shown, "conf/doxy.toml:1:12: patterns = '''…");
}

/// Whatever a file is, it is read or refused in two lines with a place.
#[test]
fn pieces_of_a_file_are_read_or_refused() {
    let text = "# é\nthreads = 1\nallow-uid = [1, \"a\"]\n[socket.a]\npatterns = \"\"\"\n/x\n\"\"\"\n\
                dry-run = \"24h\"\nsocket-mode = 0o660\n[socket.b]\ninsecure-tcp = true\n";
    for end in 0..=text.len() {
        let read = parse(Path::new("f"), &text.as_bytes()[..end]);
        if let Err(error) = read {
            let error = error.to_string();
            let lines: Vec<_> = error.lines().collect();
            let [first, second] = lines[..] else {
                panic!("{end}: {error:?}");
            };
            assert!(first.starts_with("f:"), "{end}: {error}");
            assert!(second.starts_with("help: "), "{end}: {error}");
        }
    }
    assert!(read_text(text).is_ok());
}

#[test]
fn files_with_odd_bytes() {
    let read = |text: &str| parse(Path::new("f"), text.as_bytes()).map_err(|it| it.to_string());
    let marked = read("\u{FEFF}threads = 2\r\n").unwrap();
    let setting = marked.top.get("threads")[0].to_string();
    assert_eq!(setting, "f:1:11: threads = 2");
    for text in [
        "threads = [".repeat(10_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("socket{} = 1", ".a".repeat(50_000)),
        "threads = 1\0".to_owned(),
        "threads = 1\rdebug = true".to_owned(),
        "\u{202E}threads = 1".to_owned(),
    ] {
        let error = read(&text).err().unwrap();
        assert!(error.starts_with("f:1:"), "{error}");
        assert_eq!(error.lines().count(), 2, "{error}");
    }
}

proptest! {
    /// Whatever stands in a file, it is read, or refused in two lines with a place in it.
    #[test]
    fn any_pieces_are_read_or_refused(pieces in vec(select(PIECES), 0..40)) {
        let text = pieces.concat();
        if let Err(error) = parse(Path::new("f"), text.as_bytes()) {
            let error = error.to_string();
            let lines: Vec<_> = error.lines().collect();
            prop_assert_eq!(lines.len(), 2, "{:?}: {}", text, error);
            prop_assert!(lines[0].starts_with("f:") && lines[1].starts_with("help: "), "{error}");
        }
    }
}

const PIECES: &[&str] = &[
    "socket",
    "threads",
    "allow-uid",
    "patterns",
    "socket-mode",
    "dry-run",
    "debug",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    " = ",
    "\n",
    "\r\n",
    "\"",
    "'",
    "\"\"\"",
    "\'\'\'",
    "\\",
    "#",
    "é",
    "\u{FEFF}",
    "\0",
    "0o",
    "660",
    "-1",
    "1.5",
    "true",
    "false",
    "2020-01-01",
    "a",
    " ",
    "[socket.a]\n",
    "[[socket]]\n",
    "= [",
    "= {",
];
