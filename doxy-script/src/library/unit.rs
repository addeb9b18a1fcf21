//! `()`, the missing value.
//!
//! A policy may read fields of it, loop over it and call the functions of texts and lists on it. It
//! is empty and matches nothing. So a missing field needs no check, and a policy that allows on a
//! match does not allow without the field.

use std::any::TypeId;

use rhai::{Array, Engine, FnPtr, ImmutableString, Module};

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_indexer_get(|_: &mut (), _: &str| ())
        .register_indexer_get(|_: &mut (), _: i64| ())
        .register_fn("len", |(): ()| 0_i64)
        .register_fn("is_empty", |(): ()| true)
        .register_fn("contains", |(): (), _: rhai::Dynamic| false)
        .register_fn("keys", |(): ()| Array::new())
        .register_fn("values", |(): ()| Array::new())
        .register_fn("split", |(): (), _: &str| Array::new())
        .register_fn("join", |(): (), _: &str| ImmutableString::new())
        .register_fn("to_lower", |(): ()| ImmutableString::new())
        .register_fn("to_upper", |(): ()| ImmutableString::new())
        .register_fn("trim", |(): ()| ImmutableString::new())
        .register_fn("all", |(): (), _: FnPtr| true)
        .register_fn("some", |(): (), _: FnPtr| false)
        .register_fn("filter", |(): (), _: FnPtr| Array::new())
        .register_fn("map", |(): (), _: FnPtr| Array::new())
        .register_fn("find", |(): (), _: FnPtr| ());
    for name in [
        "matches",
        "starts_with",
        "ends_with",
        "glob",
        "under",
        "in_range",
        "subnet_of",
    ] {
        engine.register_fn(name, |(): (), _: &str| false);
    }
    for name in ["captures", "find", "strip_prefix", "strip_suffix"] {
        engine.register_fn(name, |(): (), _: &str| ());
    }
    for name in ["image", "bind", "clean_path", "parse_int"] {
        engine.register_fn(name, |(): ()| ());
    }
    let mut iterators = Module::new();
    iterators.set_iter(TypeId::of::<()>(), |_| Box::new(std::iter::empty()));
    engine.register_global_module(iterators.into());
}
