//! `const LOOKUPS = […];`: what a policy says that it looks up, held against what it calls.
//!
//! Nothing here looks anything up.

use doxy_filter::api::ObjectKind;
use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Scope, Stmt};

use crate::error::Fault;
use crate::lookup::{Allowed, ENGINE, unknown};

const NAME: &str = "LOOKUPS";
const HELP: &str = "write `const LOOKUPS = [\"container\", \"exec\"];` at the top of the policy; \
                    `\"engine\"` is for `engine_info()`";

/// The kinds in `LOOKUPS`. `None` if there is no such constant: then the policy looks nothing up.
pub(super) fn allowed(
    ast: &AST,
    written: &AST,
    constants: &Scope<'_>,
) -> Result<Option<Allowed>, Fault> {
    let allowed = match constants.get(NAME) {
        None => None,
        Some(value) => {
            let at = place(written);
            let fault = |message: String| Fault::new(at, message, HELP);
            let not_texts = || fault(format!("`{NAME}` is not a list of texts"));
            let mut allowed = Allowed::default();
            for item in value.as_array_ref().map_err(|_| not_texts())?.iter() {
                let word = item.as_immutable_string_ref().map_err(|_| not_texts())?;
                match ObjectKind::of(&word) {
                    Some(kind) => allowed.kinds.push(kind),
                    None if *word == ENGINE => allowed.engine = true,
                    None => return Err(fault(unknown(&word))),
                }
            }
            Some(allowed)
        }
    };
    let mut fault = None;
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let (call, at) = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, at) | Expr::MethodCall(call, at)))
            | Some(ASTNode::Stmt(Stmt::FnCall(call, at))) => (call, *at),
            _ => return true,
        };
        fault = missing(call, allowed.as_ref()).map(|word| {
            let message = format!("the policy looks this up, but `{NAME}` does not name it");
            Fault::new(at, message, format!("write `const {NAME} = [\"{word}\"];`"))
        });
        fault.is_none()
    });
    fault.map_or(Ok(allowed), Err)
}

/// The kind that this call looks up although the policy does not name it.
fn missing(call: &FnCallExpr, allowed: Option<&Allowed>) -> Option<String> {
    let engine = call.name == "engine_info";
    if engine {
        return (!allowed.is_some_and(|allowed| allowed.engine)).then(|| ENGINE.to_owned());
    }
    if call.name != "inspect" {
        return None;
    }
    let Some(Expr::StringConstant(word, _)) = call.args.first() else {
        // Which kind it is turns out when it is called. A list has to be there.
        return allowed.is_none().then(|| "container".to_owned());
    };
    let named = ObjectKind::of(word)
        .is_some_and(|kind| allowed.is_some_and(|allowed| allowed.kinds.contains(&kind)));
    (!named).then(|| word.to_string())
}

fn place(written: &AST) -> Position {
    let mut statements = written.statements().iter();
    let found = statements.find_map(|statement| match statement {
        Stmt::Var(var, _, at) if var.0.name == NAME => Some(*at),
        _ => None,
    });
    found.unwrap_or_default()
}
