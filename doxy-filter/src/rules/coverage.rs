//! Which endpoints rules open: each endpoint of the table beside the rules.
//!
//! Decided on what the rules match, not on samples. Where an answer would take too long it is
//! `partly`, never `denied`. It must never know a request.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use regex_automata::hybrid::LazyStateID;
use regex_syntax::hir::Hir;

use super::file::Rule;
use super::method::MethodSet;
use super::reach::{At, Language, Paths as Canonical, representatives};
use super::served::{Extent, paths_of};
use crate::api::{Endpoint, endpoints, surroundings};

/// The most combinations of states that are looked at for one question, and for all questions
/// together.
const MAX_STEPS: usize = 20_000;
const MAX_STEPS_IN_ALL: usize = 200_000;
/// The most work in all: the sizes of the states of the rules, times the kinds of bytes that each is
/// asked for. Rules that match in many ways at once have large states, which take long to make.
const MAX_WORK: usize = 4_000_000;
/// What a state takes that is in few places of the rules, in bytes.
const SMALL_STATE: usize = 1_500;
/// The most memory that the automaton of the rules takes, in bytes.
const CACHE: usize = 64 << 20;

/// How far a path was read: as a canonical path, as one of an endpoint, and by the rules.
type Place = (At, LazyStateID, LazyStateID);

/// How much of an endpoint is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Every request for it that clients make: with every name that its objects can have, in every
    /// version of the API, and without a version.
    Allowed,
    /// Some requests for it and not others, or it takes too long to find out.
    Partly,
    /// No request for it, however odd its names or its version.
    Denied,
}

/// How much of one endpoint is open.
#[derive(Debug, Clone, Copy)]
pub struct Coverage {
    /// The endpoint.
    pub endpoint: &'static Endpoint,
    /// How much of it is open.
    pub access: Access,
}

impl Access {
    /// The word for it: `allowed`, `partly`, `denied`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Partly => "partly",
            Self::Denied => "denied",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much of each endpoint these rules open, in the order of the table.
pub(super) fn of(rules: &[Rule]) -> Vec<Coverage> {
    let mut left = Left {
        steps: MAX_STEPS_IN_ALL,
        work: MAX_WORK,
    };
    let mut all: Vec<_> = endpoints()
        .map(|endpoint| Coverage {
            endpoint,
            access: Access::Denied,
        })
        .collect();
    let methods: BTreeSet<_> = endpoints().map(|endpoint| endpoint.method).collect();
    for method in methods {
        let rows = all.iter_mut().filter(|it| it.endpoint.method == method);
        of_method(rules, method, rows.collect(), &mut left);
    }
    all
}

/// The same for the endpoints of one method.
fn of_method(rules: &[Rule], method: &str, rows: Vec<&mut Coverage>, left: &mut Left) {
    let mut rules = match Rules::of(rules, method) {
        Ok(rules) => rules,
        Err(access) => return rows.into_iter().for_each(|row| row.access = access),
    };
    // One look at all endpoints finds those that no rule reaches, which are most.
    let endpoints: Vec<_> = rows.iter().map(|row| row.endpoint).collect();
    let mut reached = vec![false; endpoints.len()];
    let mut reach = |row| {
        if let Some(reached) = reached.get_mut(row) {
            *reached = true;
        }
        false
    };
    let all = Paths::of(&endpoints, None);
    let looked = all.and_then(|all| all.walk(&mut rules, true, left, &mut reach));
    for (row, reached) in rows.into_iter().zip(reached) {
        let mut there_is = |extent, allowed| {
            let (_, mut endpoints) = surroundings(row.endpoint);
            endpoints.push(row.endpoint);
            let own = endpoints.len() - 1;
            let mut found = false;
            let mut find = |row| {
                found |= row == own;
                found
            };
            Paths::of(&endpoints, Some(extent))?.walk(&mut rules, allowed, left, &mut find)?;
            Some(found)
        };
        let reached = reached || looked.is_none() && there_is(Extent::All, true) != Some(false);
        row.access = match reached {
            false => Access::Denied,
            true if there_is(Extent::Usual, false) == Some(false) => Access::Allowed,
            true => Access::Partly,
        };
    }
}

/// What may still be done.
struct Left {
    steps: usize,
    work: usize,
}

/// The rules of one method. Its language has two patterns: what is denied, and what is allowed.
struct Rules(Language);

/// The pattern of [`Rules`] that allows.
const ALLOWS: usize = 1;

impl Rules {
    /// The error is how much of each endpoint is open, if they allow nothing or are too large together.
    fn of(rules: &[Rule], method: &str) -> Result<Self, Access> {
        let method = MethodSet::of_request(method);
        let of = |deny| {
            let rules = rules.iter().filter(move |rule| rule.deny == deny);
            let rules = rules.filter(|rule| rule.methods.contains(method));
            Hir::alternation(rules.map(|rule| rule.pattern.hir.clone()).collect())
        };
        let (denied, allowed) = (of(true), of(false));
        // An alternation of nothing is what matches nothing.
        if allowed == Hir::fail() {
            return Err(Access::Denied);
        }
        let language = Language::of_all(&[&denied, &allowed], CACHE);
        language.map(Self).ok_or(Access::Partly)
    }
}

/// The paths of endpoints. Of those that have a path, the first is served.
struct Paths(Language);

impl Paths {
    /// The extent is that of the last endpoint; of all others, all paths count.
    fn of(endpoints: &[&Endpoint], last: Option<Extent>) -> Option<Self> {
        let paths = |(at, endpoint): (usize, &&Endpoint)| {
            let extent = last.filter(|_| at + 1 == endpoints.len());
            paths_of(endpoint, extent.unwrap_or(Extent::All))
        };
        let patterns: Vec<Hir> = endpoints
            .iter()
            .enumerate()
            .map(paths)
            .collect::<Option<_>>()?;
        let patterns: Vec<_> = patterns.iter().collect();
        Language::of_all(&patterns, CACHE).map(Self)
    }

