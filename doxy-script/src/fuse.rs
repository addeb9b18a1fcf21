//! Shorter ways through a compiled policy.
//!
//! Rhai walks the tree of a function. It finds a function for every property, index and comparison by the hash of its
//! name and the types of its arguments, and makes a value of every part on the way: `req.method == "DELETE"` takes some
//! thousand instructions. So once a policy is checked, what policies consist of is put together into nodes of our own: a
//! place such as `req.headers["x-team"]` or `c.HostConfig.Memory`, `is_set` of one, comparisons, `allow()` and `pass()`.
//!
//! What a node cannot tell in its short way it leaves to Rhai, by having the expression evaluated that it
//! was made of: with the same outcome, and the same error in the same expression. A node must never give another
//! value than that expression, nor evaluate a part of it twice.
//!
//! `rewrite` finds the expressions, `node` evaluates them.

mod node;
mod rewrite;

use std::fmt::Write as _;

use rhai::{AST, ASTNode, Engine, Expr, Position, Stmt, StmtBlock};

/// Puts a checked policy together anew.
///
/// The body of `decide` comes to stand outside of functions, to be run there without a call. Rhai does not let the body
/// of another function be replaced: each gets a function of the same name that has one node in it, which evaluates
/// the new body. Closures and methods of a type are left as they are.
pub(crate) fn fuse(engine: &mut Engine, mut ast: AST) -> AST {
    node::register(engine);
    let mut body_key = "doxy_body".to_owned();
    while names(&ast).any(|name| name == body_key) {
        body_key.push('_');
    }
    let mut source = String::new();
    let mut bodies = Vec::new();
    let mut entry = Vec::new();
    let typed: Vec<_> = ast
        .iter_functions()
        .filter(|function| function.this_type.is_some())
        .map(|function| (function.name.to_owned(), function.params.len()))
        .collect();
    let left = |name: &str, parameters: usize| {
        let mut typed = typed.iter();
        is_closure(name) || typed.any(|own| (&*own.0, own.1) == (name, parameters))
    };
    for function in ast.iter_functions() {
        if left(function.name, function.params.len()) {
            continue;
        }
        let body = outermost(&ast, function.name, function.params.len());
        let mut body = StmtBlock::new(body, Position::NONE, Position::NONE);
        rewrite::block(&mut body, true);
        if function.name == "decide" {
            entry = body.statements().to_vec();
        }
        // Writing into a string does not fail.
        let _ = writeln!(
            source,
            "fn {}({}) {{ {body_key} {} }}",
            function.name,
            function.params.join(", "),
            bodies.len()
        );
        bodies.push(Expr::Stmt(Box::new(body)));
    }
    let made = engine
        .register_custom_syntax(
            [body_key.as_str(), "$int$"],
            false,
            move |context, inputs| {
                let body = inputs
                    .first()
                    .and_then(|input| input.get_literal_value::<i64>())
                    .and_then(|index| bodies.get(usize::try_from(index).ok()?));
                match body {
                    Some(body) => context.eval_expression_tree(&body.into()),
                    None => Err("this function has no body".into()),
                }
            },
        )
        .and_then(|engine| engine.compile(&source));
    // Only what was compiled before is in it. Were it refused all the same, the functions would be slower, and no other.
    debug_assert!(made.is_ok(), "{made:?}\n{source}");
    if let Ok(made) = made {
        ast.retain_functions(|_, _, name, parameters| left(name, parameters));
        ast = made.merge(&ast);
    }
    AST::new(entry, ast.shared_lib().clone())
}

/// Rhai makes functions of closures, and gives them names that nobody can write.
fn is_closure(name: &str) -> bool {
    !rhai::is_valid_identifier(name)
}

/// The names of functions and of their parameters.
fn names(ast: &AST) -> impl Iterator<Item = &str> {
    ast.iter_functions()
        .flat_map(|function| function.params.into_iter().chain([function.name]))
}

