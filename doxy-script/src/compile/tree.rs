//! Walks that Rhai does not have.

use rhai::{AST, ASTNode, Stmt};

/// Visits the outermost statements of a function. Rhai does not expose bodies, but walks through them.
pub(super) fn outermost_statements(
    ast: &AST,
    name: &str,
    parameters: usize,
    mut visit: impl FnMut(&Stmt),
) {
    walk_function(ast, name, parameters, |path| {
        if let [ASTNode::Stmt(statement)] = path {
            visit(statement);
        }
    });
}

/// Visits all nodes of a function, each with those around it.
pub(super) fn walk_function(
    ast: &AST,
    name: &str,
    parameters: usize,
    mut visit: impl FnMut(&[ASTNode<'_>]),
) {
    let mut alone = ast.clone();
    alone.retain_functions(|_, _, other, count| other == name && count == parameters);
    alone.walk(&mut |path: &[ASTNode<'_>]| {
        visit(path);
        true
    });
}
