//! Collects what is written in a policy: [`Literals`]. It must never decide what is compared with what.
//!
//! Rhai's tree has no values of a `switch`, so the text is read token by token; what is made of
//! constants comes from the tree.

mod compared;

use rhai::{AST, ASTNode, Dynamic, Engine, Expr, Scope, Token};

use super::check::Written;
use crate::literals::Literals;

/// More than policies have that are written by hand.
const MAX_TEXTS: usize = 1000;
const MAX_NUMBERS: usize = 200;
/// The longest text.
const MAX_LENGTH: usize = 512;

/// What is written in a policy that compiles.
pub(super) fn collect(engine: &Engine, source: &str, ast: &AST, constants: &Scope<'_>) -> Literals {
    let mut literals = Literals {
        complete: true,
        compares_path: compared::follows(ast, constants, "endpoint"),
        compares_name: compared::follows(ast, constants, "name"),
        ..Literals::default()
    };
    tokens(engine, source, &mut literals);
    for (_, _, value) in constants.iter() {
        add(&value, &mut literals);
    }
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Expr(
            expr @ (Expr::InterpolatedString(..)
            | Expr::FnCall(..)
            | Expr::Index(..)
            | Expr::Dot(..)
            | Expr::StringConstant(..)),
        )) = path.last()
            && let Some(text) = Written::new(expr, constants).whole()
        {
            add_text(&text, &mut literals);
        }
        if let Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) = path.last() {
            add(value, &mut literals);
        }
        true
    });
    literals
}

fn tokens(engine: &Engine, source: &str, literals: &mut Literals) {
    let (tokens, control) = engine.lex([&source]);
    // The open braces of each interpolation.
    let mut open: Vec<usize> = Vec::new();
    let mut name = None;
    for (token, _) in tokens {
        let before = name.take();
        match token {
            Token::StringConstant(text) => add_text(&text, literals),
            Token::InterpolatedString(text) => {
                add_text(&text, literals);
                open.push(0);
            }
            Token::IntegerConstant(number) => add_number(number, literals),
            Token::Identifier(text) => name = Some(text),
            // `NAME:` is a key of a map.
            Token::Colon => {
                if let Some(key) = before {
                    add_text(&key, literals);
                }
            }
            Token::LeftBrace | Token::MapStart => {
                if let Some(braces) = open.last_mut() {
                    *braces += 1;
                }
            }
            Token::RightBrace => {
                if let Some(braces) = open.last_mut() {
                    *braces = braces.saturating_sub(1);
                    if *braces == 0 {
                        open.pop();
                        control.borrow_mut().is_within_text = true;
                    }
                }
            }
            Token::LexError(_) => {
                literals.complete = false;
                return;
            }
            Token::EOF => return,
            _ => {}
        }
    }
}

fn add(value: &Dynamic, literals: &mut Literals) {
    if let Ok(text) = value.as_immutable_string_ref() {
        add_text(&text, literals);
    } else if let Ok(number) = value.as_int() {
        add_number(number, literals);
    } else if let Ok(list) = value.as_array_ref() {
        list.iter().for_each(|item| add(item, literals));
    } else if let Ok(map) = value.as_map_ref() {
        for (key, item) in map.iter() {
            add_text(key, literals);
            add(item, literals);
        }
    }
}

fn add_text(text: &str, literals: &mut Literals) {
    if text.is_empty() || literals.texts.contains(text) {
        return;
    }
    match literals.texts.len() < MAX_TEXTS && text.len() <= MAX_LENGTH {
        true => {
            literals.texts.insert(text.to_owned());
        }
        false => literals.complete = false,
    }
}

fn add_number(number: i64, literals: &mut Literals) {
    if literals.numbers.len() < MAX_NUMBERS {
        literals.numbers.insert(number);
    } else if !literals.numbers.contains(&number) {
        literals.complete = false;
    }
}

#[cfg(test)]
mod tests;
