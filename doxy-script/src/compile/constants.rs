//! Evaluates the constants of a policy, once, when it is compiled.

use std::collections::HashMap;

use rhai::{AST, Dynamic, Engine, Scope, Stmt};

use super::syntax;
use crate::budget::{self, Spent};
use crate::error::Fault;
use crate::limits::Limits;
use crate::run::{check_depth, explain};

/// Evaluates what is outside of functions. Returns the constants, and the tree as it was written,
/// before any optimisation.
pub(super) fn evaluate(engine: &mut Engine, source: &str) -> Result<(Scope<'static>, AST), Fault> {
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
                "only constants and functions are allowed here",
                "write `const NAME = …;`, or move it into `fn decide(req)`",
            ));
        }
    }
    let mut scope = Scope::new();
    resolve(engine, &scope);
    budget::begin(Limits::default(), Spent::default());
    let result = engine.run_ast_with_scope(&mut scope, &ast);
    let (stop, _) = budget::end();
    let (at, message) = match (result, stop) {
        (Ok(()), None) => return Ok((scope, ast)),
        (Err(error), None) => explain(*error),
        (result, Some((_, at))) => (
            result.err().map_or(at, |error| explain(*error).0),
            "evaluating a constant takes too long".to_owned(),
        ),
    };
    let help = "constants are evaluated when the policy is loaded";
    Err(Fault::new(at, message, help))
}

/// Functions in Rhai see only their own variables. The compiler puts most constants into them; the
/// others are looked up here. This hook also checks the depth of each variable that is read.
pub(super) fn resolve(engine: &mut Engine, constants: &Scope<'_>) {
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
            check_depth(value)?;
        }
        Ok(None)
    });
}
