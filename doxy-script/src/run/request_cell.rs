//! What a thread keeps from one call for the next: memory, never what was in it.
//!
//! The request has to be the script's own, in a value of Rhai's in a scope of Rhai's: six allocations that every
//! call would make and give back.

use std::cell::Cell;
use std::sync::Arc;

use rhai::{Dynamic, ImmutableString, Scope};

use crate::request::{Body, Facts, Input, UsedProperties};
use crate::view::Req;

/// The most memory that the copy of a request may hold between calls, in bytes.
const MAX_KEPT: usize = 8 << 10;

thread_local! {
    static DESK: Cell<Option<Desk>> = const { Cell::new(None) };
}

/// A scope with the request in it, and nothing else.
pub(crate) struct Desk {
    request: ImmutableString,
    scope: Scope<'static>,
}

impl Desk {
    /// Lays out a request under the name that the script has for it.
    pub(crate) fn lay(
        name: &ImmutableString,
        input: &Input<'_>,
        body: Body<'_>,
        used: UsedProperties,
    ) -> Self {
        let fill = |facts: &mut Facts| facts.fill(input, body, used);
        if let Some(mut kept) = DESK.take()
            && kept.request == *name
            && kept.facts(fill).is_some()
        {
            return kept;
        }
        let mut facts = Facts::default();
        fill(&mut facts);
        let mut scope = Scope::new();
        scope.push_dynamic(name.as_str(), Dynamic::from(Req(Arc::new(facts))));
        Self {
            request: name.clone(),
            scope,
        }
    }

    /// What the script runs in.
    pub(crate) fn scope(&mut self) -> &mut Scope<'static> {
        &mut self.scope
    }

    /// Keeps the memory for the next call, unless it is too much.
    pub(crate) fn clear(mut self) {
        self.scope.rewind(1);
        if self
            .facts(Facts::forget)
            .is_some_and(|left| left <= MAX_KEPT)
        {
            DESK.set(Some(self));
        }
    }

    /// Calls with the request, if the script has left it where it was, and nothing holds it any more.
    fn facts<R>(&mut self, then: impl FnOnce(&mut Facts) -> R) -> Option<R> {
        let value = self.scope.get_mut(&self.request)?;
        // What a closure has taken stays shared.
        if value.is_shared() {
            return None;
        }
        let mut req = value.write_lock::<Req>()?;
        Arc::get_mut(&mut req.0).map(then)
    }
}
