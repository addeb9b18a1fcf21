//! Checks what a policy gives to `deny`, and keeps the reasons as they are written.
//!
//! A log must not have what a client sends, and a reason can have all of it: `${text} is not a folder
//! of yours`. So logs get the reason as it is written: constants are filled in, and the rest is its
//! name in `${}`. A function may deny with a text of its caller's, as in `must(ok, "no ports")`: then
//! that text and the place of the call say more than those of the `deny`.

use std::collections::{BTreeSet, HashMap};

use rhai::{AST, ASTNode, Expr, FnCallExpr, ImmutableString, Position, Scope, Stmt};

use super::written::Written;
use crate::compile::tree;
use crate::error::Fault;

/// The reasons of a policy's denials, and the texts that it passes to its functions, by their places.
#[derive(Debug, Default)]
pub(crate) struct Reasons {
    denials: HashMap<Position, Written>,
    calls: HashMap<Position, Call>,
}

/// A call of a function of the policy's own.
#[derive(Debug)]
struct Call {
    function: ImmutableString,
    /// The arguments that are texts, by the names of their parameters.
    texts: HashMap<String, Written>,
}

impl Reasons {
    /// The reason of a denial as it is written, and where. `callers` are the calls that led to it,
    /// innermost first, with the names of the called functions.
    pub(crate) fn of(
        &self,
        denial: Position,
        callers: &[(&str, Position)],
    ) -> Option<(String, Position)> {
        let mut place = denial;
        let mut reason = self.denials.get(&denial)?.clone();
        for (function, caller) in callers {
            let call = self.calls.get(caller);
            let Some(call) = call.filter(|call| call.function == *function) else {
                break;
            };
            let Some(filled) = reason.filled(&call.texts) else {
                break;
            };
            (reason, place) = (filled, *caller);
        }
        Some((reason.to_string(), place))
    }

    /// Checks a call of `deny` that is not written behind a dot, and keeps its reason.
    pub(super) fn deny(
        &mut self,
        call: &FnCallExpr,
        at: Position,
        constants: &Scope<'_>,
    ) -> Result<(), Fault> {
        let Some((reason, status)) = call.args.split_first() else {
            return Ok(());
        };
        if matches!(
            status,
            [Expr::StringConstant(..) | Expr::InterpolatedString(..)]
        ) || matches!(reason, Expr::IntegerConstant(..))
        {
            return Err(Fault::new(
                at,
                "`deny` takes the reason first, and then the status",
                "write `deny(\"why\", 403)`, or `deny(\"why\")`",
            ));
        }
        if let [Expr::IntegerConstant(status, at)] = status
            && !(400..600).contains(status)
        {
            return Err(Fault::new(
                *at,
                format!("{status} is not a valid status"),
                "use 400 to 599",
            ));
        }
        self.denials.insert(at, Written::new(reason, constants));
        Ok(())
    }

    /// Keeps the texts that a call passes to a function of the policy's own.
    pub(super) fn call(
        &mut self,
        ast: &AST,
        call: &FnCallExpr,
        at: Position,
        constants: &Scope<'_>,
    ) {
        let fits = |function: &rhai::ScriptFnMetadata<'_>| {
            function.name == call.name && function.params.len() == call.args.len()
        };
        let Some(function) = ast.iter_functions().find(fits) else {
            return;
        };
        let written = |expr| Some(Written::new(expr, constants)).filter(Written::has_text);
        let mut texts: HashMap<_, _> = (function.params.iter().zip(&call.args))
            .filter_map(|(name, expr)| Some(((*name).to_owned(), written(expr)?)))
            .collect();
        if texts.is_empty() {
            return;
        }
        let other = rebound(ast, function.name, function.params.len());
        texts.retain(|name, _| !other.contains(name));
        let function = call.name.clone();
        self.calls.insert(at, Call { function, texts });
    }
}

/// The names that a function gives another value than its caller did.
fn rebound(ast: &AST, name: &str, parameters: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    tree::walk_function(ast, name, parameters, |path| match path.last() {
        Some(ASTNode::Stmt(Stmt::Var(var, ..))) => {
            names.insert(var.0.name.to_string());
        }
        Some(ASTNode::Stmt(Stmt::For(looped, ..))) => {
            names.insert(looped.0.name.to_string());
        }
        Some(ASTNode::Stmt(Stmt::Assignment(assigned))) => {
            if let Expr::Variable(variable, ..) = &assigned.1.lhs {
                names.insert(variable.1.to_string());
            }
        }
        _ => {}
    });
    names
}
