//! What a thread keeps from one call for the next: memory and found functions, never a request.
//!
//! The request has to belong to the script, in a value of Rhai's in a scope of Rhai's: six
//! allocations that every call would make and give back. And Rhai looks for each function by a hash
//! in several modules, unless it has found it before.

use std::cell::Cell;
use std::sync::Arc;

use rhai::{
    Caches, Dynamic, Engine, EvalAltResult, EvalContext, Expr, ImmutableString, Module, Scope,
    Shared,
};

use crate::request::{Body, Content, OwnedRequest, ScriptRequest, UsedProperties};
use crate::view::Req;

/// The most memory that the copy of a request may hold between calls, in bytes.
const MAX_KEPT: usize = 8 << 10;

thread_local! {
    static KEPT: Cell<Option<Box<RequestCell>>> = const { Cell::new(None) };
}

/// A scope with the request in it, and nothing else. Boxed, because it is large.
pub(crate) struct RequestCell {
    policy: PolicyId,
    request: ImmutableString,
    scope: Scope<'static>,
    /// The functions that calls of this policy have found, by name and types of arguments.
    caches: Caches,
}

/// Identifies a compiled policy, for as long as anything holds the id.
#[derive(Debug, Clone, Default)]
pub(crate) struct PolicyId(Arc<()>);

impl RequestCell {
    /// Puts a request under the name that the policy has for it.
    pub(crate) fn acquire(
        policy: &PolicyId,
        name: &ImmutableString,
        input: &ScriptRequest<'_>,
        body: Body<'_>,
        used: UsedProperties,
    ) -> Box<Self> {
        let fill = |facts: &mut OwnedRequest| facts.fill(input, body, used);
        if let Some(mut kept) = KEPT.take()
            && Arc::ptr_eq(&kept.policy.0, &policy.0)
            && kept.facts(fill).is_some()
        {
            return kept;
        }
        let mut facts = OwnedRequest::default();
        fill(&mut facts);
        let mut scope = Scope::new();
        scope.push_dynamic(name.as_str(), Dynamic::from(Req(Arc::new(facts))));
        Box::new(Self {
            policy: policy.clone(),
            request: name.clone(),
            scope,
            caches: Caches::new(),
        })
    }

    /// Why the body cannot be judged, if it was read.
    pub(crate) fn refused(&mut self) -> Option<String> {
        self.facts(|facts| match &facts.content {
            Content::Refused(reason) => Some(reason.clone()),
            _ => None,
        })
        .flatten()
    }

    /// Runs the body of `decide` in this scope. A call would create another scope.
    pub(crate) fn run(
        &mut self,
        engine: &Engine,
        functions: &Shared<Module>,
        body: &Expr,
    ) -> Result<Dynamic, Box<EvalAltResult>> {
        let mut global = engine.new_global_runtime_state();
        global.lib.push(functions.clone());
        let mut context =
            EvalContext::new(engine, &mut global, &mut self.caches, &mut self.scope, None);
        let result = context.eval_expression_tree(&body.into());
        result.or_else(|error| match *error {
            EvalAltResult::Return(value, _) => Ok(value),
            _ => Err(error),
        })
    }

    /// Removes the request and keeps the rest for the next call, unless it is too large.
    pub(crate) fn release(mut self: Box<Self>) {
        self.scope.rewind(1);
        self.caches.rewind_fn_resolution_caches(1);
        if self
            .facts(OwnedRequest::clear)
            .is_some_and(|left| left <= MAX_KEPT)
        {
            KEPT.set(Some(self));
        }
    }

    /// Calls `then` with the request, if it is still in its variable and nothing else refers to it.
    fn facts<R>(&mut self, then: impl FnOnce(&mut OwnedRequest) -> R) -> Option<R> {
        let value = self.scope.get_mut(&self.request)?;
        // A variable that a closure has captured stays shared.
        if value.is_shared() {
            return None;
        }
        let mut req = value.write_lock::<Req>()?;
        Arc::get_mut(&mut req.0).map(then)
    }
}
