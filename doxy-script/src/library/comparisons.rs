//! Comparisons of values of different types, such as text with numbers.
//!
//! In Rhai such values are never equal, less or greater. `req.query.limit > 100` would never be true,
//! because a query is text, and a denial that depends on it would never happen. So it is an error
//! here. Any value may be compared with `()`: that is how a policy tests for a missing value.

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
/// uses its own operators.
fn frequent(engine: &mut Engine) {
    engine
        .register_fn("==", |one: &str, other: &str| one == other)
        .register_fn("!=", |one: &str, other: &str| one != other)
        .register_fn("==", |one: i64, other: i64| one == other)
        .register_fn("!=", |one: i64, other: i64| one != other)
        .register_fn("==", |one: bool, other: bool| one == other)
        .register_fn("!=", |one: bool, other: bool| one != other)
        .register_fn("==", |(): (), (): ()| true)
        .register_fn("!=", |(): (), (): ()| false)
        .register_fn("==", |_: &str, (): ()| false)
        .register_fn("!=", |_: &str, (): ()| true)
        .register_fn("==", |(): (), _: &str| false)
        .register_fn("!=", |(): (), _: &str| true)
        .register_fn("==", |(): (), _: bool| false)
        .register_fn("!=", |(): (), _: bool| true)
        .register_fn("==", |(): (), _: i64| false)
        .register_fn("!=", |(): (), _: i64| true);
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
