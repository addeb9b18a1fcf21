//! Which paths a pattern can match, decided by what it means and not by its text.
//!
//! The canonical paths are a regular language, and so is what a pattern matches. Walking both
//! automata at once tells whether they share a path. The walk is bounded: where it would take too
//! long the answer is `None`, and nothing is said about the rule. It must never make a rule mean
//! something else.

use std::collections::HashSet;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look};

/// The most combinations of states that one walk looks at.
const MAX_STEPS: usize = 5_000;
/// The most work for one walk: combinations of states times the size of the patterns, in bytes. The
/// time of a step grows with the size.
const MAX_WORK: usize = 20_000_000;

/// The most memory that one automaton takes, in bytes.
const CACHE: usize = 2 << 20;

/// What a byte may be in the paths of a question, beside what [`crate::canonical_path`] accepts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Paths {
    /// Bytes that may not occur, although a canonical path may have them.
    pub(super) without: Option<fn(u8) -> bool>,
    /// What may occur, although no canonical path has it.
    pub(super) with: Option<Flaw>,
}

/// What canonical paths never have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    Percent,
    Backslash,
    Control,
    EmptySegment,
    DotSegment,
}

/// How much of a path was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    Beginning,
    /// After the slash that every path begins with.
    Root,
    /// After another slash.
    Slash,
    /// After one or two dots that are the whole segment so far.
    Dots(u8),
    Text,
    /// After the byte C2, with which the characters from U+0080 to U+00BF begin.
    C2,
}

impl Paths {
    /// All canonical paths.
    pub(super) const ALL: Self = Self {
        without: None,
        with: None,
    };

    /// Paths that have this flaw too.
    pub(super) fn with(flaw: Flaw) -> Self {
        Self {
            with: Some(flaw),
            ..Self::ALL
        }
    }

    /// Paths without these bytes.
    pub(super) fn without(bytes: fn(u8) -> bool) -> Self {
        Self {
            without: Some(bytes),
            ..Self::ALL
        }
    }

    /// Whether a path may go on with this byte, and where that leads.
    pub(super) fn step(self, at: At, byte: u8) -> Option<At> {
        let may = |flaw| self.with == Some(flaw);
        if self.without.is_some_and(|excluded| excluded(byte)) {
            return None;
        }
        match (at, byte) {
            (At::Beginning, b'/') => Some(At::Root),
            (At::Beginning, _) => None,
            (At::Root | At::Slash, b'/') => may(Flaw::EmptySegment).then_some(At::Slash),
            (At::Dots(_), b'/') => may(Flaw::DotSegment).then_some(At::Slash),
            (_, b'/') => Some(At::Slash),
            (At::Root | At::Slash, b'.') => Some(At::Dots(1)),
            (At::Dots(1), b'.') => Some(At::Dots(2)),
            (_, b'%') => may(Flaw::Percent).then_some(At::Text),
            (_, b'\\') => may(Flaw::Backslash).then_some(At::Text),
            (_, 0..=0x1F | 0x7F) => may(Flaw::Control).then_some(At::Text),
            (At::C2, 0x80..=0x9F) => may(Flaw::Control).then_some(At::Text),
            (_, 0xC2) => Some(At::C2),
            _ => Some(At::Text),
        }
    }

    /// Whether a path may end here.
    pub(super) fn may_end(self, at: At) -> bool {
        match at {
            At::Root | At::Slash | At::Text => true,
            At::Dots(_) => self.with == Some(Flaw::DotSegment),
            At::Beginning | At::C2 => false,
        }
    }

    /// Whether two bytes lead to the same place, wherever one is.
    fn class(self, byte: u8) -> (u8, bool) {
        let class = match byte {
            b'/' => 0,
            b'.' => 1,
            b'%' => 2,
            b'\\' => 3,
            0..=0x1F | 0x7F => 4,
            0x80..=0x9F => 5,
            0xC2 => 6,
            _ => 7,
        };
        (class, self.without.is_some_and(|excluded| excluded(byte)))
    }
}

/// An anchored pattern that is asked about.
#[derive(Debug)]
pub(super) struct Language {
    dfa: DFA,
    cache: Cache,
}

impl Language {
    /// `None` for a pattern that has no such automaton.
    pub(super) fn of(whole: &Hir) -> Option<Self> {
        Self::of_all(&[whole], CACHE)
    }

