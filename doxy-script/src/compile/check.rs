//! Finds errors in a policy before the first request.
//!
//! Rhai reports an unknown function only when it is called, so a policy would deny in production what
//! it should have reported at start. So the tree is walked once to check functions, their numbers
//! of arguments, and the properties of `req`, and to compile the patterns. `fields` checks names
//! after dots, `flow` unused verdicts and closures, `denials` what `deny` gets, which `written` keeps;
//! `used` finds what the policy reads, `operators` whether it can do with Rhai's own.

mod denials;
mod fields;
mod flow;
mod operators;
mod used;
mod written;

use std::collections::BTreeSet;
use std::mem;

use rhai::{AST, ASTNode, Dynamic, Expr, FnCallExpr, ImmutableString, Position, Scope, Stmt};

use crate::error::Fault;
use crate::library::{CALLABLE, MatchMode, Patterns};
use crate::request::UsedProperties;
use crate::view::PROPERTIES;

pub(crate) use self::denials::Reasons;
use self::fields::{KnownNames, distance};
use self::flow::Flow;
pub(super) use self::written::Written;

/// Names that Rhai itself puts into the tree, for closures.
const IMPLIED: [&str; 1] = ["curry"];
/// How many texts are compiled as patterns if a pattern is not a literal.
const MAX_CANDIDATES: usize = 1000;

/// How many faults are told.
const MAX_FAULTS: usize = 100;

/// What is known of a policy once it was checked.
pub(super) struct Checked {
    pub(super) patterns: Patterns,
    /// The parts of the request that it reads.
    pub(super) used: UsedProperties,
    /// The names after dots: fields of bodies, parameters of queries.
    pub(super) properties: BTreeSet<ImmutableString>,
    /// Whether Rhai's built-in operators judge its comparisons as ours do.
    pub(super) plain_operators: bool,
    /// The reasons of its denials.
    pub(super) reasons: Reasons,
    /// Whether it has an `allow()` or a `pass()`.
    pub(super) can_allow: bool,
    /// Whether it has a `pass()`, or looks at what the rules say.
    pub(super) asks_rules: bool,
}

/// Checks a policy. `written` is the tree before Rhai's optimisation, which removes misspelled keys of constants.
/// The faults are in the order in which they were found.
pub(super) fn check(
    ast: &AST,
    written: &AST,
    constants: &Scope<'_>,
) -> Result<Checked, Vec<Fault>> {
    let request = entry(ast).map_err(|fault| vec![fault])?;
    let mut checker = Checker {
        ast,
        constants,
        request,
        patterns: Patterns::default(),
        texts: Vec::new(),
        indirect: Vec::new(),
        used: UsedProperties::default(),
        properties: BTreeSet::new(),
        reasons: Reasons::default(),
        can_allow: false,
        passes: false,
        faults: Vec::new(),
    };
    for (_, _, value) in constants.iter() {
        collect(&value, &mut checker.texts);
    }
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        used::visit(path, &checker.request, &mut checker.used);
        let visited = match path.last() {
            Some(ASTNode::Expr(expr)) => checker.visit(expr),
            // A call that stands by itself is no expression to Rhai.
            Some(ASTNode::Stmt(Stmt::FnCall(call, at))) => checker.call(call, call.args.len(), *at),
            // Rhai's walk skips the value of a `break`.
            Some(ASTNode::Stmt(Stmt::BreakLoop(Some(_), ..))) => {
                (checker.can_allow, checker.passes) = (true, true);
                Ok(())
            }
            _ => Ok(()),
        };
        checker.faults.extend(visited.err());
        checker.faults.len() < MAX_FAULTS
    });
    let mut faults = mem::take(&mut checker.faults);
    as_written(written, constants, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Checked {
        plain_operators: operators::are_plain(ast, &checker.request),
        used: checker.used,
        asks_rules: checker.passes || checker.properties.contains("matched"),
        properties: mem::take(&mut checker.properties),
        reasons: mem::take(&mut checker.reasons),
        can_allow: checker.can_allow,
        patterns: checker.finish(),
    })
}

