//! A policy: compiled once, then called for every request.

use std::fmt;
use std::mem;
use std::sync::Arc;

use rhai::{Dynamic, EvalAltResult, Position};

use crate::budget::{self, Stop};
use crate::compile::{Compiled, compile};
use crate::decision::{Decision, Location, ReturnValue};
use crate::error::{Fault, ScriptError};
use crate::limits::Limits;
use crate::literals::Literals;
use crate::lookup::{self, Lookup, Lookups};
use crate::reads::note_steps;
use crate::request::{Body, ScriptRequest, refuse_framing};
use crate::run::{RequestCell, callers, explain};

/// What to do about a fault of doxy's own.
const REPORT: &str = "this is a mistake in doxy: please report it";
/// The message for a client if the policy fails.
const PUBLIC: &str = "the policy failed on this request, so it is not allowed";

/// Receives the lines that a policy prints.
type Sink = Box<dyn Fn(&str) + Send + Sync>;

/// A compiled policy.
///
/// Calls do not change it, so threads may share one. They then share reference counts, but no locks;
/// to avoid that contention too, compile one per thread.
pub struct Script {
    name: Arc<str>,
    policy: Compiled,
    warnings: Vec<ScriptError>,
    limits: Limits,
    sink: Option<Sink>,
}

impl Script {
    /// Compiles a policy. `name` is what messages call it, usually the path of its file.
    ///
    /// # Errors
    ///
    /// Returns the first error that was found. No part of a policy with an error is used.
    pub fn compile(name: &str, source: &[u8]) -> Result<Self, ScriptError> {
        Self::new(name, source).map_err(|faults| {
            let first = faults.into_iter().next();
            let fault =
                first.unwrap_or_else(|| Fault::new(Position::NONE, "it does not compile", REPORT));
            ScriptError::new(name, fault)
        })
    }

    /// The same, for a person who looks for mistakes.
    ///
    /// # Errors
    ///
    /// Returns all errors that were found, in the order of the file. Behind a syntax error nothing is
    /// found.
    pub fn check(name: &str, source: &[u8]) -> Result<Self, Vec<ScriptError>> {
        Self::new(name, source).map_err(|mut faults| {
            faults.sort_by_key(|fault| (fault.at.line(), fault.at.position()));
            let faults = faults.into_iter();
            faults.map(|fault| ScriptError::new(name, fault)).collect()
        })
    }

    fn new(name: &str, source: &[u8]) -> Result<Self, Vec<Fault>> {
        let mut policy = compile(source)?;
        let warnings = mem::take(&mut policy.warnings).into_iter();
        let warnings = warnings
            .map(|fault| ScriptError::new(name, fault))
            .collect();
        Ok(Self {
            name: name.into(),
            warnings,
            policy,
            limits: Limits::default(),
            sink: None,
        })
    }

