//! What is read of a log, and what is told of lines that are no records.

use super::{Line, MAX_LINE, Record, RecordedPeer, Records, Verdict};

fn lines(text: &[u8]) -> Vec<(u64, Line)> {
    let mut records = Records::new(text);
    let mut lines = vec![];
    while let Ok(Some(line)) = records.next() {
        lines.push((records.number, line));
    }
    assert_eq!(records.bytes, text.len() as u64);
    lines
}

fn path(line: &str) -> Result<Option<String>, &'static str> {
    match lines(line.as_bytes()).pop() {
        Some((1, Line::Request(record))) => Ok(record.path),
        Some((1, Line::Fault(fault))) => Err(fault),
        _ => Err("no line"),
    }
}

#[test]
fn records_are_read_with_what_they_tell() {
    let text = r#"
{"time":"2026-01-01T00:00:00Z","uid":0,"gid":7,"pid":1,"command":"docker","method":"GET","path":"/info","verdict":"allowed","rule":"x:1"}

{"time":"2026-01-01T00:00:00Z","lost":12}
{"address":"::1","port":1,"method":"POST","path":"/a\\u{7c}b","verdict":"would_deny"}
{"method":null,"path":null,"verdict":"refused"}
{"method":"GET","path":"//info","verdict":"refused"}
"#;
    let request = |method: &str, path: Option<&str>, verdict, peer| {
        Line::Request(Box::new(Record {
            method: method.to_owned(),
            path: path.map(str::to_owned),
            verdict,
            peer,
        }))
    };
    let unix = RecordedPeer::Unix { uid: 0, gid: 7 };
    let (net, unknown) = (RecordedPeer::Net, RecordedPeer::Unknown);
    assert_eq!(
        lines(text.as_bytes()),
        [
            (2, request("GET", Some("/info"), Verdict::Allowed, unix)),
            (4, Line::Lost(12)),
            (5, request("POST", Some("/a|b"), Verdict::WouldDeny, net)),
            (6, request("", None, Verdict::Refused, unknown)),
            (7, request("GET", None, Verdict::Refused, unknown)),
        ]
    );
}

#[test]
fn lines_that_are_no_records_are_told_by_their_numbers() {
    let whole = r#"{"method":"GET","path":"/info","verdict":"allowed"}"#;
    for (line, fault) in [
        (
            "2026-01-01T00:00:00.000Z 200 allowed GET /info uid=0",
            "this is the text format; write the log with log-format json",
        ),
        ("127.0.0.1 - - [date] \"GET /info\"", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("\u{0}\u{1}", "not a JSON object"),
        (
            r#"{"level":"info","msg":"x"}"#,
            "no record of doxy: it has no `verdict`",
        ),
        (
            r#"{"method":"GET","path":"/info","verdict":"yes"}"#,
            "an unknown `verdict`",
        ),
        (
            r#"{"method":"GET","verdict":"allowed"}"#,
            "a record without `method` and `path`",
        ),
        (r#"{"lost":"many"}"#, "`lost` is no number"),
        (
            r#"{"method":"GET","path":"/a/../b","verdict":"allowed"}"#,
            "a path that doxy would have refused",
        ),
        (
            r#"{"method":"GET","path":"/a\\u{zz}","verdict":"allowed"}"#,
            "a path with a broken escape",
        ),
        (
            r#"{"method":"GET","path":"/a\\u{7c","verdict":"allowed"}"#,
            "a path with a broken escape",
        ),
        (
            r#"{"method":"GET","path":"/a\\xff","verdict":"allowed"}"#,
            "a path that doxy would have refused",
        ),
        (r#"{"method":"GET","path":"#, "not a JSON object"),
    ] {
        let text = format!("{whole}\n{line}\n{whole}\n");
        let mut lines = lines(text.as_bytes());
        assert_eq!(lines.len(), 3, "{line}");
        assert_eq!(lines.remove(1), (2, Line::Fault(fault)), "{line}");
    }
    // Only the last line can be one that is still being written.
    let cut = format!("{whole}\n{{\"method\":\"GET\",\"pa");
    assert_eq!(
        lines(cut.as_bytes()).pop(),
        Some((2, Line::Fault("the line is cut")))
    );
    // A log whose last line has all but its end is whole.
    assert_eq!(lines(whole.as_bytes()).len(), 1);
}

#[test]
fn a_line_of_any_length_takes_the_same_memory() {
    let whole = r#"{"method":"GET","path":"/info","verdict":"allowed"}"#;
    let mut text = vec![b'{'; 4 * MAX_LINE];
    text.push(b'\n');
    text.extend_from_slice(whole.as_bytes());
    let mut records = Records::new(&text[..]);
    let first = records.next().ok().flatten();
    assert_eq!(
        first,
        Some(Line::Fault("the line is too long for a record"))
    );
    assert!(
        records.line.capacity() <= 2 * MAX_LINE + 2,
        "{}",
        records.line.capacity()
    );
    assert!(matches!(records.next(), Ok(Some(Line::Request(_)))));
    assert_eq!(records.number, 2);
}

#[test]
fn paths_are_those_that_were_judged_or_none() {
    let line = |path: &str| format!(r#"{{"method":"GET","path":"{path}","verdict":"allowed"}}"#);
    let whole = format!("/{}", "x".repeat(767));
    let cut = format!("{whole}x\u{2026}");
    for (logged, expected) in [
        ("/containers/a b/json", Ok(Some("/containers/a b/json"))),
        (r"/n\\u{200b}x", Ok(Some("/n\u{200b}x"))),
        // A name that looks like an endpoint is a name.
        ("/containers/json/json", Ok(Some("/containers/json/json"))),
        (&whole, Ok(Some(&*whole))),
        (&cut, Ok(None)),
    ] {
        let expected = expected.map(|path: Option<&str>| path.map(str::to_owned));
        assert_eq!(path(&line(logged)), expected, "{logged}");
    }
}
