//! Many patterns, matched at once.
//!
//! A search reads the path once, however many patterns there are, and takes time in proportion to its
//! length, whatever the patterns are. There is never a loop over rules.

use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::{Anchored, Input};

use super::pattern::Pattern;

// A search remembers where paths have led, up to a limit. Below what the rules need, that memory is thrown
// away again and again and then given up, and a search takes a thousand times as long; so the limit grows
// with the rules. A thousand that begin with `.*` need 15 to 29 times their own size, others far less. The upper
// end is what a client can make one thread hold with paths made to fill it.
const CACHE_BASE: usize = 2_097_152; // 2 MiB
const CACHE_FACTOR: usize = 32;
const CACHE_MAX: usize = 67_108_864; // 64 MiB

/// Patterns compiled together.
#[derive(Debug)]
pub(crate) struct Automaton {
    regex: Regex,
    /// The line of each pattern, in the order of the patterns.
    lines: Vec<usize>,
}

impl Automaton {
    /// Compiles patterns, each with its line. `None` if they are too large together; each by itself is
    /// known to compile.
    pub(crate) fn build<'p>(patterns: impl Iterator<Item = (usize, &'p Pattern)>) -> Option<Self> {
        let (lines, patterns): (Vec<_>, Vec<_>) = patterns.unzip();
        let size: usize = patterns.iter().map(|pattern| pattern.size).sum();
        let hirs: Vec<_> = patterns.iter().map(|pattern| &pattern.hir).collect();
        let config = Config::new()
            .nfa_size_limit(None)
            .hybrid_cache_capacity(cache_capacity(size))
            // A search needs the bounds of the match; where its groups begin and end interests nobody.
            .which_captures(WhichCaptures::Implicit);
        let regex = Regex::builder()
            .configure(config)
            .build_many_from_hir(&hirs)
            .ok()?;
        Some(Self { regex, lines })
    }

    /// The line of the first pattern, in the order of the file, that matches the whole path.
    pub(crate) fn first_match(&self, path: &str) -> Option<usize> {
        let input = Input::new(path).anchored(Anchored::Yes);
        let found = self.regex.search_half(&input)?;
        // There is a line for every pattern. Were there none, only the name of the rule would be wrong:
        // the verdict does not depend on it.
        Some(
            self.lines
                .get(found.pattern().as_usize())
                .copied()
                .unwrap_or_default(),
        )
    }
}

/// The memory that a search may use to remember where paths have led, in bytes, for patterns of this size.
fn cache_capacity(size: usize) -> usize {
    let wanted = CACHE_BASE.saturating_add(size.saturating_mul(CACHE_FACTOR));
    wanted.min(CACHE_MAX)
}

#[cfg(test)]
mod tests {
    use super::cache_capacity;

    #[test]
    fn the_cache_grows_with_the_rules_up_to_a_limit() {
        const MIB: usize = 1024 * 1024;
        for (size, capacity) in [(0, 2), (MIB, 34), (2 * MIB, 64), (usize::MAX, 64)] {
            assert_eq!(cache_capacity(size), capacity * MIB, "{size}");
        }
    }
}
