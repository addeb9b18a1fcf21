//! A policy: compiled once, asked about every request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use rhai::{AST, Dynamic, Engine, EvalAltResult, ImmutableString, Position, Scope, Stmt};

use crate::body::refuse_framing;
use crate::budget::{self, Limits, Stop};
use crate::check;
use crate::decision::{Decision, Outcome, Place};
use crate::desk::Desk;
use crate::engine;
use crate::error::{Fault, ScriptError};
use crate::input::{Body, Input, UsedProperties};
use crate::nesting;
use crate::syntax;

/// The longest policy, in bytes.
const MAX_SOURCE: usize = 256 << 10;
/// What a client is told of a policy that fails.
const PUBLIC: &str = "the policy failed on this request, so it is not allowed";

/// What takes the lines that a policy prints.
type Sink = Box<dyn Fn(&str) + Send + Sync>;

/// A compiled policy.
///
/// Asking it changes nothing in it: threads may share one. What they share are counts of references, no locks; who
/// wants none of it either compiles one for each thread.
pub struct Script {
    name: Arc<str>,
    engine: Engine,
    ast: AST,
    /// Where `decide` begins, and what it calls the request.
    decide: Position,
    request: ImmutableString,
    used: UsedProperties,
    limits: Limits,
    sink: Option<Sink>,
}

impl Script {
    /// Compiles a policy. `name` is what messages call it, usually the path of its file.
    ///
    /// # Errors
    ///
    /// At the first thing in it that is known to be wrong. No part of a wrong policy is used.
    pub fn compile(name: &str, source: &[u8]) -> Result<Self, ScriptError> {
        Self::build(name, source).map_err(|fault| ScriptError::new(name, fault))
    }

