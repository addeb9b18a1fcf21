//! The Rhai engine that policies run in: what it offers, and what it must not.
//!
//! It starts empty and gets Rhai's packages for operators, text conversion, iterators and lists, but
//! never the core language package, which can sleep and exit. There is no module resolver, clock,
//! `eval` or `try`. Every limit is set: Rhai's own for sizes and depths, `budget` for steps and time.

use std::sync::{Arc, OnceLock};

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicStringPackage, LogicPackage,
    Package,
};
use rhai::{Dynamic, Engine, Module, OptimizationLevel};

use crate::budget;
use crate::library::{self, Patterns};
use crate::limits::{MAX_LIST, MAX_TEXT};
use crate::view;

/// Builds an engine. The patterns are filled in once they are compiled.
pub(crate) fn build(patterns: &Arc<OnceLock<Patterns>>) -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(packages().into());
    view::register(&mut engine);
    library::register(&mut engine, patterns);

    engine
        .set_optimization_level(OptimizationLevel::Simple)
        .set_max_call_levels(16)
        .set_max_expr_depths(64, 48)
        .set_max_functions(256)
        .set_max_variables(256)
        .set_max_array_size(MAX_LIST)
        .set_max_map_size(MAX_LIST)
        .set_max_string_size(MAX_TEXT)
        .set_max_strings_interned(0)
        .set_strict_variables(true)
        .set_allow_shadowing(true)
        .disable_symbol("eval")
        .disable_symbol("Fn")
        // With `try` a script could catch an exceeded limit in a closure.
        .disable_symbol("try")
        .on_progress(|_| match budget::step() {
            true => None,
            false => Some(Dynamic::UNIT),
        })
        .on_print(budget::print)
        .on_debug(|text, _, at| budget::print(&format!("{at}: {text}")));
    engine
}

/// Rhai's packages in one module, because each call searches all modules for its function.
fn packages() -> Module {
    let mut module = Module::new();
    ArithmeticPackage::init(&mut module);
    LogicPackage::init(&mut module);
    BasicStringPackage::init(&mut module);
    BasicIteratorPackage::init(&mut module);
    BasicArrayPackage::init(&mut module);
    module.register_lazy_functions();
    module.build_index();
    module
}