/// Checks names and verdicts, in the tree as it was written.
fn as_written(written: &AST, constants: &Scope<'_>, faults: &mut Vec<Fault>) {
    let mut names = KnownNames::new(written, constants);
    let mut flow = Flow::new(written);
    // What is told of a place already needs no second fault.
    let add = |faults: &mut Vec<Fault>, fault: Fault| {
        if !faults.iter().any(|other| other.at == fault.at) {
            faults.push(fault);
        }
    };
    written.walk(&mut |path: &[ASTNode<'_>]| {
        let named = match path.last() {
            Some(ASTNode::Expr(Expr::Dot(pair, ..) | Expr::Index(pair, ..))) => {
                names.open(&pair.lhs, &pair.rhs);
                Ok(())
            }
            Some(ASTNode::Expr(Expr::Property(property, at))) => names.check(&property.2, *at),
            _ => Ok(()),
        };
        if let Err(fault) = named.and_then(|()| flow.visit(path)) {
            add(faults, fault);
        }
        faults.len() < MAX_FAULTS
    });
    if let Err(fault) = flow.finish() {
        add(faults, fault);
    }
}

/// The name of the parameter of `decide`.
fn entry(ast: &AST) -> Result<String, Fault> {
    let shape = "a policy has one function `fn decide(req) { … }`";
    let place = |name: &str, parameters: usize| {
        let found = ast.shared_lib().get_script_fn(name, parameters);
        found.map_or(Position::NONE, |found| found.body.start_position())
    };
    for function in ast.iter_functions() {
        let own = function.name;
        // With another number of arguments nothing can be meant but the script's own.
        let takes = function.params.len();
        let built_in = CALLABLE.iter().any(|(known, least, most)| {
            *known == own && (least.saturating_sub(1)..=*most).contains(&takes)
        });
        if built_in || IMPLIED.contains(&own) {
            return Err(Fault::new(
                place(own, function.params.len()),
                format!("`{own}` is a built-in function"),
                "rename your function",
            ));
        }
        if own == "decide" && function.this_type.is_some() {
            let message = "`decide` is defined as a method of a type, so nothing calls it";
            return Err(Fault::new(Position::NONE, message, shape));
        }
    }
    let mut entries = ast
        .iter_functions()
        .filter(|function| function.name == "decide");
    let Some(decide) = entries.next() else {
        let nearest = ast
            .iter_functions()
            .map(|function| (distance(function.name, "decide"), function))
            .filter(|(distance, _)| *distance <= 2)
            .min_by_key(|(distance, _)| *distance);
        return Err(match nearest {
            Some((_, function)) => Fault::new(
                place(function.name, function.params.len()),
                format!(
                    "there is no function `decide` in it, but `{}`",
                    function.name
                ),
                "call it `decide`",
            ),
            None => Fault::new(Position::NONE, "there is no function `decide` in it", shape),
        });
    };
    if let Some(second) = entries.next() {
        let (one, other) = (
            place("decide", decide.params.len()),
            place("decide", second.params.len()),
        );
        return Err(Fault::new(
            one.max(other),
            "`decide` is defined more than once",
            shape,
        ));
    }
    match decide.params.as_slice() {
        [request] => Ok((*request).to_owned()),
        params => Err(Fault::new(
            place("decide", params.len()),
            format!("`decide` takes {} arguments instead of one", params.len()),
            shape,
        )),
    }
}