    /// Sets what receives the lines that the policy prints: at most 8 of 1024 characters for a
    /// request. Without it they are dropped.
    #[must_use]
    pub fn on_print(mut self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Sets the limits of one call, instead of the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The name that the policy was compiled under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is valid in the policy, but probably a mistake.
    #[must_use]
    pub fn warnings(&self) -> &[ScriptError] {
        &self.warnings
    }

    /// Whether the policy can leave a request to the rules, or looks at what they say.
    #[must_use]
    pub fn asks_rules(&self) -> bool {
        self.policy.asks_rules
    }

    /// What is written in the policy that a request could be compared with.
    #[must_use]
    pub fn literals(&self) -> &Literals {
        &self.policy.literals
    }

    /// Whether the policy may read the container of a peer.
    #[must_use]
    pub fn reads_container(&self) -> bool {
        self.policy.used.container
    }

    /// Has the policy judge a request. `lookups` begins empty, and is the same in all calls for one
    /// request.
    #[must_use]
    pub fn decide(
        &self,
        input: &ScriptRequest<'_>,
        body: Body<'_>,
        lookups: &mut Lookups,
    ) -> Decision {
        if let Some((status, reason)) = refuse_framing(input) {
            return Decision::Deny {
                reason: reason.to_owned(),
                template: reason.to_owned(),
                status,
                location: None,
            };
        }
        let policy = &self.policy;
        let mut cell = RequestCell::acquire(&policy.id, &policy.request, input, body, policy.used);
        if input.changed
            && let Some(reason) = cell.refused()
        {
            return self.failed(&reason, Position::NONE, &reason, false);
        }
        budget::begin(self.limits, lookups.spent());
        let looks_up = policy.lookups.as_ref();
        if let Some(allowed) = looks_up {
            lookup::begin(allowed, lookups);
        }
        let result = cell.run(&policy.engine, &policy.functions, &policy.body);
        let (stop, printed) = budget::end();
        let wanted = looks_up.and_then(|_| lookup::end(lookups));
        // The next call prints the same lines again.
        let again = matches!(
            stop,
            Some((
                Stop::NeedsBody | Stop::NeedsLookup | Stop::NeedsContainer,
                _
            ))
        );
        if again {
            lookups.spend(budget::spent());
        }
        if let Some(sink) = self.sink.as_ref().filter(|_| !again) {
            printed.iter().for_each(|line| sink(line));
        }
        let decision = match stop {
            Some((stop, at)) => {
                note_steps(budget::steps());
                self.stopped(stop, at, result.err(), wanted)
            }
            None => self.ended(result),
        };
        cell.release();
        decision
    }

    fn ended(&self, result: Result<Dynamic, Box<EvalAltResult>>) -> Decision {
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                let limit = is_limit(&error);
                let (at, message) = explain(*error);
                return self.failed(PUBLIC, at, &message, limit);
            }
        };
        match value.read_lock::<ReturnValue>().as_deref() {
            Some(ReturnValue::Allow) => Decision::Allow,
            Some(ReturnValue::Rewrite(rewrite)) => Decision::Rewrite(rewrite.clone()),
            Some(ReturnValue::Pass) => Decision::Pass,
            None => {
                let got = match value.is_unit() {
                    true => "nothing".to_owned(),
                    false => format!(
                        "a value of type {}",
                        self.policy.engine.map_type_name(value.type_name())
                    ),
                };
                let message =
                    format!("`decide` returned {got} instead of allow(), deny(…) or pass()");
                self.failed(PUBLIC, Position::NONE, &message, false)
            }
        }
    }

    fn stopped(
        &self,
        stop: Stop,
        at: Position,
        error: Option<Box<EvalAltResult>>,
        wanted: Option<Lookup>,
    ) -> Decision {
        let callers = error.as_deref().map(|error| callers(error, at));
        let written = self.policy.reasons.of(at, &callers.unwrap_or_default());
        let at = match error {
            Some(error) if at.is_none() => explain(*error).0,
            _ => at,
        };
        match (stop, wanted) {
            (Stop::NeedsBody, _) => Decision::NeedsBody,
            (Stop::NeedsContainer, _) => Decision::NeedsContainer,
            (Stop::NeedsLookup, Some(lookup)) => Decision::NeedsLookup(lookup),
            (Stop::NeedsLookup, None) => self.failed(PUBLIC, at, "the lookup was lost", false),
            (
                Stop::Denied {
                    reason,
                    template,
                    status,
                },
                _,
            ) => {
                let (written, at) = written.unwrap_or_else(|| ("${\u{2026}}".to_owned(), at));
                Decision::Deny {
                    reason,
                    template: template.map_or(written, str::to_owned),
                    status,
                    location: Some(Location::new(&self.name, at)),
                }
            }
            (Stop::Rejected(reason), _) => self.failed(&reason, at, &reason, false),
            (Stop::Steps, _) => {
                let message = format!("the policy took more than {} steps", self.limits.steps);
                self.failed(PUBLIC, at, &message, true)
            }
            (Stop::Time, _) => {
                let message = format!(
                    "the policy took more than {} ms",
                    self.limits.time.as_millis()
                );
                self.failed(PUBLIC, at, &message, true)
            }
        }
    }

    fn failed(&self, public: &str, at: Position, message: &str, limit: bool) -> Decision {
        let at = if at.is_none() { self.policy.decide } else { at };
        Decision::Failed {
            public: public.to_owned(),
            log: format!("{}: {message}", Location::new(&self.name, at)),
            limit,
        }
    }
}

/// Whether a call ended at one of the engine's own limits, within whatever functions.
fn is_limit(error: &EvalAltResult) -> bool {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => is_limit(inner),
        EvalAltResult::ErrorTooManyOperations(_)
        | EvalAltResult::ErrorStackOverflow(_)
        | EvalAltResult::ErrorTooManyVariables(_)
        | EvalAltResult::ErrorDataTooLarge(_, _) => true,
        _ => false,
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
