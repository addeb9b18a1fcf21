//! Finds whether Rhai's built-in operators judge a policy's comparisons as ours do.
//!
//! Rhai applies its built-in operators several times faster than a registered function, but they
//! take values of different types for unequal, where ours fail. Both say the same if the types
//! cannot differ. That is known of a part of the request's head, such as `req.method` or
//! `req.headers["x"]`, and of a literal. So the built-in ones are used only in a policy in which
//! each operator compares such two, and nothing else can stand in the variable of the request.

use std::ptr;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt};

use crate::compile::tree::outermost_statements;

/// The type of a value; what the head may lack is `()` instead, which equals nothing of any type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Number,
    Truth,
}

/// Whether the built-in operators say the same as ours for every request.
pub(super) fn are_plain(ast: &AST, request: &str) -> bool {
    let mut entry = Vec::new();
    outermost_statements(ast, "decide", 1, |statement| {
        entry.push(ptr::from_ref(statement));
    });
    let mut plain = true;
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let in_entry = matches!(path.first(), Some(ASTNode::Stmt(statement))
            if entry.contains(&ptr::from_ref(*statement)));
        plain = is_plain(path, request, in_entry);
        plain
    });
    plain
}

fn is_plain(path: &[ASTNode<'_>], request: &str, in_entry: bool) -> bool {
    match path {
        [
            ..,
            ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)),
        ] => call.op_token.is_none() || in_entry && compares_alike(call, request),
        // Another variable of that name, and operators that change a variable.
        [.., ASTNode::Stmt(Stmt::Var(variable, ..))] => variable.0.name != request,
        [.., ASTNode::Stmt(Stmt::For(each, _))] => each.0.name != request,
        [.., ASTNode::Stmt(Stmt::Assignment(_))] => false,
        // Rhai's walk skips the value of a `break`.
        [.., ASTNode::Stmt(Stmt::BreakLoop(Some(_), ..))] => false,
        // Whoever else has the request could change it through `this`.
        [
            ..,
            parent,
            ASTNode::Expr(expr @ Expr::Variable(variable, ..)),
        ] => variable.1 != request || super::used::property(parent, expr).is_some(),
        [ASTNode::Expr(Expr::Variable(..))] => false,
        _ => true,
    }
}

/// Whether this is `==` or `!=` between two values of one type.
fn compares_alike(call: &FnCallExpr, request: &str) -> bool {
    match call.args.as_ref() {
        [one, other] if matches!(call.name.as_str(), "==" | "!=") => {
            let one = type_of(one, request);
            one.is_some() && one == type_of(other, request)
        }
        _ => false,
    }
}

