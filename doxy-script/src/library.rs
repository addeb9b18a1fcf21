//! The functions that a script may call besides Rhai's operators.
//!
//! A script may call the functions listed here and its own; any other name is an error when it is
//! compiled. The list is separate from Rhai's packages, which have functions that are not safe.

mod changes;
mod comparisons;
mod image;
mod lists;
mod objects;
mod paths;
mod patterns;
mod privileges;
mod ranges;
mod strings;
mod unit;
mod verdict;

use rhai::Engine;

pub(crate) use self::patterns::{MatchMode, Patterns};

/// Functions that may be called: name, fewest and most arguments, including the value before a dot.
pub(crate) const CALLABLE: [(&str, usize, usize); 78] = [
    // The decision.
    ("allow", 0, 0),
    ("allow_with", 1, 1),
    ("with_query", 3, 3),
    ("with_header", 3, 3),
    ("pass", 0, 0),
    ("deny", 1, 2),
    // The request.
    ("json", 1, 2),
    ("values", 1, 2),
    ("names", 1, 1),
    ("flag", 2, 2),
    ("keys", 1, 1),
    ("is_set", 1, 1),
    ("only", 2, 2),
    // Bodies as the engine is to get them.
    ("to_map", 1, 1),
    ("with_field", 3, 3),
    ("without_field", 2, 2),
    ("with_label", 3, 3),
    ("as_user", 3, 3),
    ("with_read_only_root", 1, 1),
    ("memory_at_most", 2, 2),
    ("cpus_at_most", 2, 2),
    ("pids_at_most", 2, 2),
    ("in_cgroup", 2, 2),
    ("on_network", 2, 2),
    ("without_capabilities", 1, 1),
    ("with_no_new_privileges", 1, 1),
    ("with_bind", 2, 2),
    ("with_device", 4, 4),
    ("prefixed", 2, 2),
    // Lookups.
    ("inspect", 2, 2),
    ("engine_info", 0, 0),
    ("no_such", 2, 2),
    ("refers_to", 2, 2),
    // Text.
    ("matches", 2, 2),
    ("find", 2, 2),
    ("captures", 2, 2),
    ("glob", 2, 2),
    ("under", 2, 2),
    ("clean_path", 1, 1),
    ("bind", 1, 1),
    ("image", 1, 1),
    ("in_range", 2, 2),
    ("subnet_of", 2, 2),
    ("user", 1, 1),
    ("capability", 1, 1),
    ("security_opt", 1, 1),
    ("starts_with", 2, 2),
    ("ends_with", 2, 2),
    ("strip_prefix", 2, 2),
    ("strip_suffix", 2, 2),
    ("split", 2, 2),
    ("join", 2, 2),
    ("to_lower", 1, 1),
    ("to_upper", 1, 1),
    ("trim", 1, 1),
    ("parse_int", 1, 1),
    ("to_string", 1, 1),
    // Text, lists and objects.
    ("len", 1, 1),
    ("is_empty", 1, 1),
    ("contains", 2, 2),
    ("index_of", 2, 2),
    // Lists.
    ("all", 2, 2),
    ("some", 2, 2),
    ("filter", 2, 2),
    ("map", 2, 2),
    ("reduce", 2, 3),
    ("push", 2, 2),
    ("sort", 1, 1),
    ("reverse", 1, 1),
    // Numbers.
    ("range", 2, 3),
    ("min", 2, 2),
    ("max", 2, 2),
    ("abs", 1, 1),
    // Rhai's own.
    ("print", 0, 1),
    ("debug", 0, 1),
    ("type_of", 1, 1),
    ("call", 1, 17),
    ("get", 2, 2),
];

/// The properties of the values of `bind`, `image`, `user` and `security_opt`.
pub(crate) const PARTS: [&str; 12] = [
    "uid",
    "gid",
    "value",
    "source",
    "target",
    "options",
    "is_path",
    "registry",
    "repository",
    "name",
    "tag",
    "digest",
];

/// Registers the functions with the engine.
pub(crate) fn register(
    engine: &mut Engine,
    patterns: &std::sync::Arc<std::sync::OnceLock<Patterns>>,
) {
    verdict::register(engine);
    changes::register(engine);
    strings::register(engine);
    lists::register(engine);
    objects::register(engine);
    comparisons::register(engine);
    paths::register(engine);
    image::register(engine);
    ranges::register(engine);
    privileges::register(engine);
    unit::register(engine);
    patterns::register(engine, patterns);
}

#[cfg(test)]
mod tests {
    use super::CALLABLE;

    #[test]
    fn the_reference_names_every_function() {
        let reference = include_str!("../../docs/scripts.md");
        for (name, ..) in CALLABLE {
            let called =
                reference.contains(&format!("{name}(")) || reference.contains(&format!("`{name}`"));
            assert!(called, "{name}");
        }
    }
}
