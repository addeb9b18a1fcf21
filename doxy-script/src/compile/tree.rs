//! A walk that Rhai does not have.

use rhai::{AST, ASTNode, Stmt};

/// Visits the outermost statements of a function. Rhai does not expose bodies, but walks through them.
pub(super) fn outermost_statements(
    ast: &AST,
    name: &str,
    parameters: usize,
    mut visit: impl FnMut(&Stmt),
) {
    let mut alone = ast.clone();
    alone.retain_functions(|_, _, other, count| other == name && count == parameters);
    alone.walk(&mut |path: &[ASTNode<'_>]| {
        if let [ASTNode::Stmt(statement)] = path {
            visit(statement);
        }
        true
    });
}