    /// Looks for paths that the rules allow, or for paths that they do not allow, until `stop` says so
    /// of the endpoint that has one. `None` if it takes too long.
    fn walk(
        mut self,
        rules: &mut Rules,
        allowed: bool,
        left: &mut Left,
        stop: &mut dyn FnMut(usize) -> bool,
    ) -> Option<()> {
        let Rules(rules) = rules;
        if rules.cached() > CACHE / 2 {
            rules.forget();
        }
        let mut seen = HashSet::new();
        let done = self.walk_on(rules, allowed, left, &mut seen, stop);
        left.steps = left.steps.saturating_sub(seen.len());
        if done.is_none() {
            rules.forget();
        }
        done
    }

    fn walk_on(
        &mut self,
        rules: &mut Language,
        allowed: bool,
        left: &mut Left,
        seen: &mut HashSet<Place>,
        stop: &mut dyn FnMut(usize) -> bool,
    ) -> Option<()> {
        let Self(paths) = self;
        let bytes = representatives(&[paths, rules], Canonical::ALL);
        let most = MAX_STEPS.min(left.steps);
        let start: Place = (At::Beginning, paths.start()?, rules.start()?);
        seen.insert(start);
        // The last one in is the first one out: an answer, as a rule, is found without many detours.
        let mut open = vec![start];
        while let Some((at, path, state)) = open.pop() {
            if Canonical::ALL.may_end(at)
                && let Some(endpoint) = paths.first(path)?
                && (rules.first(state)? == Some(ALLOWS)) == allowed
                && stop(endpoint)
            {
                break;
            }
            for byte in &bytes {
                let Some(at) = Canonical::ALL.step(at, *byte) else {
                    continue;
                };
                let path = paths.next(path, *byte)?;
                if path.is_dead() {
                    continue;
                }
                let before = rules.cached();
                let state = rules.next(state, *byte)?;
                let grown = rules.cached().saturating_sub(before);
                let work = grown.saturating_sub(SMALL_STATE) * bytes.len();
                left.work = left.work.checked_sub(work)?;
                if allowed && state.is_dead() {
                    continue;
                }
                if path.is_quit() || state.is_quit() || seen.len() >= most {
                    return None;
                }
                if seen.insert((at, path, state)) {
                    open.push((at, path, state));
                }
            }
        }
        Some(())
    }
}