    /// The language of all these patterns, in an automaton that takes at most so much memory.
    pub(super) fn of_all(wholes: &[&Hir], cache: usize) -> Option<Self> {
        let config = thompson::Config::new().which_captures(WhichCaptures::None);
        let nfa = thompson::Compiler::new()
            .configure(config)
            .build_many_from_hir(wholes)
            .ok()?;
        let config = DFA::config()
            .match_kind(MatchKind::All)
            .cache_capacity(cache)
            .skip_cache_capacity_check(true)
            // A cleared cache would make all states that were seen invalid: give up instead.
            .minimum_cache_clear_count(Some(0));
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let cache = dfa.create_cache();
        Some(Self { dfa, cache })
    }

    /// Forgets all states. Those that were given out mean nothing any more.
    pub(super) fn forget(&mut self) {
        self.cache.reset(&self.dfa);
    }

    /// The memory of its states, in bytes.
    pub(super) fn cached(&self) -> usize {
        self.cache.memory_usage()
    }

    /// The size of its patterns, in bytes.
    pub(super) fn size(&self) -> usize {
        self.dfa.get_nfa().memory_usage()
    }

    pub(super) fn start(&mut self) -> Option<LazyStateID> {
        let input = Input::new("").anchored(Anchored::Yes);
        self.dfa.start_state_forward(&mut self.cache, &input).ok()
    }

    pub(super) fn next(&mut self, state: LazyStateID, byte: u8) -> Option<LazyStateID> {
        self.dfa.next_state(&mut self.cache, state, byte).ok()
    }

    /// Whether a path is in it.
    pub(super) fn has(&mut self, path: &str) -> Option<bool> {
        let mut state = self.start()?;
        for byte in path.bytes() {
            state = self.next(state, byte)?;
        }
        self.matches(state)
    }

    fn matches(&mut self, state: LazyStateID) -> Option<bool> {
        let end = self.dfa.next_eoi_state(&mut self.cache, state).ok()?;
        Some(end.is_match())
    }

    /// Which pattern has the path that ends here: the first, if there are several.
    pub(super) fn first(&mut self, state: LazyStateID) -> Option<Option<usize>> {
        let end = self.dfa.next_eoi_state(&mut self.cache, state).ok()?;
        let found = match end.is_match() {
            true => self.dfa.match_len(&self.cache, end),
            false => 0,
        };
        let patterns = (0..found).map(|at| self.dfa.match_pattern(&self.cache, end, at));
        Some(patterns.map(|pattern| pattern.as_usize()).min())
    }
}

/// Whether one of these paths is in all of the languages. `None` if that takes too long to find out.
pub(super) fn meet(languages: &mut [&mut Language], paths: Paths) -> Option<bool> {
    meet_outside(languages, &mut [], paths)
}

/// Whether one of these paths is in all of the languages `within` and in none of those `without`.
pub(super) fn meet_outside(
    within: &mut [&mut Language],
    without: &mut [&mut Language],
    paths: Paths,
) -> Option<bool> {
    let wanted = within.len();
    let mut languages: Vec<&mut Language> = Vec::with_capacity(wanted + without.len());
    languages.extend(within.iter_mut().map(|language| &mut **language));
    languages.extend(without.iter_mut().map(|language| &mut **language));
    walk(&mut languages, wanted, paths, false)
}

/// Whether the language has all canonical paths of ASCII but `/`, at which no engine serves anything.
pub(super) fn is_everything(language: &mut Language) -> Option<bool> {
    // The walk is one over bytes, and patterns match no bytes that are not UTF-8.
    let ascii = Paths::without(|byte| !byte.is_ascii());
    walk(&mut [language], 0, ascii, true).map(|missed| !missed)
}

