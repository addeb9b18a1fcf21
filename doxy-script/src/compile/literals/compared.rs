//! Whether a policy only compares a text of the request, with what is written in it. Whatever is not
//! plainly a comparison is none: the text is then measured, cut, or passed on.

use std::collections::BTreeSet;
use std::ptr;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Scope, Stmt};

use crate::compile::check::Written;

/// Functions and operators that answer yes or no about two texts.
const COMPARISONS: [&str; 8] = [
    "==",
    "!=",
    "contains",
    "matches",
    "starts_with",
    "ends_with",
    "glob",
    "is_set",
];
/// Functions whose argument decides nothing. In a closure that Rhai makes by `curry`, a variable
/// keeps its name.
const TOLD: [&str; 5] = ["deny", "print", "debug", "no_such", "curry"];

/// Whether each `….PROPERTY` of a policy is only compared, also through variables.
pub(super) fn follows(ast: &AST, constants: &Scope<'_>, property: &str) -> bool {
    let mut names: BTreeSet<String> = BTreeSet::new();
    loop {
        let known = names.len();
        let mut follows = true;
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            follows &= match path.last() {
                Some(ASTNode::Expr(expr @ Expr::Property(named, _))) if named.2 == property => {
                    compares(ast, path, expr, constants, &mut names)
                }
                Some(ASTNode::Expr(expr @ Expr::Variable(variable, ..)))
                    if names.contains(variable.1.as_str()) =>
                {
                    compares(ast, path, expr, constants, &mut names)
                }
                // `req["PROPERTY"]`; and Rhai's walk skips the value of a `break`.
                Some(ASTNode::Expr(Expr::Index(pair, ..))) => {
                    !matches!(&pair.lhs, Expr::Variable(..))
                        || !matches!(&pair.rhs, Expr::StringConstant(text, _) if *text == property)
                }
                Some(ASTNode::Stmt(Stmt::BreakLoop(Some(_), ..))) => false,
                _ => true,
            };
            follows
        });
        if !follows {
            return false;
        }
        if names.len() == known {
            return true;
        }
    }
}

/// Whether this text, the last node of the path, is only compared. The name of a variable that gets
/// it is added to `names`.
fn compares(
    ast: &AST,
    path: &[ASTNode<'_>],
    text: &Expr,
    constants: &Scope<'_>,
    names: &mut BTreeSet<String>,
) -> bool {
    let is_constant = |expr: &Expr| is_constant(expr, constants);
    let mut child = text;
    let mut parents = path.iter().rev().skip(1).peekable();
    while let Some(parent) = parents.next() {
        let others = |call: &FnCallExpr| {
            let mut others = call.args.iter().filter(|other| !ptr::eq(*other, child));
            others.all(is_constant)
        };
        match parent {
            ASTNode::Expr(expr @ Expr::Dot(pair, ..)) => {
                if !ptr::eq(&pair.lhs, child) {
                    child = expr;
                    continue;
                }
                return match &pair.rhs {
                    // Patterns are always written in the policy.
                    Expr::MethodCall(call, _) => match call.name.as_str() {
                        "matches" => true,
                        name => COMPARISONS.contains(&name) && others(call),
                    },
                    _ => false,
                };
            }
            ASTNode::Expr(expr @ Expr::FnCall(call, _)) => match call.name.as_str() {
                "+" => child = expr,
                _ if passes(ast, call, child, names) => return true,
                name => return TOLD.contains(&name) || COMPARISONS.contains(&name) && others(call),
            },
            // In `LIST.contains(text)` the list is before the dot.
            ASTNode::Expr(expr @ Expr::MethodCall(call, _)) => {
                let Some(ASTNode::Expr(Expr::Dot(pair, ..))) = parents.peek() else {
                    return false;
                };
                return ptr::eq(&raw const pair.rhs, *expr)
                    && COMPARISONS.contains(&call.name.as_str())
                    && is_constant(&pair.lhs);
            }
            ASTNode::Expr(expr @ (Expr::InterpolatedString(..) | Expr::Stmt(_))) => child = expr,
            ASTNode::Stmt(Stmt::Expr(expr)) => child = expr,
            ASTNode::Stmt(Stmt::Var(variable, ..)) => {
                names.insert(variable.0.name.to_string());
                return true;
            }
            ASTNode::Stmt(Stmt::Switch(switch, _)) => return ptr::eq(&raw const switch.0, child),
            // A call that stands by itself is no expression to Rhai.
            ASTNode::Stmt(Stmt::FnCall(call, _)) => {
                let name = call.name.as_str();
                return passes(ast, call, child, names)
                    || TOLD.contains(&name)
                    || COMPARISONS.contains(&name) && others(call);
            }
            _ => return false,
        }
    }
    false
}

/// Whether a call passes a text to a function of the policy's own. Its parameter is added to `names`.
fn passes(ast: &AST, call: &FnCallExpr, text: &Expr, names: &mut BTreeSet<String>) -> bool {
    let mut functions = ast.iter_functions();
    let Some(function) = functions
        .find(|function| call.name == function.name && call.args.len() == function.params.len())
    else {
        return false;
    };
    let arguments = call.args.iter().zip(&function.params);
    let mut given = arguments.filter(|(argument, _)| ptr::eq(*argument, text));
    given.next().is_some_and(|(_, parameter)| {
        names.insert((*parameter).to_owned());
        true
    })
}

fn is_constant(expr: &Expr, constants: &Scope<'_>) -> bool {
    expr.is_constant()
        || Written::new(expr, constants).whole().is_some()
        // Without an index it is none of the function's own.
        || matches!(expr, Expr::Variable(variable, None, _)
            if variable.0.is_none() && constants.contains(&variable.1))
}