    /// Where the lines go that the policy prints: at most 8 of 1024 characters for a request. Without this they
    /// go nowhere.
    #[must_use]
    pub fn on_print(mut self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Sets what one request may take up, instead of the default.
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

    /// Asks the policy about a request.
    #[must_use]
    pub fn decide(&self, input: &Input<'_>, body: Body<'_>) -> Decision {
        if let Some((status, reason)) = refuse_framing(input) {
            return Decision::Deny {
                reason: reason.to_owned(),
                status,
                by: None,
            };
        }
        let mut desk = Desk::lay(&self.request, input, body, self.used);
        budget::begin(self.limits);
        let result = self
            .engine
            .eval_ast_with_scope::<Dynamic>(desk.scope(), &self.ast);
        let (stop, printed) = budget::end();
        let again = matches!(stop, Some((Stop::NeedsBody, _)));
        if let Some(sink) = self.sink.as_ref().filter(|_| !again) {
            printed.iter().for_each(|line| sink(line));
        }
        let decision = match stop {
            Some((stop, at)) => self.stopped(stop, at, result.err()),
            None => self.ended(result),
        };
        desk.clear();
        decision
    }

    fn ended(&self, result: Result<Dynamic, Box<EvalAltResult>>) -> Decision {
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                let (at, message) = explain(*error);
                return self.failed(PUBLIC, at, &message);
            }
        };
        match value.read_lock::<Outcome>().as_deref() {
            Some(Outcome::Allow) => Decision::Allow,
            Some(Outcome::Pass) => Decision::Pass,
            None => {
                let got = match value.is_unit() {
                    true => "nothing".to_owned(),
                    false => format!(
                        "a value of type {}",
                        self.engine.map_type_name(value.type_name())
                    ),
                };
                let message =
                    format!("`decide` returned {got} instead of allow(), deny(…) or pass()");
                self.failed(PUBLIC, Position::NONE, &message)
            }
        }
    }

    fn stopped(&self, stop: Stop, at: Position, error: Option<Box<EvalAltResult>>) -> Decision {
        let at = match error {
            Some(error) if at.is_none() => explain(*error).0,
            _ => at,
        };
        match stop {
            Stop::NeedsBody => Decision::NeedsBody,
            Stop::Denied { reason, status } => Decision::Deny {
                reason,
                status,
                by: Some(Place::new(&self.name, at)),
            },
            Stop::Unjudged(reason) => self.failed(&reason, at, &reason),
            Stop::Steps => {
                let message = format!("the policy took more than {} steps", self.limits.steps);
                self.failed(PUBLIC, at, &message)
            }
            Stop::Time => {
                let message = format!(
                    "the policy took more than {} ms",
                    self.limits.time.as_millis()
                );
                self.failed(PUBLIC, at, &message)
            }
        }
    }

    fn failed(&self, public: &str, at: Position, message: &str) -> Decision {
        let at = if at.is_none() { self.decide } else { at };
        Decision::Failed {
            public: public.to_owned(),
            log: format!("{}: {message}", Place::new(&self.name, at)),
        }
    }

    fn build(name: &str, source: &[u8]) -> Result<Self, Fault> {
        let source = source.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(source);
        if source.len() > MAX_SOURCE {
            return Err(Fault::new(
                Position::NONE,
                format!("the policy is longer than {} KiB", MAX_SOURCE / 1024),
                "make it shorter",
            ));
        }
        let source = str::from_utf8(source).map_err(|error| {
            let before = source.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.split(|byte| *byte == b'\n').count();
            let column = before
                .rsplit(|byte| *byte == b'\n')
                .next()
                .map_or(0, |line| String::from_utf8_lossy(line).chars().count());
            Fault::new(
                position(line, column + 1),
                "the policy is not valid UTF-8",
                "save the file as UTF-8",
            )
        })?;

        let patterns = Arc::new(OnceLock::new());
        let mut engine = engine::build(&patterns);
        let (constants, written) = constants(&mut engine, source)?;
        let ast = engine
            .compile_with_scope(&constants, source)
            .map_err(|error| syntax::fault(&error, source))?
            .clone_functions_only();
        resolve(&mut engine, &constants);
        let (found, used) = check::check(&ast, &written, &constants)?;
        // The cell was made above and is filled here alone.
        let _ = patterns.set(found);
        let decide = ast.shared_lib().get_script_fn("decide", 1);
        let (decide, request) = decide
            .and_then(|decide| Some((decide.body.start_position(), decide.params.first()?.clone())))
            .unwrap_or_default();
        // The body of `decide` runs in the scope that the desk keeps: a call would make another.
        let mut body = Vec::new();
        check::outermost(&ast, "decide", 1, |statement| body.push(statement.clone()));
        Ok(Self {
            name: name.into(),
            ast: AST::new(body, ast.shared_lib().clone()),
            decide,
            request,
            engine,
            used,
            limits: Limits::default(),
            sink: None,
        })
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

/// Runs what stands outside of functions, once. The constants it leaves are put into the functions as values. The tree
/// comes along as it was written, with nothing worked out in advance.
fn constants(engine: &mut Engine, source: &str) -> Result<(Scope<'static>, AST), Fault> {
    engine
        .set_strict_variables(false)
        .set_optimization_level(rhai::OptimizationLevel::None);
    let ast = engine
        .compile(source)
        .map_err(|error| syntax::fault(&error, source))?;
    engine
        .set_strict_variables(true)
        .set_optimization_level(rhai::OptimizationLevel::Simple);
    for statement in ast.statements() {
        let is_constant = matches!(statement, Stmt::Var(_, flags, _) if flags.intersects(rhai::ASTFlags::CONSTANT));
        if !is_constant && !matches!(statement, Stmt::Noop(_)) {
            return Err(Fault::new(
                statement.position(),
                "only constants and functions may stand here",
                "write `const NAME = …;`, or move it into `fn decide(req)`",
            ));
        }
    }
    let mut scope = Scope::new();
    resolve(engine, &scope);
    budget::begin(Limits::default());
    let result = engine.run_ast_with_scope(&mut scope, &ast);
    let (stop, _) = budget::end();
    let (at, message) = match (result, stop) {
        (Ok(()), None) => return Ok((scope, ast)),
        (Err(error), None) => explain(*error),
        (result, Some((_, at))) => (
            result.err().map_or(at, |error| explain(*error).0),
            "a constant takes too much to work out".to_owned(),
        ),
    };
    let help = "constants are worked out when the policy is loaded";
    Err(Fault::new(at, message, help))
}

/// Functions of Rhai see no variables but their own. Most constants are put into them as they are compiled; those that
/// something is called on are looked up here. What a variable of theirs holds is looked at, for its depth.
fn resolve(engine: &mut Engine, constants: &Scope<'_>) {
    let constants: HashMap<String, Dynamic> = constants
        .iter()
        .map(|(name, _, value)| (name.to_owned(), value))
        .collect();
    #[expect(
        deprecated,
        reason = "not deprecated, but marked as a hook that may change"
    )]
    engine.on_var(move |name, index, context| {
        // Zero is none of the function's own.
        if index == 0
            && let Some(constant) = constants.get(name)
        {
            return Ok(Some(constant.clone()));
        }
        if let Some(value) = context.scope().get(name) {
            nesting::check(value)?;
        }
        Ok(None)
    });
}

/// Where an error happened and what it was, innermost first.
fn explain(error: EvalAltResult) -> (Position, String) {
    let mut error = error;
    let mut around = Position::NONE;
    loop {
        match error {
            EvalAltResult::ErrorInFunctionCall(_, _, inner, at) => {
                around = at.or_else(around);
                error = *inner;
            }
            mut inner => {
                let at = inner.take_position().or_else(around);
                let message = match &inner {
                    EvalAltResult::ErrorRuntime(thrown, _) => thrown.to_string(),
                    EvalAltResult::ErrorDataTooLarge(what, _) => engine::too_large(what),
                    other => lower(&other.to_string()),
                };
                return (at, message);
            }
        }
    }
}

pub(crate) fn lower(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

fn position(line: usize, column: usize) -> Position {
    let clamp = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
    Position::new(clamp(line), clamp(column))
}
