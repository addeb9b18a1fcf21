//! Comparisons of values of different types, such as text with numbers.
//!
//! In Rhai such values are never equal, less or greater. `req.query.limit > 100` would never be true,
//! because a query is text, and a denial that depends on it would never happen. So it is an error
//! here. Any value may be compared with `()`: that is how a policy tests for a missing value.

use std::any::TypeId;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Position, Variant};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    // Rhai's fast operators would bypass these.
    engine.set_fast_operators(false);
    frequent(engine);
    both::<ImmutableString, i64>(engine, "a text", "a number", TEXT);
    both::<ImmutableString, f64>(engine, "a text", "a number", TEXT);
    both::<ImmutableString, bool>(
        engine,
        "a text",
        "true or false",
        "use `flag`, or compare with \"true\"",
    );
    both::<i64, bool>(engine, "a number", "true or false", "say which number");
    both::<f64, bool>(engine, "a number", "true or false", "say which number");
    both::<Array, ImmutableString>(engine, "a list", "a text", LIST);
    both::<Array, i64>(engine, "a list", "a number", LIST);
    both::<Array, bool>(engine, "a list", "true or false", LIST);
}

/// The most frequent comparisons, with the results of Rhai's own. Rhai searches all modules before it
/// uses its own operators. These look at the values where they are, instead of taking them.
fn frequent(engine: &mut Engine) {
    equality::<ImmutableString, ImmutableString>(engine, |one, other| {
        match (
            one.as_immutable_string_ref(),
            other.as_immutable_string_ref(),
        ) {
            (Ok(one), Ok(other)) => *one == *other,
            _ => false,
        }
    });
    equality::<i64, i64>(engine, |one, other| {
        one.as_int().is_ok_and(|one| other.as_int() == Ok(one))
    });
    equality::<bool, bool>(engine, |one, other| {
        one.as_bool().is_ok_and(|one| other.as_bool() == Ok(one))
    });
    equality::<(), ()>(engine, |_, _| true);
    equality::<ImmutableString, ()>(engine, |_, _| false);
    equality::<(), ImmutableString>(engine, |_, _| false);
    equality::<(), bool>(engine, |_, _| false);
    equality::<(), i64>(engine, |_, _| false);
}

/// Registers `==` and `!=` of two types.
fn equality<A: 'static, B: 'static>(engine: &mut Engine, same: fn(&Dynamic, &Dynamic) -> bool) {
    let types = [TypeId::of::<A>(), TypeId::of::<B>()];
    engine
        .register_raw_fn("==", types, move |_, args| Ok(holds(args, same)))
        .register_raw_fn("!=", types, move |_, args| Ok(!holds(args, same)));
}

fn holds(args: &[&mut Dynamic], same: fn(&Dynamic, &Dynamic) -> bool) -> bool {
    matches!(args, [one, other] if same(one, other))
}

const TEXT: &str = "`parse_int()` converts a text to a number";
const LIST: &str = "`contains` tests whether a list has an item";

/// Makes all comparisons of two types an error, in either order.
fn both<A: Variant + Clone, B: Variant + Clone>(
    engine: &mut Engine,
    one: &'static str,
    other: &'static str,
    help: &'static str,
) {
    for operator in ["==", "!=", "<", "<=", ">", ">="] {
        engine
            .register_fn(operator, move |_: A, _: B| refuse(one, other, help))
            .register_fn(operator, move |_: B, _: A| refuse(other, one, help));
    }
}

fn refuse(one: &str, other: &str, help: &str) -> Result<Dynamic> {
    let message = format!("{one} is compared with {other}, which is never true: {help}");
    Err(EvalAltResult::ErrorRuntime(message.into(), Position::NONE).into())
}
