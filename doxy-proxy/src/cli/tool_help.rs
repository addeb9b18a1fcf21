//! What `--help` of a tool shows: examples first, the tool's own options, and of doxy's those that matter
//! there.
//!
//! It arranges and has no text of a tool. Every option of doxy works with every tool, shown or not.

use clap::builder::Resettable;
use clap::{Arg, Command};

/// As clap has it, but with the examples above the options.
const TEMPLATE: &str = "\
{about-with-newline}
{usage-heading} {usage}

{before-help}{all-args}{after-help}";

const HEADING: &str = "Options of doxy that matter here";
const MORE: &str = "All options of doxy work here too: doxy --help";

/// A tool with the options of doxy, of which its help shows these.
pub(super) fn with_shared(tool: Command, doxy: &Command, shown: &[&str]) -> Command {
    let own: Vec<_> = tool.get_arguments().map(Arg::get_id).cloned().collect();
    let shared = doxy
        .get_arguments()
        .filter(|arg| !own.contains(arg.get_id()) && arg.get_id() != "version")
        .map(|arg| {
            let arg = arg.clone().global(true);
            if arg.get_id() == "help" {
                return arg.help("Print this help");
            }
            let hidden = arg.is_hide_set() || !shown.contains(&arg.get_id().as_str());
            arg.hide(hidden)
                .help_heading(HEADING)
                .long_help(Resettable::Reset)
        });
    let shared: Vec<_> = shared.collect();
    arranged(tool.args(shared))
}

/// The paragraph with the examples goes above the options, all else stays below them.
fn arranged(command: Command) -> Command {
    let text = command.get_after_help().map(ToString::to_string);
    let text = text.unwrap_or_default();
    let (examples, notes): (Vec<_>, Vec<_>) = text
        .split("\n\n")
        .partition(|paragraph| paragraph.starts_with("Examples:"));
    let notes = [MORE].into_iter().chain(notes).collect::<Vec<_>>();
    command
        .help_template(TEMPLATE)
        .before_help(examples.join("\n\n"))
        .after_help(notes.join("\n\n").trim_end().to_owned())
        .mut_subcommands(arranged)
}

/// The same for a page that is read from its beginning to its end: examples stand at the end.
pub(super) fn for_manual(tool: &Command) -> Command {
    let text = [tool.get_after_help(), tool.get_before_help()];
    let text: Vec<_> = text
        .into_iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    tool.clone().after_help(text.join("\n\n"))
}
