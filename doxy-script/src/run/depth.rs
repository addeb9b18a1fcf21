//! How deep values may be nested in each other.
//!
//! Rhai bounds how many items a list has, but not how deep lists, maps and closures stand in each other; and what
//! is dropped, compared or printed is gone through by calls of itself, which end the whole process where the stack ends.
//! A value gets deeper by being put into another, and for that its variable is read. So it is looked at
//! whenever a variable is read. Of long lists the ends alone are looked at, or a loop over a list that a client has sent
//! would take the square of its time. What could hide in the middle of one is bounded by the steps of a call, and fits the
//! stacks that doxy gives its threads.

use rhai::{Dynamic, EvalAltResult, FnPtr, Position};

/// How deep values may be nested. Bodies are nested 64 deep at most.
const MAX_NESTING: u32 = 100;
/// How many items are looked at from either end of a list.
const ENDS: usize = 32;

/// Refuses a value that is nested too deep.
pub(crate) fn check(value: &Dynamic) -> Result<(), Box<EvalAltResult>> {
    if fits(value, MAX_NESTING) {
        return Ok(());
    }
    let message = format!("lists, maps and closures are nested more than {MAX_NESTING} deep");
    Err(EvalAltResult::ErrorRuntime(message.into(), Position::NONE).into())
}

/// Whether a value is not nested deeper than this. One that is being changed just now cannot be looked at; Rhai will
/// not let it be read either.
fn fits(value: &Dynamic, most: u32) -> bool {
    // Most values hold no others.
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
