//! `all`, `some`, `filter` and `find` of lists.
//!
//! Rhai has them too, and takes whatever a closure gives that is neither true nor false for false. A policy that asks
//! `Binds.some(|bind| bind.find("docker.sock"))` would then deny nothing: `find` gives the text that it found. So
//! these stop where the closure gives anything else.

use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FnPtr, FuncRegistration, NativeCallContext, Position,
};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    // Pure: they leave the list as it is, so they can be called on constants.
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

/// The first item of which the closure says what is wanted.
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
            "the closure of `{}` gives a value of type {kind}, where true or false belongs",
            context.fn_name()
        );
        EvalAltResult::ErrorRuntime(message.into(), Position::NONE).into()
    })
}