/// Whether there is a path that the first languages have, `wanted` of them, and the others lack.
fn walk(
    languages: &mut [&mut Language],
    wanted: usize,
    paths: Paths,
    but_root: bool,
) -> Option<bool> {
    let bytes = representatives(languages, paths);
    let sizes = languages.iter().map(|it| it.size());
    let most = MAX_STEPS.min(MAX_WORK / sizes.sum::<usize>().max(1));
    let mut start = Vec::new();
    for language in languages.iter_mut() {
        start.push(language.start()?);
    }
    let mut seen = HashSet::from([(At::Beginning, start.clone())]);
    // The last one in is the first one out: a match, as a rule, is found without many detours.
    let mut open = vec![(At::Beginning, start)];
    while let Some((at, states)) = open.pop() {
        if paths.may_end(at) && !(but_root && at == At::Root) {
            let mut all = true;
            for (index, (language, state)) in languages.iter_mut().zip(&states).enumerate() {
                all &= language.matches(*state)? == (index < wanted);
            }
            if all {
                return Some(true);
            }
        }
        for byte in &bytes {
            let Some(to) = paths.step(at, *byte) else {
                continue;
            };
            let mut next = Vec::with_capacity(states.len());
            for (language, state) in languages.iter_mut().zip(&states) {
                next.push(language.next(*state, *byte)?);
            }
            if next.iter().any(|state| state.is_quit()) {
                return None;
            }
            if next.iter().take(wanted).any(|state| state.is_dead()) {
                continue;
            }
            if seen.len() >= most {
                return None;
            }
            let next = (to, next);
            if !seen.contains(&next) {
                seen.insert(next.clone());
                open.push(next);
            }
        }
    }
    Some(false)
}

/// One byte of each kind that languages and paths tell apart.
pub(super) fn representatives(languages: &[&mut Language], paths: Paths) -> Vec<u8> {
    let mut kinds = HashSet::new();
    let kind = |byte: &u8| {
        let classes = languages
            .iter()
            .map(|language| language.dfa.byte_classes().get(*byte));
        (paths.class(*byte), classes.collect::<Vec<_>>())
    };
    (0..=u8::MAX)
        .filter(|byte| kinds.insert(kind(byte)))
        .collect()
}

/// A text that the pattern matches, if one is easily found. It answers most questions, and saves the
/// walk.
pub(super) fn example(hir: &Hir) -> Option<String> {
    let mut text = Example::default();
    text.add(hir)?;
    String::from_utf8(text.bytes).ok()
}

#[derive(Default)]
struct Example {
    bytes: Vec<u8>,
    ended: bool,
}

impl Example {
    fn add(&mut self, hir: &Hir) -> Option<()> {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => self.push(&literal.0)?,
            HirKind::Class(Class::Unicode(class)) => {
                // After a digit, a dot: `v1.41` is meant as a version, even if its dot is not escaped.
                let dot = self.bytes.last().is_some_and(u8::is_ascii_digit);
                let usual = [
                    if dot { '.' } else { 'a' },
                    'a',
                    '1',
                    'A',
                    '-',
                    '_',
                    '.',
                    '/',
                ];
                let usual = usual.into_iter().find(|c| has(class, *c));
                let char = usual.or_else(|| class.ranges().first().map(|range| range.start()))?;
                self.push(char.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
            // Patterns are about characters.
            HirKind::Class(Class::Bytes(_)) => return None,
            HirKind::Look(Look::Start) => return self.bytes.is_empty().then_some(()),
            HirKind::Look(Look::End) => self.ended = true,
            HirKind::Look(_) => return None,
            HirKind::Repetition(repetition) => {
                // A pattern that begins with `.*` and the like matches paths in which that is the
                // first segment.
                let any = |class: &ClassUnicode| ['/', 'a'].iter().all(|c| has(class, *c));
                if let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind()
                    && self.bytes.is_empty()
                    && repetition.max.is_none()
                    && any(class)
                {
                    return self.push(b"/a");
                }
                for _ in 0..repetition.min {
                    self.add(&repetition.sub)?;
                }
            }
            HirKind::Capture(capture) => self.add(&capture.sub)?,
            HirKind::Concat(parts) => parts.iter().try_for_each(|part| self.add(part))?,
            HirKind::Alternation(choices) => self.add(choices.first()?)?,
        }
        Some(())
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let fits = self.bytes.len() + bytes.len() <= crate::path::MAX_PATH;
        (fits && !self.ended).then(|| self.bytes.extend_from_slice(bytes))
    }
}

fn has(class: &ClassUnicode, c: char) -> bool {
    let mut ranges = class.ranges().iter();
    ranges.any(|range| range.start() <= c && c <= range.end())
}

#[cfg(test)]
mod tests;