struct Checker<'a> {
    ast: &'a AST,
    constants: &'a Scope<'a>,
    request: String,
    patterns: Patterns,
    /// Texts of the policy that may turn out to be patterns.
    texts: Vec<ImmutableString>,
    /// How patterns are used that are not written where they are used.
    indirect: Vec<MatchMode>,
    used: UsedProperties,
    properties: BTreeSet<ImmutableString>,
    reasons: Reasons,
    can_allow: bool,
    passes: bool,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn visit(&mut self, expr: &Expr) -> Result<(), Fault> {
        match expr {
            Expr::FnCall(call, at) => self.call(call, call.args.len(), *at),
            Expr::MethodCall(call, at) => self.call(call, call.args.len() + 1, *at),
            Expr::Dot(pair, ..) => self.property(&pair.lhs, &pair.rhs),
            Expr::Property(property, _) => {
                self.properties.insert(property.2.clone());
                Ok(())
            }
            Expr::StringConstant(text, _) => {
                self.texts.push(text.clone());
                Ok(())
            }
            Expr::DynamicConstant(value, _) => {
                collect(value, &mut self.texts);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn call(&mut self, call: &FnCallExpr, arguments: usize, at: Position) -> Result<(), Fault> {
        let name = call.name.as_str();
        if call.op_token.is_some() || IMPLIED.contains(&name) {
            return Ok(());
        }
        let mut own = self
            .ast
            .iter_functions()
            .filter(|function| function.name == name)
            .peekable();
        let known = CALLABLE.iter().find(|(known, ..)| *known == name);
        let fits = known.is_some_and(|(_, least, most)| (*least..=*most).contains(&arguments))
            || own.peek().is_some()
                && own.any(|function| {
                    // The value before a dot is `this` to a function of the script's own.
                    let given = call.args.len();
                    function.params.len() == given || function.params.len() == arguments
                });
        if !fits {
            let is_own = self
                .ast
                .iter_functions()
                .any(|function| function.name == name);
            return Err(match is_own || known.is_some() {
                true => Fault::new(
                    at,
                    format!("`{name}` does not take {} arguments", call.args.len()),
                    "docs/scripts.md shows each function with an example",
                ),
                false => Fault::new(
                    at,
                    format!("there is no function `{name}`"),
                    self.instead(name),
                ),
            });
        }
        self.can_allow |= matches!(name, "allow" | "allow_with" | "pass");
        self.passes |= name == "pass";
        if name == "deny" && arguments == call.args.len() {
            return self.reasons.deny(call, at, self.constants);
        }
        if known.is_none() && arguments == call.args.len() {
            self.reasons.call(self.ast, call, at, self.constants);
        }
        let (Some(how), Some(pattern)) = (MatchMode::of(name), call.args.last()) else {
            return Ok(());
        };
        match pattern {
            Expr::StringConstant(text, at) => self
                .patterns
                .add(how, text)
                .map_err(|error| Fault::new(*at, error.message, error.help)),
            _ => {
                self.indirect.push(how);
                Ok(())
            }
        }
    }

    /// Help for an unknown function.
    fn instead(&self, name: &str) -> String {
        if PROPERTIES.contains(&name) {
            return format!("write req.{name}, without ()");
        }
        let own = self.ast.iter_functions().map(|function| function.name);
        let nearest = CALLABLE
            .iter()
            .map(|(known, ..)| *known)
            .chain(own)
            .map(|known| (distance(known, name), known))
            .filter(|(distance, _)| *distance <= 2 && name.len() > 3)
            .min();
        match nearest {
            Some((_, nearest)) => format!("did you mean `{nearest}`?"),
            None => "docs/scripts.md lists the functions; define your own with `fn`".to_owned(),
        }
    }

    fn property(&self, of: &Expr, chain: &Expr) -> Result<(), Fault> {
        let Expr::Variable(variable, ..) = of else {
            return Ok(());
        };
        let first = match chain {
            Expr::Dot(pair, ..) | Expr::Index(pair, ..) => &pair.lhs,
            other => other,
        };
        match first {
            Expr::Property(property, at)
                if variable.1 == self.request && !PROPERTIES.contains(&property.2.as_str()) =>
            {
                Err(Fault::new(
                    *at,
                    format!("a request has no `{}`", property.2),
                    match property.2.as_str() {
                        "json" => "write req.json(): it is a function".to_owned(),
                        _ => format!("it has {}, and json()", PROPERTIES.join(", ")),
                    },
                ))
            }
            _ => Ok(()),
        }
    }

    /// If a pattern is not a literal, any text of the policy may be one.
    fn finish(mut self) -> Patterns {
        self.indirect.dedup();
        for how in self.indirect {
            for text in self.texts.iter().take(MAX_CANDIDATES) {
                // Most texts are no patterns, and are never used as such.
                let _ = self.patterns.add(how, text);
            }
        }
        self.patterns
    }
}

fn collect(value: &Dynamic, texts: &mut Vec<ImmutableString>) {
    if let Ok(text) = value.as_immutable_string_ref() {
        texts.push(text.clone());
    } else if let Ok(list) = value.as_array_ref() {
        list.iter().for_each(|item| collect(item, texts));
    } else if let Ok(map) = value.as_map_ref() {
        map.values().for_each(|item| collect(item, texts));
    }
}
