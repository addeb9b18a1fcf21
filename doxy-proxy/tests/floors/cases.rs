//! Small crates that keep or break one rule each: the check must see every breach, and nothing else.

use crate::rules::faults;
use crate::source::Files;

/// A crate of three floors, `low`, `mid` and `top`, whose files a case adds or replaces.
fn small_crate(changes: &[(&str, &str)]) -> Files {
    let base = [
        (
            "src/lib.rs",
            "//! A crate.\n//!\n\
             //! | floor | what it is for | what it must never know |\n\
             //! |---|---|---|\n\
             //! | `low` | words | sockets |\n\
             //! | `mid`, `side` | bytes | rules |\n\
             //! | `top/` | all | nothing |\n\
             mod low; mod mid; mod side; mod top;\n\
             pub use top::Top;\n",
        ),
        ("src/low.rs", "//! Low.\npub(crate) struct Low;\n"),
        (
            "src/mid.rs",
            "//! Mid.\nuse crate::low::Low;\npub(crate) struct Mid(Low);\n",
        ),
        ("src/side.rs", "//! Side.\npub(crate) struct Side;\n"),
        (
            "src/top/mod.rs",
            "//! Top.\nmod a;\nmod b;\npub use self::b::Top;\n",
        ),
        (
            "src/top/a.rs",
            "//! A.\nuse crate::low;\npub(crate) struct A(low::Low);\n",
        ),
        (
            "src/top/b.rs",
            "//! B.\nuse super::a::A;\nuse crate::mid::Mid;\npub struct Top(A, Mid);\n",
        ),
    ];
    base.iter()
        .chain(changes)
        .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
        .collect()
}

/// A case of `cases.txt`.
#[derive(Debug, Default)]
struct Case {
    title: String,
    files: Vec<(String, String)>,
    messages: Vec<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("=== ") {
            cases.push(Case {
                title: title.to_owned(),
                ..Case::default()
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            continue; // before the first case: how to read them
        };
        if let Some(file) = line.strip_prefix("--- ") {
            case.files.push((file.to_owned(), String::new()));
        } else if let Some(message) = line.strip_prefix(">>> ") {
            case.messages.push(message.to_owned());
        } else if let Some((_, source)) = case.files.last_mut() {
            *source += line;
            *source += "\n";
        }
    }
    cases
}

#[test]
fn every_rule_is_seen_to_be_broken() {
    let cases = cases(include_str!("cases.txt"));
    assert!(cases.len() > 40, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let changes: Vec<(&str, &str)> = case
            .files
            .iter()
            .map(|(file, text)| (&**file, &**text))
            .collect();
        let found: Vec<String> = faults("small-crate", &small_crate(&changes))
            .iter()
            .map(ToString::to_string)
            .collect();
        let all = found.len() == case.messages.len()
            && found
                .iter()
                .zip(&case.messages)
                .all(|(found, start)| found.starts_with(start));
        if !all {
            wrong.push(format!(
                "{}: expected {:#?}, found {found:#?}",
                case.title, case.messages
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn long_files() {
    let text = |lines: usize| format!("//! Long.\n{}", "fn f() {}\n".repeat(lines - 1));
    let test = "#[cfg(test)]\nmod tests { fn f() {}\n}\n".repeat(100);
    let tests_apart = "//! L.\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod support;\n";
    for (file, text, expected) in [
        ("src/low.rs", text(400), None),
        (
            "src/low.rs",
            text(401),
            Some("src/low.rs:401: the file has 401 lines, more than 400"),
        ),
        // Tests in the file count, those in a file of their own do not.
        (
            "src/low.rs",
            text(200) + &test,
            Some("src/low.rs:500: the file has 500 lines"),
        ),
        ("src/low/tests.rs", text(900), None),
        ("src/low/tests/more.rs", text(900), None),
        (
            "src/low/support.rs",
            text(900),
            Some("src/low/support.rs:900: the file has 900 lines"),
        ),
    ] {
        let mut files = small_crate(&[]);
        if file != "src/low.rs" {
            files.insert("src/low.rs".to_owned(), tests_apart.to_owned());
            files.insert("src/low/tests.rs".to_owned(), "mod more;\n".to_owned());
            files.insert("src/low/support.rs".to_owned(), "//! S.\n".to_owned());
        }
        files.insert(file.to_owned(), text);
        let found: Vec<String> = faults("small-crate", &files)
            .iter()
            .map(ToString::to_string)
            .collect();
        match expected {
            None => assert!(found.is_empty(), "{file}: {found:?}"),
            Some(part) => {
                assert!(
                    found.len() == 1 && found[0].starts_with(part),
                    "{file}: {found:?}"
                );
            }
        }
    }
}
