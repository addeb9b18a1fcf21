//! `allow`, `deny`, `pass`, and what an allowed request becomes.
//!
//! `deny` ends the call at once, so it also works without `return`. `allow` and `pass` are values, so
//! they have no effect unless they are returned.

use rhai::{Dynamic, Engine, EvalAltResult, NativeCallContext};

use crate::budget::{Stop, stop};
use crate::decision::ReturnValue;
use crate::rewrite::Rewrite;
use crate::view::{is_set, to_json};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ReturnValue>("verdict")
        .register_fn("allow", || ReturnValue::Allow)
        .register_fn("allow_with", |body: Dynamic| -> Result<ReturnValue> {
            let body = Some(to_json(&body)?);
            Ok(ReturnValue::Rewrite(Rewrite {
                body,
                ..Rewrite::default()
            }))
        })
        .register_fn("with_query", with_query)
        .register_fn("with_header", with_header)
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
        .register_fn("is_set", |value: Dynamic| is_set(&value));
}

fn deny(context: &NativeCallContext<'_>, reason: &str, status: i64) -> Result<()> {
    let status = u16::try_from(status)
        .ok()
        .filter(|status| (400..600).contains(status))
        .ok_or_else(|| format!("{status} is not a valid status: use 400 to 599"))?;
    Err(stop(Stop::denied(reason, status), context.call_position()))
}

/// What changes of a request that is allowed.
fn rewrite(verdict: ReturnValue) -> Result<Rewrite> {
    match verdict {
        ReturnValue::Allow => Ok(Rewrite::default()),
        ReturnValue::Rewrite(rewrite) => Ok(rewrite),
        ReturnValue::Pass => Err("what the rules decide cannot be changed: use allow()".into()),
    }
}

fn with_query(verdict: ReturnValue, name: &str, value: &str) -> Result<ReturnValue> {
    let mut rewrite = rewrite(verdict)?;
    Rewrite::set(&mut rewrite.query, name, value);
    Ok(ReturnValue::Rewrite(rewrite))
}

/// Headers that say how a message is framed, routed or read belong to doxy, or to the body.
fn with_header(verdict: ReturnValue, name: &str, value: &str) -> Result<ReturnValue> {
    let mut rewrite = rewrite(verdict)?;
    let name = name.to_ascii_lowercase();
    let token = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let ours = name.starts_with("x-doxy-");
    if !token || ours || name.strip_prefix("x-").is_none_or(str::is_empty) {
        let message = format!("the header {name:?} cannot be set: only such as begin with X-");
        return Err(message.into());
    }
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) || value.trim() != value {
        return Err(format!("the header {name} can have printable ASCII text only").into());
    }
    Rewrite::set(&mut rewrite.headers, &name, value);
    Ok(ReturnValue::Rewrite(rewrite))
}