/// The type of a literal, or of a part of the head.
fn type_of(expr: &Expr, request: &str) -> Option<Type> {
    let chain = match expr {
        Expr::StringConstant(..) => return Some(Type::Text),
        Expr::IntegerConstant(..) => return Some(Type::Number),
        Expr::BoolConstant(..) => return Some(Type::Truth),
        Expr::Dot(chain, ..) => chain,
        _ => return None,
    };
    if !matches!(&chain.lhs, Expr::Variable(variable, ..) if variable.1 == request) {
        return None;
    }
    let property = |expr: &Expr| match expr {
        Expr::Property(property, _) => Some(property.2.to_string()),
        _ => None,
    };
    match &chain.rhs {
        first @ Expr::Property(..) => match property(first)?.as_str() {
            "method" | "path" | "endpoint" | "version" | "socket" => Some(Type::Text),
            _ => None,
        },
        Expr::Index(next, ..) => match (property(&next.lhs)?.as_str(), &next.rhs) {
            ("headers" | "query", Expr::StringConstant(..)) => Some(Type::Text),
            _ => None,
        },
        Expr::Dot(next, ..) => {
            match (property(&next.lhs)?.as_str(), property(&next.rhs)?.as_str()) {
                ("headers" | "query", _) => Some(Type::Text),
                ("peer", "uid" | "gid" | "pid") => Some(Type::Number),
                ("matched", "allowed") => Some(Type::Truth),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::compile::compile;

    #[test]
    fn only_comparisons_of_known_types_are_left_to_rhai() {
        let mut wrong = Vec::new();
        for (body, plain) in [
            ("if req.method == \"GET\" { return allow(); } pass()", true),
            (
                "if \"GET\" != req.method && !req.query.flag(\"a\") { return allow(); } pass()",
                false,
            ),
            (
                "if req.path == req.endpoint || req.version == \"1\" { return allow(); } pass()",
                true,
            ),
            (
                "if req.headers[\"x\"] == \"a\" && req.query.a == \"b\" { return allow(); } pass()",
                true,
            ),
            (
                "if req.headers.Image == \"a\" && req.query[\"a\"] == \"b\" { return allow(); } pass()",
                true,
            ),
            (
                "if req.peer.uid == 1000 && req.matched.allowed == true { return allow(); } pass()",
                true,
            ),
            (
                "if LIMIT == req.peer.gid && req.socket != NAME { return allow(); } pass()",
                true,
            ),
            (
                "let c = req.json(); if is_set(c.Image) { return allow(); } pass()",
                true,
            ),
            // The types may differ, or do.
            ("if req.method == 1 { return allow(); } pass()", false),
            (
                "if req.headers[\"x\"] == 1 { return allow(); } pass()",
                false,
            ),
            ("if req.query.a == true { return allow(); } pass()", false),
            (
                "if req.peer.uid == \"1000\" { return allow(); } pass()",
                false,
            ),
            ("if req.json() == \"a\" { return allow(); } pass()", false),
            (
                "if req.json().Image == \"a\" { return allow(); } pass()",
                false,
            ),
            (
                "if req.query.values(\"a\") == \"a\" { return allow(); } pass()",
                false,
            ),
            (
                "if req.query.a.Image == \"a\" { return allow(); } pass()",
                false,
            ),
            (
                "if req.matched.rule == true { return allow(); } pass()",
                false,
            ),
            ("if req.method < \"H\" { return allow(); } pass()", false),
            (
                "if req.method + \"a\" == \"GETa\" { return allow(); } pass()",
                false,
            ),
            (
                "if `${req.query.a == 1}` == \"true\" { return allow(); } pass()",
                false,
            ),
            (
                "let a = req.json(); if a == 1 { return allow(); } pass()",
                false,
            ),
            (
                "let a = loop { break req.query.a == 1; }; if a { return allow(); } pass()",
                false,
            ),
            (
                "switch req.query.a { \"1\" if req.query.b == 2 => allow(), _ => pass() }",
                false,
            ),
            (
                "let a = [req.query.a == 1]; if is_set(a) { return allow(); } pass()",
                false,
            ),
            (
                "let a = 1; a += 1; if req.method == \"GET\" { return allow(); } pass()",
                false,
            ),
            // Something else may stand in the variable.
            (
                "let req = #{method: 1}; if req.method == \"GET\" { return allow(); } pass()",
                false,
            ),
            (
                "req = #{method: 1}; if req.method == \"GET\" { return allow(); } pass()",
                false,
            ),
            (
                "for req in [#{method: 1}] { if req.method == \"GET\" { return allow(); } } pass()",
                false,
            ),
            ("if other(#{method: 1}) { return allow(); } pass()", false),
            (
                "if [#{method: 1}].some(|req| req.method == \"GET\") { return allow(); } pass()",
                false,
            ),
            (
                "req.change(); if req.method == \"GET\" { return allow(); } pass()",
                false,
            ),
            (
                "change(req); if req.method == \"GET\" { return allow(); } pass()",
                false,
            ),
        ] {
            let helper = match body {
                body if body.contains("other(") => "fn other(req) { req.method == \"GET\" }",
                body if body.contains("change(") => "fn change() { this = 1; } fn change(a) { a }",
                _ => "",
            };
            let constants = "const LIMIT = 3; const NAME = \"a\";";
            let policy = format!("{constants} {helper} fn decide(req) {{ {body} }}");
            let compiled = compile(policy.as_bytes()).map_err(|faults| {
                faults
                    .into_iter()
                    .map(|fault| fault.message)
                    .collect::<Vec<_>>()
            });
            let found = compiled.map(|policy| policy.engine.fast_operators());
            wrong.extend((found != Ok(plain)).then(|| format!("{body}: {found:?}")));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
