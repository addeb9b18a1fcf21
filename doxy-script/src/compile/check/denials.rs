//! Checks what a policy gives to `deny`, and keeps the reasons as they are written.
//!
//! A log must not have what a client sends, and a reason can have all of it: `${text} is not a folder
//! of yours`. So logs get the reason as it is written, with `${…}` not filled in.

use std::collections::HashMap;

use rhai::{Expr, FnCallExpr, Position};

use crate::error::Fault;

/// The reasons of a policy, by the places of their denials.
pub(crate) type Reasons = HashMap<Position, String>;

/// Checks a call of `deny` that is not written behind a dot, and keeps its reason.
pub(super) fn visit(call: &FnCallExpr, at: Position, reasons: &mut Reasons) -> Result<(), Fault> {
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
    let mut text = String::new();
    write(reason, &mut text);
    reasons.insert(at, text);
    Ok(())
}

/// Appends a text as it is written. What is not written there becomes its name in `${}`.
fn write(expr: &Expr, text: &mut String) {
    match expr {
        Expr::StringConstant(constant, _) => text.push_str(constant),
        Expr::InterpolatedString(parts, _) => parts.iter().for_each(|part| write(part, text)),
        Expr::FnCall(call, _) if call.name == "+" => {
            call.args.iter().for_each(|part| write(part, text));
        }
        other => {
            text.push_str("${");
            text.push_str(&name(other).unwrap_or_else(|| "…".to_owned()));
            text.push('}');
        }
    }
}

/// The name of a variable, or of a part of one: `mount.Source`.
fn name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        Expr::Property(property, _) => Some(property.2.to_string()),
        Expr::Dot(pair, ..) => Some(format!("{}.{}", name(&pair.lhs)?, name(&pair.rhs)?)),
        Expr::Stmt(block) => match block.statements() {
            [rhai::Stmt::Expr(inner)] => name(inner),
            _ => None,
        },
        _ => None,
    }
}
