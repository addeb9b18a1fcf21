//! A text as a policy has it written, in pieces. It never has anything of a request.

use std::collections::HashMap;
use std::fmt;

use rhai::{Dynamic, Expr, Scope, Stmt};

/// A text as it is written.
#[derive(Debug, Clone)]
pub(in crate::compile) struct Written(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    /// The name of what is not known before a request comes, if it has one.
    Name(Option<String>),
}

impl Written {
    pub(in crate::compile) fn new(expr: &Expr, constants: &Scope<'_>) -> Self {
        let mut pieces = Vec::new();
        write(expr, constants, &mut pieces);
        Self(pieces)
    }

    pub(super) fn has_text(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Text(_)))
    }

    /// The text, if all of it is known before a request comes.
    pub(in crate::compile) fn whole(&self) -> Option<String> {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Name(_) => None,
        };
        self.0.iter().map(text).collect()
    }

    /// Fills in texts by their names. None if none of them is in it. The names that are left belong
    /// to the function where they are written, and no other text is ever filled in for them.
    pub(super) fn filled(&self, texts: &HashMap<String, Self>) -> Option<Self> {
        let of = |piece: &Piece| match piece {
            Piece::Name(Some(name)) => texts.get(name),
            _ => None,
        };
        if !self.0.iter().any(|piece| of(piece).is_some()) {
            return None;
        }
        let mut filled = Vec::new();
        for piece in &self.0 {
            match of(piece) {
                Some(text) => filled.extend_from_slice(&text.0),
                None => filled.push(Piece::Text(piece.to_string())),
            }
        }
        Some(Self(filled))
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| piece.fmt(f))
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Name(name) => write!(f, "${{{}}}", name.as_deref().unwrap_or("\u{2026}")),
        }
    }
}

fn write(expr: &Expr, constants: &Scope<'_>, pieces: &mut Vec<Piece>) {
    match expr {
        Expr::InterpolatedString(parts, _) => {
            parts.iter().for_each(|part| write(part, constants, pieces));
        }
        Expr::FnCall(call, _) if is_text(expr, constants) => {
            let parts = call.args.iter();
            parts.for_each(|part| write(part, constants, pieces));
        }
        Expr::Stmt(block) => match block.statements() {
            [Stmt::Expr(inner)] => write(inner, constants, pieces),
            _ => pieces.push(Piece::Name(None)),
        },
        other => pieces.push(match constant(other, constants) {
            Some(value) => Piece::Text(value.to_string()),
            None => Piece::Name(name(other)),
        }),
    }
}

/// Whether an expression is a text, or a sum that begins with one or adds one.
fn is_text(expr: &Expr, constants: &Scope<'_>) -> bool {
    match expr {
        Expr::InterpolatedString(..) => true,
        Expr::FnCall(call, _) => {
            call.name == "+" && call.args.iter().any(|part| is_text(part, constants))
        }
        other => constant(other, constants).is_some_and(|value| value.is_string()),
    }
}

/// The value of an expression that has only constants in it.
fn constant(expr: &Expr, constants: &Scope<'_>) -> Option<Dynamic> {
    match expr {
        Expr::FnCall(call, _) if call.name == "+" => {
            let mut sum: i64 = 0;
            for part in &call.args {
                sum = sum.checked_add(constant(part, constants)?.as_int().ok()?)?;
            }
            Some(sum.into())
        }
        // Without an index it is none of the function's own.
        Expr::Variable(variable, None, _) if variable.0.is_none() => {
            constants.get(&variable.1).cloned()
        }
        Expr::Index(pair, ..) => {
            let list = constant(&pair.lhs, constants)?;
            let index = constant(&pair.rhs, constants)?.as_int().ok()?;
            let list = list.as_array_ref().ok()?;
            list.get(usize::try_from(index).ok()?).cloned()
        }
        Expr::Dot(pair, ..) => {
            let value = constant(&pair.lhs, constants)?;
            match &pair.rhs {
                Expr::Property(property, _) => {
                    let map = value.as_map_ref().ok()?;
                    map.get(property.2.as_str()).cloned()
                }
                Expr::MethodCall(call, _) if call.name == "join" && call.args.len() == 1 => {
                    let separator = constant(call.args.first()?, constants)?;
                    let separator = separator.as_immutable_string_ref().ok()?.to_string();
                    let list = value.as_array_ref().ok()?;
                    let items: Vec<_> = list.iter().map(ToString::to_string).collect();
                    Some(items.join(&separator).into())
                }
                _ => None,
            }
        }
        other => other.get_literal_value(None),
    }
}

/// The name of a variable, or of a part of one: `mount.Source`.
fn name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        Expr::Property(property, _) => Some(property.2.to_string()),
        Expr::Dot(pair, ..) => Some(format!("{}.{}", name(&pair.lhs)?, name(&pair.rhs)?)),
        _ => None,
    }
}
