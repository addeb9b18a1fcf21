//! Comparisons of what cannot be compared: text with numbers, lists with text, and so on.
//!
//! Rhai finds such values different, and neither more nor less. `req.query.limit > 100` would then never be true, because
//! a query holds text, and a denial behind it would never come. So it is an error here. With `()` everything may
//! be compared: that is how a policy asks for what may not be there.

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Position, Variant};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    // Rhai's short way past registered operators would also go past these.
    engine.set_fast_operators(false);
    frequent(engine);
    both::<ImmutableString, i64>(engine, "a text", "a number", TEXT);
    both::<ImmutableString, f64>(engine, "a text", "a number", TEXT);
    both::<ImmutableString, bool>(
        engine,
        "a text",
        "true or false",
        "ask `flag`, or with \"true\"",
    );
    both::<i64, bool>(engine, "a number", "true or false", "say which number");
    both::<f64, bool>(engine, "a number", "true or false", "say which number");
    both::<Array, ImmutableString>(engine, "a list", "a text", LIST);
    both::<Array, i64>(engine, "a list", "a number", LIST);
    both::<Array, bool>(engine, "a list", "true or false", LIST);
}

/// The comparisons that policies consist of, with the result that Rhai's own have. Rhai looks for its own last, once no
/// module has another.
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

const TEXT: &str = "`parse_int()` makes a number of a text";
const LIST: &str = "`contains` asks for what is in a list";

/// Refuses all comparisons of two kinds of values, in either order.
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
