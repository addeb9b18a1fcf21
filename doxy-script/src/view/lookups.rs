//! `inspect` and `engine_info`: what a policy looks up, as values of the script.

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext, Position};

use super::object;
use crate::budget::{Stop, stop};
use crate::lookup::{self, Outcome};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn(
            "inspect",
            |context: NativeCallContext<'_>, kind: &str, name: ImmutableString| {
                given(&context, lookup::inspect(kind, &name), &name)
            },
        )
        // A name that is missing names nothing.
        .register_fn("inspect", |_: &str, (): ()| ())
        .register_fn("engine_info", |context: NativeCallContext<'_>| {
            given(&context, lookup::engine_info(), "")
        });
}

fn given(context: &NativeCallContext<'_>, outcome: Outcome, name: &str) -> Result<Dynamic> {
    match outcome {
        Outcome::Found(doc) => Ok(object::value(&doc, doc.root())),
        Outcome::Absent => Ok(Dynamic::UNIT),
        Outcome::NotOne(kind) => Err(stop(Stop::no_such(kind, name), context.call_position())),
        Outcome::Failed(reason) => Err(stop(Stop::Rejected(reason), context.call_position())),
        Outcome::Missing => Err(stop(Stop::NeedsLookup, Position::NONE)),
        Outcome::Wrong(message) => {
            Err(EvalAltResult::ErrorRuntime(message.into(), context.call_position()).into())
        }
    }
}
