//! `allow`, `deny`, `pass`.
//!
//! `deny` ends the call at once, so it also works without `return`. `allow` and `pass` are values, so
//! they have no effect unless they are returned.

use rhai::{Engine, EvalAltResult, NativeCallContext};

use crate::budget::{Stop, stop};
use crate::decision::ReturnValue;
use crate::view::is_set;

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ReturnValue>("verdict")
        .register_fn("allow", || ReturnValue::Allow)
        .register_fn("pass", || ReturnValue::Pass)
        .register_fn("deny", |context: NativeCallContext<'_>, reason: &str| {
            deny(&context, reason, 403)
        })
        .register_fn(
            "deny",
            |context: NativeCallContext<'_>, reason: &str, status: i64| {
                deny(&context, reason, status)
            },
        )
        .register_fn("is_set", |value: rhai::Dynamic| is_set(&value));
}

fn deny(context: &NativeCallContext<'_>, reason: &str, status: i64) -> Result<()> {
    let status = u16::try_from(status)
        .ok()
        .filter(|status| (400..600).contains(status))
        .ok_or_else(|| format!("{status} is not a valid status: use 400 to 599"))?;
    Err(stop(Stop::denied(reason, status), context.call_position()))
}
