//! Which parts of a request a policy can look at, so that the others are not copied for it.
//!
//! Only what is written as `req.name` can be told. Wherever else the request stands, it may go anywhere: into
//! a function, a closure, another variable. Then all of it counts as used.

use std::ptr;

use rhai::{ASTNode, Expr, Stmt};

use crate::request::UsedProperties;

/// Looks at a node, the last of a path from its function down to it.
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
        // Rhai does not walk through the value of a `break`.
        [.., ASTNode::Stmt(Stmt::BreakLoop(Some(_), ..))] => *used = UsedProperties::ALL,
        _ => {}
    }
}

/// The property that is read of a request, or the function `json`. `None` if anything else is done with it.
fn property<'a>(parent: &ASTNode<'a>, request: &Expr) -> Option<&'a str> {
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
