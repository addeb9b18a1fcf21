//! Finds what can be put together, and puts nodes in its place.
//!
//! Nothing is evaluated here, and nothing depends on what a name stands for: a node finds that out when it is evaluated.

use std::mem;

use rhai::{
    ASTFlags, BinaryExpr, CustomExpr, Dynamic, Expr, FlowControl, FnCallExpr, ImmutableString,
    Position, Stmt, StmtBlock, Token,
};

use super::node::{Comparison, Condition, KEY, Literal, Node, Operator};
use crate::decision::Outcome;
use crate::view::{Place, Step};

/// Methods that leave alone what they are called on. Another could change it, and needs the place itself.
const LOOKING: [&str; 17] = [
    "captures",
    "contains",
    "ends_with",
    "find",
    "flag",
    "glob",
    "in_range",
    "is_empty",
    "json",
    "keys",
    "len",
    "matches",
    "starts_with",
    "to_lower",
    "to_upper",
    "under",
    "values",
];

/// Sees to a block: that of a function, or one in it. `used` tells whether anything is done with what its last
/// statement gives, as it is with that of a function.
pub(super) fn block(block: &mut StmtBlock, used: bool) {
    let statements = block.statements_mut();
    let last = statements.len().saturating_sub(1);
    for (index, inner) in statements.iter_mut().enumerate() {
        statement(inner, used && index == last);
    }
    let seen: Vec<_> = guard(statements.drain(..), used);
    statements.extend(seen);
}

/// `used` tells whether anything is done with what the statement gives.
fn statement(statement: &mut Stmt, used: bool) {
    match statement {
        Stmt::If(flow, _) => control(flow, used),
        Stmt::While(flow, _) | Stmt::Do(flow, ..) => control(flow, false),
        Stmt::For(parts, _) => control(&mut parts.2, false),
        Stmt::Switch(parts, _) => {
            expression(&mut parts.0);
            for case in &mut parts.1.expressions {
                expression(&mut case.lhs);
                expression(&mut case.rhs);
            }
        }
        Stmt::Var(parts, ..) => expression(&mut parts.1),
        // What is assigned to stays a place that Rhai can change.
        Stmt::Assignment(parts) => expression(&mut parts.1.rhs),
        Stmt::Block(inner) => block(inner, used),
        Stmt::Expr(inner) => expression(inner),
        Stmt::BreakLoop(Some(value), ..) | Stmt::Return(Some(value), ..) => expression(value),
        Stmt::FnCall(..) => {
            if let Stmt::FnCall(call, at) = mem::take(statement) {
                let mut value = Expr::FnCall(call, at);
                expression(&mut value);
                *statement = match value {
                    Expr::FnCall(call, at) => Stmt::FnCall(call, at),
                    value => Stmt::Expr(Box::new(value)),
                };
            }
        }
        _ => {}
    }
}

fn control(flow: &mut FlowControl, used: bool) {
    expression(&mut flow.expr);
    block(&mut flow.body, used);
    block(&mut flow.branch, used);
}

/// Puts each row of `if`s in a block into one node. What is used of a block is what its last statement gives, so
/// that one stays as it is then.
fn guard(statements: impl ExactSizeIterator<Item = Stmt>, used: bool) -> Vec<Stmt> {
    let last = statements.len().checked_sub(1).filter(|_| used);
    let mut done = Vec::new();
    let mut row = Vec::new();
    for (index, statement) in statements.enumerate() {
        match condition(&statement).filter(|_| Some(index) != last) {
            Some(condition) => row.push((condition, statement)),
            None => {
                done.extend(guards(mem::take(&mut row)));
                done.push(statement);
            }
        }
    }
    done.extend(guards(row));
    done
}

fn guards(row: Vec<(Condition, Stmt)>) -> Option<Stmt> {
    let at = row.first()?.1.position();
    let (conditions, inputs) = row
        .into_iter()
        .map(|(condition, statement)| {
            let at = statement.position();
            let block = StmtBlock::new([statement], at, at);
            (condition, Expr::Stmt(Box::new(block)))
        })
        .unzip();
    let node = custom(Node::Guards(conditions), inputs, at);
    Some(Stmt::Expr(Box::new(node)))
}

/// What an `if` without an `else` asks, if it can be told without evaluating anything.
fn condition(statement: &Stmt) -> Option<Condition> {
    match statement {
        Stmt::If(flow, _) if flow.branch.is_empty() => asked(&flow.expr),
        _ => None,
    }
}