/// The statements of the outermost level of a function. Rhai shows no bodies, but walks through them.
fn outermost(ast: &AST, name: &str, parameters: usize) -> Vec<Stmt> {
    let mut alone = ast.clone();
    alone.retain_functions(|_, _, other, count| other == name && count == parameters);
    let mut statements = Vec::new();
    alone.walk(&mut |path: &[ASTNode<'_>]| {
        if let [ASTNode::Stmt(statement)] = path {
            statements.push((*statement).clone());
        }
        true
    });
    statements
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

    use std::rc::Rc;

    use doxy_filter::{Reason, Verdict};
    use proptest::prelude::*;
    use rhai::{AST, Engine};

    use super::{fuse, outermost};
    use crate::{Body, Decision, Input, Peer, Script};

    /// The policy as Rhai runs it, with nothing put together.
    fn plain(_: &mut Engine, ast: AST) -> AST {
        let entry = outermost(&ast, "decide", 1);
        AST::new(entry, ast.shared_lib().clone())
    }

    const HEADERS: [(&str, &[u8]); 3] = [("x-a", b"ops"), ("x-b", b"\xff"), ("X-A", b"2")];

    const BODY: &str = r#"{"Image":"ops","Tty":true,"Cmd":["a"],"Env":[],"User":null,"HostConfig":{"Memory":5,"CpuShares":0,
        "Privileged":false,"Binds":["/a:/b"],"LogConfig":{"Type":""},"NanoCpus":1.5},"Labels":{"ops":"2","a":""}}"#;

    fn ask(script: &Script, input: &Input<'_>, body: &str) -> Decision {
        match script.decide(input, Body::Read(body.as_bytes())) {
            // An expression as a whole begins where a node has it begin; the column may be that of another part of it.
            Decision::Failed { public, log } => {
                let log = match log.splitn(4, ':').collect::<Vec<_>>()[..] {
                    [name, line, _, message] => format!("{name}:{line}:{message}"),
                    _ => log,
                };
                Decision::Failed { public, log }
            }
            decision => decision,
        }
    }

    /// Both ways of asking a policy, on requests that differ in what is there.
    fn same(source: &str, body: &str) -> Result<(), TestCaseError> {
        let build = |how| Script::build("p", source.as_bytes(), how);
        let (short, long) = match (build(fuse), build(plain)) {
            (Ok(short), Ok(long)) => (short, long),
            (short, long) => {
                prop_assert!(short.is_err() && long.is_err(), "{source}");
                return Err(TestCaseError::reject("it is refused"));
            }
        };
        let one = Input {
            method: "POST",
            path: "/v1.41/containers/create",
            query: Some("a=ops&b=2&c="),
            headers: &HEADERS,
            peer: Some(Peer {
                uid: 5,
                gid: 0,
                pid: None,
            }),
            socket: "ops",
            has_body: true,
            verdict: Verdict::Deny(Reason::NoRule),
        };
        let other = Input {
            query: Some("a=%zz"),
            headers: &[],
            peer: None,
            ..one
        };
        for input in [one, other] {
            prop_assert_eq!(
                ask(&short, &input, body),
                ask(&long, &input, body),
                "{}",
                source
            );
        }
        Ok(())
    }

    fn place() -> impl Strategy<Value = String> {
        let step = prop::sample::select(vec![
            ".method",
            ".path",
            ".endpoint",
            ".version",
            ".socket",
            ".query",
            ".headers",
            ".peer",
            ".matched",
            ".a",
            "[\"b\"]",
            "[\"c\"]",
            "[\"absent\"]",
            "[\"x-a\"]",
            "[\"x-b\"]",
            "[key]",
            "[other]",
            "?.a",
            "?[\"a\"]",
            "[0]",
            "[0 + 0]",
            ".uid",
            ".gid",
            ".pid",
            ".allowed",
            ".rule",
            ".Image",
            ".Tty",
            "[\"image\"]",
            ".Cmd",
            ".Env",
            ".User",
            ".HostConfig",
            ".Memory",
            ".CpuShares",
            ".Privileged",
            ".Binds",
            ".LogConfig",
            ".Type",
            ".NanoCpus",
            ".Labels",
            "[\"ops\"]",
            "[\"hostconfig\"]",
        ]);
        let root =
            prop::sample::select(vec!["req", "body", "host", "nothing", "list", "map", "key"]);
        (root, prop::collection::vec(step, 0..4))
            .prop_map(|(root, steps)| format!("{root}{}", steps.concat()))
    }

    /// Places that are there more often than not.
    fn likely() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "req.method",
            "req.path",
            "req.endpoint",
            "req.version",
            "req.socket",
            "req.query.a",
            "req.query[\"b\"]",
            "req.query.x",
            "req.headers[\"x-a\"]",
            "req.headers[\"x-b\"]",
            "req.headers[key]",
            "req.peer.uid",
            "req.peer.pid",
            "body.Image",
            "req.matched.allowed",
            "req.matched.rule",
            "body.Tty",
            "body.Cmd",
            "body.Env",
            "body.User",
            "body.HostConfig",
            "host.Memory",
            "host.CpuShares",
            "host.Privileged",
            "host.Binds",
            "host.Binds[0]",
            "host.LogConfig",
            "host.LogConfig.Type",
            "host.NanoCpus",
            "body.Labels[key]",
            "body.Labels.a",
            "host[key]",
            "nothing.a.list",
            "map.a",
            "map[key]",
            "map.list",
            "list",
            "key",
            "body[\"Absent\"].a",
        ])
        .prop_map(str::to_owned)
    }

    fn literal() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "\"ops\"", "\"POST\"", "\"\"", "\"2\"", "5", "0", "true", "false", "()", "1.5", "'o'",
            "[]", "TEXT", "LIST",
        ])
        .prop_map(str::to_owned)
    }

    fn expression() -> impl Strategy<Value = String> {
        let value = prop_oneof![3 => likely(), 1 => place(), 1 => literal()];
        let value = value.prop_map(Rc::from).boxed();
        let operator = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
        let leaf = prop_oneof![
            6 => (value.clone(), operator, value.clone()).prop_map(|(a, op, b): (Rc<str>, _, Rc<str>)| format!("{a} {op} {b}")),
            2 => value.clone().prop_map(|a| format!("is_set({a})")),
            1 => value.clone().prop_map(|a| a.to_string()),
            1 => value.clone().prop_map(|a| format!("{a}.contains(\"ops\")")),
            1 => value.clone().prop_map(|a| format!("{a}.len()")),
            1 => value.clone().prop_map(|a| format!("{a}.matches(\"o.*\")")),
            1 => value.clone().prop_map(|a| format!("helper({a}, req)")),
            1 => (value.clone(), value).prop_map(|(a, b)| format!("{a} in {b}")),
        ];
        leaf.prop_recursive(3, 8, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                inner.prop_map(|a| format!("!({a})")),
            ]
        })
    }

    fn statement() -> impl Strategy<Value = String> {
        (expression(), expression(), 0..12_u8).prop_map(|(a, b, kind)| match kind {
            0..=3 => format!("if {a} {{ return deny(\"one\"); }}"),
            4 => format!("if {a} {{ seen += 1; }} else {{ seen += 2; }}"),
            5 => format!("let x = {a}; if x == {b} {{ return deny(\"two\"); }}"),
            6 => format!("for x in {a} {{ if {b} {{ seen += 1; }} if x == \"a\" {{ break; }} }}"),
            7 => format!("map.a = {a}; if {b} {{ map[\"ops\"] = 5; }}"),
            8 => format!("map.list.push({a});"),
            9 => format!("if [1].some(|x| {a}) {{ return deny(\"three\"); }}"),
            10 => format!(
                "switch {a} {{ \"ops\" if {b} => seen += 4, () => seen += 8, _ => seen += 16 }}"
            ),
            _ => {
                format!("let y = if {a} {{ \"t\" }} else {{ {b} }}; if is_set(y) {{ seen += 1; }}")
            }
        })
    }

    proptest! {
        // Two policies are compiled for each.
        #![proptest_config(ProptestConfig {
            cases: ProptestConfig::default().cases / 2,
            max_global_rejects: u32::MAX,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Whatever a node cannot tell it leaves to Rhai: verdicts, reasons and failures are the same, at the same place.
        #[test]
        fn nothing_is_decided_otherwise(statements in prop::collection::vec(statement(), 1..5), last in expression()) {
            let source = format!(
                "const TEXT = \"ops\"; const LIST = [\"ops\", \"a\"];
                fn helper(value, req) {{ if req.method == value {{ return true; }} value == \"ops\" }}
                fn decide(req) {{
                    let body = req.json(); let host = body.HostConfig; let nothing = (); let key = \"ops\"; let other = 5;
                    let list = [\"ops\", 5]; let map = #{{ a: \"ops\", list: [] }}; let seen = 0;
                    {}
                    if seen > 3 {{ return deny(`${{seen}} ${{map}}`); }}
                    if {last} {{ allow() }} else {{ pass() }}
                }}",
                statements.join("\n")
            );
            same(&source, BODY)?;
        }
    }

    /// Every operator, between what is equal, less, more, absent and of another kind, on either side, wherever a comparison can
    /// stand: `seen` tells which of them held.
    #[test]
    fn every_comparison_everywhere() {
        let pairs = [
            ("req.query.b", "\"2\""),
            ("req.query.b", "\"1\""),
            ("req.query.b", "\"3\""),
            ("req.query.b", "()"),
            ("req.query.x", "()"),
            ("req.query.x", "\"\""),
            ("host.Memory", "5"),
            ("host.Memory", "4"),
            ("host.Memory", "6"),
            ("host.Memory", "\"5\""),
            ("host.Privileged", "false"),
            ("host.Privileged", "true"),
            ("host.NanoCpus", "1.5"),
            ("host.Binds", "()"),
            ("body.User", "()"),
        ];
        for (place, literal) in pairs {
            for operator in ["==", "!=", "<", "<=", ">", ">="] {
                for comparison in [
                    format!("{place} {operator} {literal}"),
                    format!("{literal} {operator} {place}"),
                ] {
                    let source = format!(
                        "fn last(req, body, host) {{ if {comparison} {{ 512 }} }}
                        fn decide(req) {{
                            let body = req.json(); let host = body.HostConfig; let seen = 0;
                            if {comparison} {{ seen += 1; }}
                            if !({comparison}) {{ seen += 2; }}
                            if {comparison} && req.method == \"POST\" {{ seen += 4; }}
                            if {comparison} && req.method == \"GET\" {{ seen += 8; }}
                            if {comparison} || req.method == \"GET\" {{ seen += 16; }}
                            if {comparison} || req.method == \"POST\" {{ seen += 32; }}
                            if is_set({place}) {{ seen += 64; }}
                            let value = {comparison};
                            if value {{ seen += 128; }} else {{ seen += 256; }}
                            let value = {{ if {comparison} {{ 1024 }} }};
                            deny(`${{seen}} ${{value}} ${{last(req, body, host)}}`)
                        }}"
                    );
                    same(&source, BODY).unwrap();
                }
            }
        }
    }

    /// What a policy can have that looks like what nodes are made of, and is not.
    #[test]
    fn what_is_left_to_rhai() {
        let items = vec!["\"x\""; 10_500].join(",");
        let large = format!(r#"{{"Env":[{items}],"HostConfig":{{"Binds":[{items}],"Memory":5}}}}"#);
        for (source, body) in [
            (
                "fn decide(req) { let b = req.json(); if is_set(b.Env) { return allow(); } pass() }",
                &*large,
            ),
            (
                "fn decide(req) { let b = req.json(); if b.HostConfig.Binds != () { return allow(); } pass() }",
                &*large,
            ),
            (
                "fn decide(req) { let b = req.json(); if !(b.Env == ()) { return allow(); } pass() }",
                &*large,
            ),
            (
                "fn decide(req) { let b = req.json(); let x = b.HostConfig; if x.Memory == 5 { return allow(); } pass() }",
                &*large,
            ),
            (
                "fn string.trusted(r) { true } fn decide(req) { let x = req.json().HostConfig.Memory; if x.trusted(req) { allow() } else { pass() } }",
                BODY,
            ),
            (
                "fn int.helper(y) { y == 1 } fn decide(req) { if helper(1) { allow() } else { pass() } }",
                BODY,
            ),
            (
                "fn int.own(y) { this == y } fn string.own(y) { this != y } fn own(y) { y == 2 } fn decide(req) { if own(2) && 1.own(1) && \"1\".own(1) { allow() } else { pass() } }",
                BODY,
            ),
            (
                "fn string.own(r) { r.socket == this } fn decide(req) { if req.socket.own(req) { allow() } else { pass() } }",
                BODY,
            ),
            (
                "fn decide(req) { let m = #{a: #{blocked: [], contains: |x| { this.blocked.push(x); false }}}; m.a.contains(\"q\"); if m.a.blocked.len() == 1 { return deny(\"blocked\"); } allow() }",
                BODY,
            ),
            (
                "fn decide(req) { if req.method == \"POST\" { allow() } }",
                BODY,
            ),
            (
                "fn decide(req) { let b = req.json(); let x = b.User?.Image.len(); deny(`${x == ()} ${b.User.Image.len() == 0}`) }",
                BODY,
            ),
            (
                "fn decide(req) { let m = #{a: #{n: 1, keys: || { this.n = 2; 1 }}}; m.a.keys(); if m.a.n == 2 { return deny(\"changed\"); } allow() }",
                BODY,
            ),
        ] {
            same(source, body).unwrap();
        }
    }

    #[test]
    fn names_of_the_policy_s_own() {
        let source = "fn doxy_body(doxy_body_) { doxy_body_ == 1 } fn decide(doxy_node) { if doxy_body(1) { allow() } else { pass() } }";
        let script = Script::build("p", source.as_bytes(), fuse).unwrap();
        let input = Input {
            method: "GET",
            path: "/",
            query: None,
            headers: &[],
            peer: None,
            socket: "s",
            has_body: false,
            verdict: Verdict::Deny(Reason::NoRule),
        };
        assert_eq!(script.decide(&input, Body::NotRead), Decision::Allow);
    }
}
