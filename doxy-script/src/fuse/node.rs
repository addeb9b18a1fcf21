//! Evaluates nodes: in a short way where that is the same, else as the expressions they were made of.

use std::cmp::Ordering;

use rhai::{
    Dynamic, Engine, EvalAltResult, EvalContext, Expression, FnCallExpr, ImmutableString, Position,
    Scope, Token,
};

use crate::decision::Outcome;
use crate::view::{Place, Seen, holds_request};

/// What nodes are called in the tree.
pub(super) const KEY: &str = "doxy_node";

type Result = std::result::Result<Dynamic, Box<EvalAltResult>>;

/// What is evaluated in one go.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// What is at a place. Its input is the chain.
    Get(Place),
    /// A call on what is at a place that begins with this variable. Its inputs are the chain with the place put
    /// together, for requests and bodies, and the chain as it was: in a map of the policy's own, a method can be a
    /// closure that changes the map.
    Through(ImmutableString),
    /// Whether something is set there. Its input is the call of `is_set`.
    IsSet(Place),
    /// A comparison of its two inputs.
    Compare {
        operator: Operator,
        /// If one of them is a place and the other is written out: the same with the place first.
        short: Option<Comparison>,
        at: Position,
    },
    /// A row of `if`s, each with its condition. Its inputs are the statements, whole.
    Guards(Vec<Condition>),
    /// The opposite of its input.
    Not(Position),
    /// `allow()` or `pass()`.
    Outcome(Outcome),
}

/// A condition that can be told by looking at places alone. So nothing changes by its being asked twice.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    True(Place),
    IsSet(Place),
    Compare(Comparison),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// A place compared with what is written out.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    pub(super) place: Place,
    pub(super) operator: Operator,
    pub(super) literal: Literal,
}

/// A value that is written out.
#[derive(Debug, Clone)]
pub(super) enum Literal {
    Nothing,
    Bool(bool),
    Int(i64),
    Text(ImmutableString),
}

/// An operator that compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

/// Makes nodes known to the engine. They cannot be written in what it compiles later on either: they have no syntax.
pub(super) fn register(engine: &mut Engine) {
    // It fails for engines that cannot compile only.
    let _ = engine.register_custom_syntax_handler(KEY, false, evaluate);
}

