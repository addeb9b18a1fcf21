//! Finds the parts of a request that a policy can read, so that the others need not be copied.
//!
//! Only `req.name` can be attributed to one property. Any other use of `req` may pass it on: to a
//! function, a closure, another variable. Then all of it counts as used.

use std::ptr;

use rhai::{ASTNode, Expr, Stmt};

use crate::request::UsedProperties;

/// Visits a node: the last of a path that begins at its function.
pub(super) fn visit(path: &[ASTNode<'_>], request: &str, used: &mut UsedProperties) {
    match path {
        [
            ..,
            parent,
            ASTNode::Expr(expr @ Expr::Variable(variable, ..)),
        ] if variable.1 == request => match property(parent, expr) {
            Some("headers") => used.headers = true,
            Some("matched") => used.matched = true,
            Some(_) => {}
            None => *used = UsedProperties::ALL,
        },
        // Of `req.peer`, whatever the policy has done with it before.
        [.., ASTNode::Expr(Expr::Property(property, _))] if property.2 == "container" => {
            used.container = true;
        }
        // Rhai's walk skips the value of a `break`.
        [.., ASTNode::Stmt(Stmt::BreakLoop(Some(_), ..))] => *used = UsedProperties::ALL,
        _ => {}
    }
}

/// The property or function of `req` in this expression. `None` for any other use.
pub(super) fn property<'a>(parent: &ASTNode<'a>, request: &Expr) -> Option<&'a str> {
    let ASTNode::Expr(Expr::Dot(pair, ..)) = parent else {
        return None;
    };
    if !ptr::eq(&pair.lhs, request) {
        return None;
    }
    let first = match &pair.rhs {
        Expr::Dot(next, ..) | Expr::Index(next, ..) => &next.lhs,
        last => last,
    };
    match first {
        Expr::Property(property, _) => Some(&property.2),
        Expr::MethodCall(call, _) if call.name == "json" && call.args.is_empty() => Some("json"),
        _ => None,
    }
}