fn asked(expr: &Expr) -> Option<Condition> {
    let all = |items: &[Expr]| items.iter().map(asked).collect::<Option<Vec<_>>>();
    match expr {
        Expr::And(items, _) => all(items).map(Condition::All),
        Expr::Or(items, _) => all(items).map(Condition::Any),
        Expr::Custom(custom, _) => match &*custom.state.read_lock::<Node>()? {
            Node::Get(place) => Some(Condition::True(place.clone())),
            Node::IsSet(place) => Some(Condition::IsSet(place.clone())),
            Node::Compare { short, .. } => short.clone().map(Condition::Compare),
            Node::Not(_) => {
                let inner = asked(custom.inputs.first()?)?;
                Some(Condition::Not(Box::new(inner)))
            }
            Node::Outcome(_) | Node::Guards(_) | Node::Through(_) => None,
        },
        _ => None,
    }
}

fn expression(expr: &mut Expr) {
    match expr {
        Expr::FnCall(call, at) => {
            call.args.iter_mut().for_each(expression);
            let at = *at;
            if let Some((node, inputs)) = called(call, at) {
                *expr = custom(node, inputs, at);
            }
        }
        Expr::Dot(..) | Expr::Index(..) => chain(expr),
        Expr::MethodCall(call, _) => call.args.iter_mut().for_each(expression),
        Expr::Array(items, _) | Expr::InterpolatedString(items, _) => {
            items.iter_mut().for_each(expression);
        }
        Expr::Map(parts, _) => parts.0.iter_mut().for_each(|(_, value)| expression(value)),
        Expr::And(items, _) | Expr::Or(items, _) | Expr::Coalesce(items, _) => {
            items.iter_mut().for_each(expression);
        }
        Expr::Stmt(inner) => block(inner, true),
        _ => {}
    }
}

/// The node for a call, and what it evaluates if it has to. The arguments were seen to before.
fn called(call: &FnCallExpr, at: Position) -> Option<(Node, Vec<Expr>)> {
    match (Operator::of(call), call.name.as_str(), call.args.as_slice()) {
        (Some(operator), _, [one, other]) => {
            let short = match (place(one), literal(other)) {
                (Some(place), Some(literal)) => Some(Comparison {
                    place,
                    operator,
                    literal,
                }),
                _ => match (literal(one), place(other)) {
                    (Some(literal), Some(place)) => Some(Comparison {
                        place,
                        operator: operator.swapped(),
                        literal,
                    }),
                    _ => None,
                },
            };
            let node = Node::Compare {
                operator,
                short,
                at,
            };
            Some((node, call.args.to_vec()))
        }
        (None, "!", [_]) if call.op_token == Some(Token::Bang) => {
            Some((Node::Not(at), call.args.to_vec()))
        }
        (None, "allow", []) => Some((Node::Outcome(Outcome::Allow), Vec::new())),
        (None, "pass", []) => Some((Node::Outcome(Outcome::Pass), Vec::new())),
        (None, "is_set", [of]) => {
            let whole = Expr::FnCall(Box::new(call.clone()), at);
            Some((Node::IsSet(place(of)?), vec![whole]))
        }
        _ => None,
    }
}

