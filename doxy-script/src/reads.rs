//! Which parts of a request a policy has read.
//!
//! A record of a request lacks some of them. A policy that has read what is lacking could have decided
//! otherwise. This is noted per thread, because Rhai's getters do not say which call they belong to. It
//! must never change what a policy sees.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// A part of a request in which requests for one endpoint differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The query.
    Query,
    /// A header.
    Headers,
    /// User or group of the peer.
    User,
    /// The process of the peer.
    Process,
    /// Address or certificate of the peer.
    Network,
    /// The path with its version.
    Path,
    /// The version alone.
    Version,
    /// The path without its version.
    Endpoint,
    /// The name of the object in the path.
    Object,
    /// What the rules say.
    Matched,
    /// The names of all parameters of the query.
    Parameters,
    /// A parameter of the query that has JSON in it.
    Parsed,
}

/// What a policy has read of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    parts: u16,
    /// The parameters of the query that it has asked for by their names.
    pub parameters: BTreeSet<String>,
    /// How many steps it took to a denial. Two requests that are denied at one place after different
    /// numbers of steps got there by different ways.
    pub steps: u32,
    /// How many texts it has measured, cut or changed, rather than compared.
    pub computed: u32,
}

thread_local! {
    static PARTS: Cell<u16> = const { Cell::new(0) };
    /// `None` unless somebody watches.
    static PARAMETERS: RefCell<Option<BTreeSet<String>>> = const { RefCell::new(None) };
    static STEPS: Cell<u32> = const { Cell::new(0) };
    static COMPUTED: Cell<u32> = const { Cell::new(0) };
}

impl Part {
    fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl Reads {
    /// Whether it has read this part.
    #[must_use]
    pub fn contain(&self, part: Part) -> bool {
        self.parts & part.bit() != 0
    }

    /// Adds the parts and parameters that were read of another request.
    pub fn add(&mut self, other: Self) {
        self.parts |= other.parts;
        self.parameters.extend(other.parameters);
    }
}

/// Notes that a policy reads this.
pub(crate) fn note(part: Part) {
    PARTS.set(PARTS.get() | part.bit());
}

/// Notes that a policy asks for a parameter of the query.
pub(crate) fn note_parameter(name: &str) {
    PARAMETERS.with_borrow_mut(|parameters| {
        if let Some(parameters) = parameters
            && !parameters.contains(name)
        {
            parameters.insert(name.to_owned());
        }
    });
}

/// Notes after how many steps a policy has denied.
pub(crate) fn note_steps(steps: u32) {
    STEPS.set(steps);
}

/// Notes that a policy measures, cuts or changes a text.
pub(crate) fn note_computed() {
    COMPUTED.set(COMPUTED.get().wrapping_add(1));
}

/// Asks policies, and says what they have read of requests meanwhile, on this thread.
pub fn watch_reads<T>(ask: impl FnOnce() -> T) -> (T, Reads) {
    PARTS.set(0);
    STEPS.set(0);
    COMPUTED.set(0);
    PARAMETERS.set(Some(BTreeSet::new()));
    let said = ask();
    let reads = Reads {
        parts: PARTS.get(),
        parameters: PARAMETERS.take().unwrap_or_default(),
        steps: STEPS.get(),
        computed: COMPUTED.get(),
    };
    (said, reads)
}
