//! `all`, `some`, `filter` and `find` of lists.
//!
//! Rhai's own treat a result that is not a boolean as false. `Binds.some(|bind|
//! bind.find("docker.sock"))` would then never be true, because `find` returns a text. So these fail
//! unless the closure returns a boolean.

use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FnPtr, FuncRegistration, NativeCallContext, Position,
};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    // Pure functions do not change the list, so they can be called on constants.
    let function = |name: &str| FuncRegistration::new(name).with_purity(true);
    function("all").register_into_engine(
        engine,
        |context: NativeCallContext<'_>, list: &mut Array, closure: FnPtr| {
            first(&context, list, &closure, false).map(|found| found.is_none())
        },
    );
    function("some").register_into_engine(
        engine,
        |context: NativeCallContext<'_>, list: &mut Array, closure: FnPtr| {
            first(&context, list, &closure, true).map(|found| found.is_some())
        },
    );
    function("find").register_into_engine(
        engine,
        |context: NativeCallContext<'_>, list: &mut Array, closure: FnPtr| {
            first(&context, list, &closure, true)
                .map(|found| found.cloned().unwrap_or(Dynamic::UNIT))
        },
    );
    function("filter").register_into_engine(
        engine,
        |context: NativeCallContext<'_>, list: &mut Array, closure: FnPtr| -> Result<Array> {
            let mut kept = Array::new();
            for item in list.iter() {
                if holds(&context, item, &closure)? {
                    kept.push(item.clone());
                }
            }
            Ok(kept)
        },
    );
}

/// The first item for which the closure returns `wanted`.
fn first<'l>(
    context: &NativeCallContext<'_>,
    list: &'l Array,
    closure: &FnPtr,
    wanted: bool,
) -> Result<Option<&'l Dynamic>> {
    for item in list {
        if holds(context, item, closure)? == wanted {
            return Ok(Some(item));
        }
    }
    Ok(None)
}

fn holds(context: &NativeCallContext<'_>, item: &Dynamic, closure: &FnPtr) -> Result<bool> {
    let said = closure.call_raw(context, None, [item.clone()])?;
    said.as_bool().map_err(|_| {
        let kind = context.engine().map_type_name(said.type_name());
        let message = format!(
            "the closure of `{}` returned a value of type {kind} instead of true or false",
            context.fn_name()
        );
        EvalAltResult::ErrorRuntime(message.into(), Position::NONE).into()
    })
}
