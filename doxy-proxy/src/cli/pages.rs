//! `doxy completions` and `doxy man`: what is made of the one definition of the command line.
//!
//! It is given that definition, and must never have one of its own.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::builder::{OsStringValueParser, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use doxy_filter::api::Risk;

use crate::cli::print;
use crate::cli::tool_help::for_manual;
use crate::config::{ConfigError, PRESETS};
use crate::startup::Failure;
use crate::tools::output::Output;

/// What the pages say they belong to.
const VERSION: &str = concat!("doxy ", env!("CARGO_PKG_VERSION"));

pub(super) const COMPLETIONS: &str = "completions";
pub(super) const MAN: &str = "man";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  doxy completions bash > /usr/share/bash-completion/completions/doxy
  doxy completions zsh > /usr/share/zsh/vendor-completions/_doxy
  doxy completions fish > /usr/share/fish/vendor_completions.d/doxy.fish
  source <(doxy completions bash)                   # for this shell alone";

const MAN_EXAMPLES: &str = "\
Examples:
  doxy man | man -l -                               # read it
  doxy man --force /usr/share/man/man1              # doxy.1, doxy-check.1 and the others";

/// The two tools, without what they run.
pub(super) fn commands() -> [Command; 2] {
    let completions = Command::new(COMPLETIONS)
        .about("Print what a shell needs to complete options and tools of doxy")
        .after_help(COMPLETIONS_EXAMPLES)
        .arg(
            Arg::new("shell")
                .value_name("bash|zsh|fish")
                .value_parser(["bash", "zsh", "fish"])
                .required(true)
                .help("The shell"),
        );
    let man = Command::new(MAN)
        .about("Print the manual page, or write those of doxy and its tools into a folder")
        .after_help(MAN_EXAMPLES)
        .arg(
            Arg::new("folder")
                .value_name("FOLDER")
                .value_parser(OsStringValueParser::new())
                .value_hint(clap::ValueHint::DirPath)
                .help("Where to write the pages"),
        )
        .arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Replace pages that exist"),
        );
    [completions, man]
}

/// Behind the function for bash: where nothing is begun, options would hide the tools and the files.
const WITHOUT_OPTIONS: &str = r#"
_doxy_begin() {
    _doxy "$@"
    [[ -z $2 ]] || return 0
    local word words=()
    for word in "${COMPREPLY[@]}"; do
        [[ $word == -* ]] || words+=("$word")
    done
    [[ ${#words[@]} -eq 0 ]] || COMPREPLY=("${words[@]}")
}
complete -F _doxy_begin -o bashdefault -o default doxy
"#;

pub(super) fn completions(matches: &ArgMatches, command: Command) -> Result<u8, Failure> {
    let mut command = with_values(command);
    let shell = match matches.get_one::<String>("shell").map(String::as_str) {
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut text = Vec::new();
    generate(shell, &mut command, "doxy", &mut text);
    if shell == Shell::Bash {
        text.extend_from_slice(WITHOUT_OPTIONS.as_bytes());
    }
    print::result(&String::from_utf8_lossy(&text))?;
    Ok(0)
}

/// The options with the values that they can have. It is for shells alone: whether a value is right,
/// and how to say that it is not, is for the settings.
fn with_values(command: Command) -> Command {
    command
        .mut_args(|arg| {
            let values: Vec<&'static str> = match arg.get_id().as_str() {
                "preset" => PRESETS.iter().map(|preset| preset.name).collect(),
                "compat" => vec!["tecnativa"],
                // Of doxy, those that it asks about; of a tool, all.
                "accept-risk" if arg.is_global_set() => {
                    [Risk::HostRoot, Risk::Exec].map(Risk::name).into()
                }
                "accept-risk" => Risk::ALL.iter().map(|risk| risk.name()).collect(),
                "log-format" => vec!["text", "json", "journald"],
                "sandbox" => vec!["auto", "require", "off"],
                _ => return arg,
            };
            arg.value_parser(PossibleValuesParser::new(values))
        })
        .mut_subcommands(with_values)
}

pub(super) fn man(matches: &ArgMatches, command: Command) -> Result<u8, Failure> {
    let pages = pages(command)?;
    let Some(folder) = matches.get_one::<OsString>("folder") else {
        for (_, text) in pages.iter().take(1) {
            print::result(&String::from_utf8_lossy(text))?;
        }
        return Ok(0);
    };
    let folder = Path::new(folder);
    if !fs::metadata(folder).is_ok_and(|found| found.is_dir()) {
        let help = "name a folder that exists";
        return Err(ConfigError::new(folder.display(), "there is no such folder", help).into());
    }
    // All are looked at before the first is written.
    let force = matches.get_flag("force");
    let outputs = pages.into_iter().map(|(name, text)| {
        let output = Output::new(&folder.join(format!("{name}.1")), force)?;
        Ok((output, text))
    });
    let outputs: Vec<_> = outputs.collect::<Result<_, ConfigError>>()?;
    for (output, text) in outputs {
        output.write(&text)?;
    }
    Ok(0)
}

/// The pages with their names: `doxy`, then one for each tool.
fn pages(mut command: Command) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    command.build();
    let tools = command.get_subcommands().map(|tool| {
        let name = format!("doxy-{}", tool.get_name());
        // Options of doxy are on its own page.
        let own = for_manual(tool).mut_args(|arg| {
            let everywhere = arg.is_global_set();
            arg.hide(everywhere)
        });
        (name, own)
    });
    let tools: Vec<_> = tools.collect();
    [("doxy".to_owned(), command)]
        .into_iter()
        .chain(tools)
        .map(|(name, command)| {
            let mut text = Vec::new();
            let page = Man::new(command).title(name.clone());
            page.source(VERSION).render(&mut text)?;
            Ok((name, ascii(&String::from_utf8_lossy(&text))))
        })
        .collect()
}

/// A page in the characters that every troff reads.
fn ascii(page: &str) -> Vec<u8> {
    let mut text = String::with_capacity(page.len());
    for c in page.chars() {
        match c.is_ascii() {
            true => text.push(c),
            false => text.push_str(&format!("\\[u{:04X}]", u32::from(c))),
        }
    }
    text.into_bytes()
}
