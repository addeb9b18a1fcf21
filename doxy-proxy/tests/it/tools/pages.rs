//! `doxy completions` and `doxy man`: they name every tool and every option, and the programs that
//! they are for can read them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::process::{Ended, Process, doxy};
use crate::support::{Need, needs};

fn printed(args: &[&str]) -> String {
    let ended = run(Path::new("/"), args);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{args:?}"
    );
    ended.stdout
}

fn run(folder: &Path, args: &[&str]) -> Ended {
    Process::spawn(doxy(folder).args(args)).end()
}

/// The options that a page of help has.
fn options(args: &[&str]) -> BTreeSet<String> {
    let help = printed(args);
    let words = help.lines().filter_map(|line| {
        let word = line
            .trim_start()
            .trim_start_matches("-h, ")
            .trim_start_matches("-V, ");
        let name = word.strip_prefix("--")?;
        let end = name.find(|c: char| !c.is_ascii_lowercase() && c != '-');
        Some(name[..end.unwrap_or(name.len())].to_owned())
    });
    words.filter(|name| !name.is_empty()).collect()
}

fn tools() -> Vec<String> {
    let help = printed(&["-h"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = commands.take_while(|line| line.starts_with("  "));
    let tools: Vec<_> = names
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    for name in ["check", "config", "presets", "completions", "man"] {
        assert!(tools.iter().any(|tool| tool == name), "{name}: {tools:?}");
    }
    tools
}

#[test]
fn completions_name_every_tool_and_option() {
    let all = options(&["-h"]);
    assert!(all.len() > 30, "{all:?}");
    for shell in ["bash", "zsh", "fish"] {
        let text = printed(&["completions", shell]);
        let has = |option: &String| match shell {
            "fish" => {
                text.contains(&format!("-l {option} ")) || text.contains(&format!("-l {option}\n"))
            }
            _ => text.contains(&format!("--{option}")),
        };
        let of_tools = tools().into_iter().flat_map(|tool| options(&[&tool, "-h"]));
        for option in all.iter().cloned().chain(of_tools) {
            assert!(has(&option), "{shell}: --{option}");
        }
        for tool in tools() {
            assert!(text.contains(&tool), "{shell}: {tool}");
        }
    }
    let wrong = run(Path::new("/"), &["completions", "tcsh"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("bash"), "{wrong:?}");
}

#[test]
fn bash_completes() {
    if !needs(Need::Tool("bash")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doxy.bash");
    fs::write(&file, printed(&["completions", "bash"])).unwrap();
    fs::write(folder.path().join("my.pattern"), "/info\n").unwrap();
    for (words, expected) in [
        (&["doxy", ""][..], "check"),
        (&["doxy", "che"], "check"),
        (&["doxy", "--preset", "tr"], "traefik"),
        (&["doxy", "run", "--preset", "tr"], "traefik-swarm"),
        (&["doxy", "--compat", ""], "tecnativa"),
        (&["doxy", "--accept-risk", "h"], "host-root"),
        (&["doxy", "learn", "--accept-risk", "f"], "files-out"),
        (&["doxy", "--sandbox", ""], "require"),
        (&["doxy", "coverage", "--format", ""], "html"),
        (&["doxy", "pres"], "presets"),
        (&["doxy", "--pattern-f"], "--pattern-file"),
        (&["doxy", "check", "--stri"], "--strict"),
        (&["doxy", "check", "--pattern-f"], "--pattern-file"),
        (&["doxy", "--pattern-file", "my."], "my.pattern"),
        (&["doxy", "check", "--format", "js"], "json"),
        (&["doxy", "completions", "z"], "zsh"),
    ] {
        let script = r#"
            set -u
            complete() { :; }
            compopt() { :; }
            source "$1"; shift
            COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
            _doxy_begin doxy "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf '%s\n' "${COMPREPLY[@]}"
        "#;
        let done = Command::new("bash")
            .args(["--norc", "-c", script, "bash"])
            .arg(&file)
            .args(words)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success() && said.is_empty(),
            "{words:?}: {said}"
        );
        let found = String::from_utf8_lossy(&done.stdout);
        assert!(
            found.lines().any(|line| line == expected),
            "{words:?}: {found:?}"
        );
        // Tools and values come before options, which a dash asks for.
        let begun = words.last().is_some_and(|word| word.starts_with('-'));
        let offered = found.lines().any(|line| line.starts_with('-'));
        assert_eq!(offered, begun, "{words:?}: {found:?}");
    }
}

/// Examples first, then a tool's own options, then those of doxy that say which policy it is about.
#[test]
fn help_of_tools() {
    for help in ["-h", "--help"] {
        let text = printed(&["replay", help]);
        let parts = [
            "Usage: doxy replay",
            "Examples:\n  doxy replay",
            "\n      --exit-code ",
            "\n      --config ",
            "\n      --preset ",
            "\n      --pattern-file ",
            "\n      --patterns ",
            "\nAll options of doxy work here too: doxy --help\n",
        ];
        let places = parts.map(|part| {
            let place = text.find(part);
            place.unwrap_or_else(|| panic!("{help}: no {part:?}: {text}"))
        });
        assert!(places.is_sorted(), "{places:?}: {text}");
    }
    let shown: [(&[&str], &str); 5] = [
        (&["run"], "--docker-socket"),
        (&["run"], "--user"),
        (&["learn"], "--docker-socket"),
        (&["explain"], "--pattern-file"),
        (&["import", "tecnativa"], "--env"),
    ];
    for (tool, option) in shown {
        let text = printed(&[tool, &["--help"]].concat());
        assert!(text.contains(option), "{tool:?}: {option}: {text}");
    }
    for tool in tools().iter().filter(|tool| *tool != "config") {
        let text = printed(&[tool, "--help"]);
        assert!(text.contains("Examples:\n"), "{tool}: {text}");
        for hidden in ["--max-connections", "--tls-cert", "--socket-mode"] {
            assert!(!text.contains(&format!("      {hidden}")), "{tool}: {text}");
        }
    }
    // They count all the same.
    let wrong = run(Path::new("/"), &["presets", "--threads", "x"]);
    assert_eq!(wrong.code, Some(0), "{wrong:?}");
    let wrong = run(Path::new("/"), &["check", "--threads", "x"]);
    assert!(wrong.stdout.contains("--threads x: "), "{wrong:?}");
}

#[test]
fn a_manual_page_for_doxy_and_each_tool() {
    let folder = tempfile::tempdir().unwrap();
    let done = run(folder.path(), &["man", "."]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{done:?}");
    let mut pages = vec!["doxy.1".to_owned()];
    pages.extend(tools().iter().map(|tool| format!("doxy-{tool}.1")));
    pages.sort();
    let mut found: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, pages);
    let text = |page: &str| fs::read_to_string(folder.path().join(page)).unwrap();
    // In a page a dash is written `\-`.
    let has =
        |page: &str, option: &str| text(page).contains(&format!("--{option}").replace('-', "\\-"));
    for option in options(&["-h"]) {
        assert!(has("doxy.1", &option), "--{option}");
    }
    assert_eq!(printed(&["man"]), text("doxy.1"));
    assert!(has("doxy-check.1", "strict"));
    assert!(
        !has("doxy-check.1", "socket-mode"),
        "an option of doxy, on its own page"
    );
    // Nothing is written over, and no page without the others.
    fs::remove_file(folder.path().join("doxy.1")).unwrap();
    fs::write(folder.path().join("doxy-config.1"), "mine").unwrap();
    let refused = run(folder.path(), &["man", "."]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(!folder.path().join("doxy.1").exists());
    assert_eq!(text("doxy-config.1"), "mine");
    assert_eq!(run(folder.path(), &["man", ".", "--force"]).code, Some(0));
    assert!(folder.path().join("doxy.1").exists());
    assert_eq!(run(folder.path(), &["man", "gone"]).code, Some(2));
    if !needs(Need::Tool("groff")) {
        return;
    }
    for page in pages {
        let done = Command::new("groff")
            .args(["-ww", "-man", "-Tutf8"])
            .arg(folder.path().join(&page))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.is_empty(), "{page}: {said}");
    }
}