fn evaluate(
    context: &mut EvalContext<'_, '_, '_, '_, '_, '_>,
    inputs: &[Expression<'_>],
    state: &Dynamic,
) -> Result {
    let Some(node) = state.read_lock::<Node>() else {
        return Err("this is no node".into());
    };
    let short = match &*node {
        Node::Outcome(outcome) => return Ok(Dynamic::from(*outcome)),
        Node::Get(place) => place.look(context.scope(), |seen| seen.value()),
        Node::IsSet(place) => place.look(context.scope(), |seen| seen.is_set().into()),
        Node::Through(variable) => {
            let whole = !holds_request(context.scope(), variable);
            return match inputs.get(usize::from(whole)) {
                Some(chain) => context.eval_expression_tree(chain),
                None => Err("this chain has not two forms".into()),
            };
        }
        Node::Guards(conditions) => return guards(context, conditions, inputs),
        Node::Not(at) => return negate(context, inputs, *at),
        Node::Compare {
            operator,
            short,
            at,
        } => {
            let found = short.as_ref();
            let found = found.and_then(|comparison| comparison.holds(context.scope()));
            return match (found, inputs) {
                (Some(holds), _) => Ok(holds.into()),
                (None, [one, other]) => compare(context, one, *operator, other, *at),
                _ => Err("this comparison has not two sides".into()),
            };
        }
    };
    match (short, inputs) {
        (Some(value), _) => Ok(value),
        (None, [whole]) => context.eval_expression_tree(whole),
        _ => Err("this node has no expression".into()),
    }
}

/// Goes through a row of `if`s, and leaves those to Rhai whose condition holds, or cannot be told.
fn guards(
    context: &mut EvalContext<'_, '_, '_, '_, '_, '_>,
    conditions: &[Condition],
    inputs: &[Expression<'_>],
) -> Result {
    if conditions.len() != inputs.len() {
        return Err("this row has not a condition for each of its statements".into());
    }
    for (condition, whole) in conditions.iter().zip(inputs) {
        if condition.holds(context.scope()) != Some(false) {
            let _: Dynamic = context.eval_expression_tree(whole)?;
        }
    }
    Ok(Dynamic::UNIT)
}

fn negate(
    context: &mut EvalContext<'_, '_, '_, '_, '_, '_>,
    inputs: &[Expression<'_>],
    at: Position,
) -> Result {
    let [input] = inputs else {
        return Err("this negation has not one side".into());
    };
    let mut value = context.eval_expression_tree(input)?.flatten();
    match value.as_bool() {
        Ok(truth) => Ok((!truth).into()),
        Err(_) => native(context, "!", &mut [&mut value], at),
    }
}

fn compare(
    context: &mut EvalContext<'_, '_, '_, '_, '_, '_>,
    one: &Expression<'_>,
    operator: Operator,
    other: &Expression<'_>,
    at: Position,
) -> Result {
    let mut one = context.eval_expression_tree(one)?.flatten();
    let mut other = context.eval_expression_tree(other)?.flatten();
    if let Some(holds) = operator.values(&one, &other) {
        return Ok(holds.into());
    }
    native(context, operator.symbol(), &mut [&mut one, &mut other], at)
}

/// Has Rhai find and call the operator.
fn native(
    context: &mut EvalContext<'_, '_, '_, '_, '_, '_>,
    symbol: &str,
    values: &mut [&mut Dynamic],
    at: Position,
) -> Result {
    context
        .call_native_fn_raw(symbol, false, values)
        .map_err(|mut error| {
            if error.position().is_none() {
                error.set_position(at);
            }
            error
        })
}

impl Condition {
    /// Whether it holds; `None` if Rhai has to be asked.
    fn holds(&self, scope: &Scope<'_>) -> Option<bool> {
        match self {
            Self::True(place) => place.look(scope, |seen| match seen {
                Seen::Bool(truth) => Some(truth),
                _ => None,
            })?,
            Self::IsSet(place) => place.look(scope, |seen| seen.is_set()),
            Self::Compare(comparison) => comparison.holds(scope),
            Self::Not(inner) => inner.holds(scope).map(|holds| !holds),
            Self::All(inner) => until(false, inner, scope),
            Self::Any(inner) => until(true, inner, scope),
        }
    }
}

/// Asks one condition after the other until one gives `end`, as `&&` and `||` do.
fn until(end: bool, conditions: &[Condition], scope: &Scope<'_>) -> Option<bool> {
    for condition in conditions {
        if condition.holds(scope)? == end {
            return Some(end);
        }
    }
    Some(!end)
}

impl Comparison {
    /// Whether it holds; `None` if Rhai has to be asked.
    fn holds(&self, scope: &Scope<'_>) -> Option<bool> {
        self.place
            .look(scope, |seen| self.operator.seen(&seen, &self.literal))?
    }
}

impl Operator {
    /// The operator of a call, if it compares.
    pub(super) fn of(call: &FnCallExpr) -> Option<Self> {
        match call.op_token.as_ref()? {
            Token::EqualsTo => Some(Self::Equal),
            Token::NotEqualsTo => Some(Self::Unequal),
            Token::LessThan => Some(Self::Less),
            Token::LessThanEqualsTo => Some(Self::LessOrEqual),
            Token::GreaterThan => Some(Self::More),
            Token::GreaterThanEqualsTo => Some(Self::MoreOrEqual),
            _ => None,
        }
    }

    /// The operator that says the same with its sides swapped.
    pub(super) fn swapped(self) -> Self {
        match self {
            Self::Equal | Self::Unequal => self,
            Self::Less => Self::More,
            Self::LessOrEqual => Self::MoreOrEqual,
            Self::More => Self::Less,
            Self::MoreOrEqual => Self::LessOrEqual,
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::More => ">",
            Self::MoreOrEqual => ">=",
        }
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::More => order.is_gt(),
            Self::MoreOrEqual => order.is_ge(),
        }
    }

    /// What Rhai says of `()` and anything: it equals itself, differs from all else, and is neither more nor less.
    fn with_nothing(self, both: bool) -> bool {
        match both {
            true => self == Self::Equal,
            false => self == Self::Unequal,
        }
    }

    /// Compares, where the kinds are such as are compared without asking Rhai.
    fn seen(self, seen: &Seen<'_>, literal: &Literal) -> Option<bool> {
        Some(match (seen, literal) {
            (Seen::Text(one), Literal::Text(other)) => self.holds((*one).cmp(other.as_str())),
            (Seen::Int(one), Literal::Int(other)) => self.holds(one.cmp(other)),
            (Seen::Bool(one), Literal::Bool(other)) => self.holds(one.cmp(other)),
            (Seen::Nothing, Literal::Nothing) => self.with_nothing(true),
            (Seen::Nothing, _) | (_, Literal::Nothing) => self.with_nothing(false),
            _ => return None,
        })
    }

    fn values(self, one: &Dynamic, other: &Dynamic) -> Option<bool> {
        if one.is_unit() || other.is_unit() {
            return Some(self.with_nothing(one.is_unit() && other.is_unit()));
        }
        if let (Ok(one), Ok(other)) = (
            one.as_immutable_string_ref(),
            other.as_immutable_string_ref(),
        ) {
            return Some(self.holds(one.as_str().cmp(other.as_str())));
        }
        if let (Ok(one), Ok(other)) = (one.as_int(), other.as_int()) {
            return Some(self.holds(one.cmp(&other)));
        }
        if let (Ok(one), Ok(other)) = (one.as_bool(), other.as_bool()) {
            return Some(self.holds(one.cmp(&other)));
        }
        None
    }
}