/// What a node looks at that was made before.
fn place(expr: &Expr) -> Option<Place> {
    let Expr::Custom(custom, _) = expr else {
        return None;
    };
    match &*custom.state.read_lock::<Node>()? {
        Node::Get(place) => Some(place.clone()),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<Literal> {
    match expr {
        Expr::StringConstant(text, _) => Some(Literal::Text(text.clone())),
        Expr::IntegerConstant(number, _) => Some(Literal::Int(*number)),
        Expr::BoolConstant(truth, _) => Some(Literal::Bool(*truth)),
        Expr::Unit(_) => Some(Literal::Nothing),
        _ => None,
    }
}

fn custom(node: Node, inputs: Vec<Expr>, at: Position) -> Expr {
    let custom = CustomExpr {
        inputs: inputs.into_iter().collect(),
        tokens: [ImmutableString::from(KEY)].into_iter().collect(),
        state: Dynamic::from(node),
        scope_may_be_changed: false,
        self_terminated: false,
    };
    Expr::Custom(Box::new(custom), at)
}

/// A variable and what is behind its dots and in its brackets.
fn chain(expr: &mut Expr) {
    let found = steps(expr);
    elements(expr);
    let Some((variable, steps, rest)) = found else {
        return;
    };
    let (at, count) = (expr.position(), steps.len());
    let place = Place { variable, steps };
    match rest {
        Rest::None => {
            let whole = mem::take(expr);
            *expr = custom(Node::Get(place), vec![whole], at);
        }
        Rest::Looking if count > 0 => {
            let whole = expr.clone();
            if let Some((flags, rest)) = cut(expr, count) {
                let variable = place.variable.clone();
                let lhs = custom(Node::Get(place), vec![mem::take(expr)], at);
                let short = Expr::Dot(Box::new(BinaryExpr { lhs, rhs: rest }), flags, at);
                *expr = custom(Node::Through(variable), vec![short, whole], at);
            }
        }
        Rest::Looking | Rest::Other => {}
    }
}

/// What follows the steps that a chain begins with.
enum Rest {
    None,
    /// A call of one of [`LOOKING`].
    Looking,
    Other,
}

/// The variable and the steps that a chain begins with. Variables that are none of the function's own are left to Rhai.
fn steps(expr: &Expr) -> Option<(ImmutableString, Vec<Step>, Rest)> {
    let (Expr::Dot(pair, ..) | Expr::Index(pair, ..)) = expr else {
        return None;
    };
    let variable = own(&pair.lhs)?;
    let mut steps = Vec::new();
    let mut parent = expr;
    let mut conditional = false;
    loop {
        let (pair, flags, dot) = match parent {
            Expr::Dot(pair, flags, _) => (pair, flags, true),
            Expr::Index(pair, flags, _) => (pair, flags, false),
            _ => return None,
        };
        // `?.` on `()` skips what follows it, to the end of the chain.
        conditional |= flags.intersects(ASTFlags::NEGATED);
        let (element, next) = match &pair.rhs {
            rhs @ (Expr::Dot(inner, ..) | Expr::Index(inner, ..))
                if !flags.intersects(ASTFlags::BREAK) =>
            {
                (&inner.lhs, Some(rhs))
            }
            rhs => (rhs, None),
        };
        match (dot, element) {
            (true, Expr::Property(property, _)) => {
                steps.push(Step::Property(property.2.clone()));
            }
            (true, Expr::MethodCall(call, _))
                if LOOKING.contains(&call.name.as_str()) && !conditional =>
            {
                return Some((variable, steps, Rest::Looking));
            }
            (false, Expr::StringConstant(key, _)) => steps.push(Step::Key(key.clone())),
            (false, index) => match own(index) {
                Some(name) => steps.push(Step::Variable(name)),
                None => return Some((variable, steps, Rest::Other)),
            },
            _ => return Some((variable, steps, Rest::Other)),
        }
        match next {
            Some(next) => parent = next,
            None => return Some((variable, steps, Rest::None)),
        }
    }
}

/// The name of a variable that the function itself has.
fn own(expr: &Expr) -> Option<ImmutableString> {
    match expr {
        Expr::Variable(variable, short, _) if short.is_some() || variable.0.is_some() => {
            Some(variable.1.clone())
        }
        _ => None,
    }
}

/// Sees to what stands in a chain: arguments, and what is in brackets.
fn elements(parent: &mut Expr) {
    let (Expr::Dot(pair, flags, _) | Expr::Index(pair, flags, _)) = parent else {
        return;
    };
    let ends = flags.intersects(ASTFlags::BREAK);
    if !matches!(pair.lhs, Expr::Property(..)) {
        expression(&mut pair.lhs);
    }
    match &mut pair.rhs {
        rhs @ (Expr::Dot(..) | Expr::Index(..)) if !ends => elements(rhs),
        rhs => expression(rhs),
    }
}

/// Cuts a chain after so many steps. Gives what was behind: how it is joined, and itself.
fn cut(parent: &mut Expr, steps: usize) -> Option<(ASTFlags, Expr)> {
    let (Expr::Dot(pair, ..) | Expr::Index(pair, ..)) = parent else {
        return None;
    };
    if steps > 1 {
        return cut(&mut pair.rhs, steps - 1);
    }
    match mem::take(&mut pair.rhs) {
        Expr::Dot(inner, flags, _) => {
            pair.rhs = inner.lhs;
            Some((flags, inner.rhs))
        }
        other => {
            pair.rhs = other;
            None
        }
    }
}
