//! Limits how deep lists, maps and closures may be nested.
//!
//! Rhai limits the number of items, but not the nesting. Dropping, comparing and printing a value are
//! recursive, so a deep value would overflow the stack and end the process. A value gets deeper only
//! by being put into another, and for that a variable is read. So the depth is checked at each read.
//! Of a long list only both ends are checked; otherwise a loop over it would take quadratic time.
//! What the middle can hide is bounded by the steps of a call, and fits the stacks of doxy's threads.

use rhai::{Dynamic, EvalAltResult, FnPtr, Position};

/// How deep values may be nested. Bodies are nested 64 deep at most.
const MAX_NESTING: u32 = 100;
/// How many items are checked at either end of a list.
const ENDS: usize = 32;

/// Refuses a value that is nested too deep.
pub(crate) fn check(value: &Dynamic) -> Result<(), Box<EvalAltResult>> {
    if fits(value, MAX_NESTING) {
        return Ok(());
    }
    let message = format!("lists, maps and closures are nested more than {MAX_NESTING} deep");
    Err(EvalAltResult::ErrorRuntime(message.into(), Position::NONE).into())
}

/// Whether a value is not nested deeper than this. A value that is being changed cannot be checked;
/// Rhai cannot read it then either.
fn fits(value: &Dynamic, most: u32) -> bool {
    // Most values contain no others.
    if !(value.is_array() || value.is_map() || value.is_fnptr()) {
        return true;
    }
    let Some(inside) = most.checked_sub(1) else {
        return false;
    };
    if let Ok(list) = value.as_array_ref() {
        let beyond = list.iter().skip(ENDS).rev().take(ENDS);
        list.iter()
            .take(ENDS)
            .chain(beyond)
            .all(|item| fits(item, inside))
    } else if let Ok(map) = value.as_map_ref() {
        map.values().all(|item| fits(item, inside))
    } else if let Some(closure) = value.read_lock::<FnPtr>() {
        closure.iter_curry().all(|item| fits(item, inside))
    } else {
        true
    }
}
