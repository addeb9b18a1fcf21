//! Many patterns, matched in one pass.
//!
//! A search reads the path once, whatever the number of patterns, and takes time linear in its
//! length, whatever the patterns are. A verdict never takes a loop over rules.

use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::{Anchored, Input, PatternID};

use super::pattern::Pattern;

// The lazy DFA caches its states, up to a limit. If the limit is less than the rules need, the
// cache is cleared again and again and then given up, and a search takes a thousand times as long.
// So the limit grows with the rules: a thousand rules that begin with `.*` need 15 to 29 times
// their own size, others far less. `CACHE_MAX` bounds what a client can make one thread hold with
// crafted paths.
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
    /// Compiles patterns, each with its line. `None` if they are too large together; each one
    /// compiles by itself.
    pub(crate) fn build<'p>(patterns: impl Iterator<Item = (usize, &'p Pattern)>) -> Option<Self> {
        let (lines, patterns): (Vec<_>, Vec<_>) = patterns.unzip();
        let size: usize = patterns.iter().map(|pattern| pattern.size).sum();
        let hirs: Vec<_> = patterns.iter().map(|pattern| &pattern.hir).collect();
        let config = Config::new()
            .nfa_size_limit(None)
            .hybrid_cache_capacity(cache_capacity(size))
            // Only the bounds of the match are needed, not those of its groups.
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
        // There is a line for every pattern. The verdict does not depend on it, only the name of
        // the rule.
        Some(
            self.lines
                .get(found.pattern().as_usize())
                .copied()
                .unwrap_or_default(),
        )
    }

    /// The lines of all patterns that match the whole path. It asks one pattern after the other: for
    /// people who want to know, not for requests.
    pub(crate) fn all_matches(&self, path: &str) -> impl Iterator<Item = usize> {
        let matches = |index: usize| {
            let Ok(pattern) = PatternID::new(index) else {
                return false;
            };
            let input = Input::new(path).anchored(Anchored::Pattern(pattern));
            self.regex.search_half(&input).is_some()
        };
        let lines = self.lines.iter().enumerate();
        lines.filter_map(move |(index, line)| matches(index).then_some(*line))
    }
}

/// The limit of the lazy DFA's cache, in bytes, for patterns of this size.
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
