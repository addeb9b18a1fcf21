//! Compiles a policy, or reports what is wrong with it. It never sees a request.
//!
//! `constants` evaluates what is outside of functions, `check` finds errors before the first request,
//! `lookups` reads what it may look up, `literals` what is written in it, `syntax` explains what Rhai cannot parse.

mod check;
mod constants;
mod literals;
mod lookups;
mod syntax;
mod tree;

use std::sync::{Arc, OnceLock};

use rhai::{Engine, Expr, ImmutableString, Module, Position, Shared, StmtBlock};

use crate::error::Fault;
use crate::literals::Literals;
use crate::lookup::Allowed;
use crate::request::UsedProperties;
use crate::run::{self, PolicyId};
use crate::view;

/// The longest policy, in bytes.
const MAX_SOURCE: usize = 256 << 10;

/// A policy that can be run.
pub(crate) struct Compiled {
    pub(crate) engine: Engine,
    /// The functions of the policy, and the body of `decide`.
    pub(crate) functions: Shared<Module>,
    pub(crate) body: Expr,
    pub(crate) id: PolicyId,
    /// Where `decide` begins, and the name of its parameter.
    pub(crate) decide: Position,
    pub(crate) request: ImmutableString,
    pub(crate) used: UsedProperties,
    /// What it may look up. `None` if that is nothing.
    pub(crate) lookups: Option<Allowed>,
    /// The reasons of its denials, as they are written.
    pub(crate) reasons: check::Reasons,
    /// Whether it can leave a request to the rules, or looks at what they say.
    pub(crate) asks_rules: bool,
    /// What is written in it.
    pub(crate) literals: Literals,
    /// What is probably a mistake.
    pub(crate) warnings: Vec<Fault>,
}

/// Compiles a policy. The faults are in the order in which they were found: one that nothing can be
/// checked behind, or several.
pub(crate) fn compile(source: &[u8]) -> Result<Compiled, Vec<Fault>> {
    let one = |fault| vec![fault];
    let source = text(source).map_err(one)?;
    let patterns = Arc::new(OnceLock::new());
    let mut engine = run::engine(&patterns);
    let (constants, written) = constants::evaluate(&mut engine, source).map_err(one)?;
    let ast = engine
        .compile_with_scope(&constants, source)
        .map_err(|error| one(syntax::fault(&error, source)))?
        .clone_functions_only();
    constants::resolve(&mut engine, &constants);
    let checked = check::check(&ast, &written, &constants)?;
    let lookups = lookups::allowed(&ast, &written, &constants).map_err(one)?;
    // The cell is new, so setting it cannot fail.
    let _ = patterns.set(checked.patterns);
    view::register_properties(&mut engine, &checked.properties);
    engine.set_fast_operators(checked.plain_operators);
    let decide = ast.shared_lib().get_script_fn("decide", 1);
    let (decide, request) = decide
        .and_then(|decide| Some((decide.body.start_position(), decide.params.first()?.clone())))
        .unwrap_or_default();
    let warnings = match checked.can_allow {
        true => Vec::new(),
        false => vec![Fault::new(
            decide,
            "this policy denies every request: it has neither allow() nor pass()",
            "return `pass()` where the rules decide, and `allow()` for what is allowed",
        )],
    };
    let mut body = Vec::new();
    tree::outermost_statements(&ast, "decide", 1, |statement| body.push(statement.clone()));
    let literals = literals::collect(&engine, source, &ast, &constants);
    let body = StmtBlock::new(body, Position::NONE, Position::NONE);
    Ok(Compiled {
        functions: ast.shared_lib().clone(),
        body: Expr::Stmt(Box::new(body)),
        id: PolicyId::default(),
        decide,
        request,
        engine,
        used: checked.used,
        lookups,
        reasons: checked.reasons,
        asks_rules: checked.asks_rules,
        literals,
        warnings,
    })
}

/// The text of a policy's file.
fn text(source: &[u8]) -> Result<&str, Fault> {
    let source = source.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(source);
    if source.len() > MAX_SOURCE {
        return Err(Fault::new(
            Position::NONE,
            format!("the policy is longer than {} KiB", MAX_SOURCE / 1024),
            "make it shorter",
        ));
    }
    str::from_utf8(source).map_err(|error| {
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
    })
}

fn position(line: usize, column: usize) -> Position {
    let clamp = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
    Position::new(clamp(line), clamp(column))
}
