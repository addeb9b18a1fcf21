//! Finds verdicts whose value is not used, and closures that would contain themselves.
//!
//! `allow()` and `pass()` are values. If the value is not used, the policy continues although its
//! author meant it to end. That is an error.
//!
//! A closure shares the variables that it captures. If such a variable is then set to a value that
//! contains the closure, the two form a reference cycle and leak. So a captured variable may only
//! be set to values that cannot contain a closure.

use std::collections::HashMap;
use std::ptr;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use crate::compile::tree::outermost_statements;
use crate::error::Fault;

/// The functions of a policy and their statements.
pub(super) struct Flow {
    /// For each outermost statement: its function, and whether it is the last one there.
    outermost: HashMap<*const Stmt, (String, bool)>,
    own: Vec<String>,
    /// The variables that each closure captures.
    taken: HashMap<String, Vec<String>>,
    shares: Vec<VariableUse>,
    changes: Vec<VariableUse>,
}

/// A variable that a closure captures, or that is changed.
struct VariableUse {
    function: String,
    variable: String,
    at: Position,
    /// The loops around it.
    loops: Vec<*const Stmt>,
}

impl Flow {
    pub(super) fn new(ast: &AST) -> Self {
        let mut outermost = HashMap::new();
        let mut own = Vec::new();
        for function in ast.iter_functions() {
            own.push(function.name.to_owned());
            let mut statements = Vec::new();
            outermost_statements(ast, function.name, function.params.len(), |statement| {
                statements.push(ptr::from_ref(statement));
            });
            let last = statements.last().copied();
            for statement in statements {
                let place = (function.name.to_owned(), Some(statement) == last);
                outermost.insert(statement, place);
            }
        }
        Self {
            outermost,
            own,
            taken: HashMap::new(),
            shares: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Looks at a node, the last of a path from its function down to it.
    pub(super) fn visit(&mut self, path: &[ASTNode<'_>]) -> Result<(), Fault> {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::FnCall(call, at)) | ASTNode::Expr(Expr::FnCall(call, at))) => {
                self.verdict(call, *at, path)?;
                if call.name == "curry" {
                    self.take(call);
                }
                if let (true, Some((Expr::Variable(variable, ..), rest))) =
                    (self.changes(&call.name), call.args.split_first())
                {
                    self.change(&variable.1, *at, rest.iter().any(may_hold), path);
                }
            }
            Some(ASTNode::Stmt(Stmt::Share(taken))) => {
                for (variable, _) in taken.iter() {
                    let touch = self.touch(&variable.name, variable.pos, path);
                    self.shares.push(touch);
                }
            }
            Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                let (_, pair) = &**assignment;
                if let Some((variable, at)) = root(&pair.lhs) {
                    self.change(variable, at, may_hold(&pair.rhs), path);
                }
            }
            Some(ASTNode::Expr(Expr::Dot(pair, ..))) => {
                if let Some((call, at)) = changed_verdict(&pair.rhs) {
                    self.verdict(call, at, path)?;
                }
                let method = match &pair.rhs {
                    Expr::Dot(next, ..) | Expr::Index(next, ..) => &next.lhs,
                    last => last,
                };
                if let (Some((variable, _)), Expr::MethodCall(call, at)) = (root(&pair.lhs), method)
                    && self.changes(&call.name)
                {
                    self.change(variable, *at, call.args.iter().any(may_hold), path);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks what needs the whole tree.
    pub(super) fn finish(self) -> Result<(), Fault> {
        for change in &self.changes {
            let variable = &change.variable;
            let own = self.taken.get(&change.function);
            let inside = own.is_some_and(|taken| taken.contains(variable));
            let after = self.shares.iter().any(|share| {
                share.variable == *variable
                    && share.function == change.function
                    && (share.at < change.at
                        || share.loops.iter().any(|one| change.loops.contains(one)))
            });
            if inside || after {
                return Err(Fault::new(
                    change.at,
                    format!("`{variable}` is changed after a closure has captured it"),
                    format!("give the closure a variable of its own: `let seen = {variable};`"),
                ));
            }
        }
        Ok(())
    }

    /// Whether a method can change its object: `push`, or a function of the policy, through `this`.
    fn changes(&self, method: &str) -> bool {
        method == "push" || self.own.iter().any(|own| own == method)
    }

    fn change(&mut self, variable: &str, at: Position, holds: bool, path: &[ASTNode<'_>]) {
        if holds {
            let touch = self.touch(variable, at, path);
            self.changes.push(touch);
        }
    }

    fn touch(&self, variable: &str, at: Position, path: &[ASTNode<'_>]) -> VariableUse {
        let statements = path.iter().filter_map(|node| match node {
            ASTNode::Stmt(statement) => Some(*statement),
            _ => None,
        });
        let function = statements
            .clone()
            .next()
            .and_then(|outermost| self.outermost.get(&ptr::from_ref(outermost)));
        let loops = statements
            .filter(|one| matches!(one, Stmt::While(..) | Stmt::For(..) | Stmt::Do(..)))
            .map(ptr::from_ref);
        VariableUse {
            function: function.map(|(name, _)| name.clone()).unwrap_or_default(),
            variable: variable.to_owned(),
            at,
            loops: loops.collect(),
        }
    }

    /// Records what a closure captures. Rhai writes it as a call whose first argument is the closure.
    fn take(&mut self, call: &FnCallExpr) {
        let mut arguments = call.args.iter();
        let closure = match arguments.next() {
            Some(Expr::DynamicConstant(value, _)) => value.read_lock::<rhai::FnPtr>(),
            _ => None,
        };
        if let Some(closure) = closure {
            let variables = arguments.filter_map(|argument| match argument {
                Expr::Variable(variable, ..) => Some(variable.1.to_string()),
                _ => None,
            });
            self.taken
                .insert(closure.fn_name().to_owned(), variables.collect());
        }
    }

    /// Reports a verdict whose value is not used.
    fn verdict(&self, call: &FnCallExpr, at: Position, path: &[ASTNode<'_>]) -> Result<(), Fault> {
        let name = call.name.as_str();
        if !VERDICTS.contains(&name) || self.is_used(path) {
            return Ok(());
        }
        Err(Fault::new(
            at,
            format!("this {name}() has no effect: its value is not used"),
            match call.args.is_empty() && name != "allow_with" {
                true => format!("write `return {name}();`"),
                false => format!("write `return` in front of what ends in `{name}(…)`"),
            },
        ))
    }

    fn is_used(&self, path: &[ASTNode<'_>]) -> bool {
        let is = |one: Option<&Stmt>, other: &Stmt| one.is_some_and(|one| ptr::eq(one, other));
        let mut nodes = path.iter().rev();
        let Some(mut child) = nodes.next() else {
            return true;
        };
        for parent in nodes {
            let passed_on = match (parent, child) {
                // The statement is the expression.
                (ASTNode::Stmt(Stmt::Expr(_) | Stmt::Switch(..)), ASTNode::Expr(_)) => true,
                (ASTNode::Stmt(Stmt::If(flow, _)), ASTNode::Stmt(child)) => {
                    is(flow.body.statements().last(), child)
                        || is(flow.branch.statements().last(), child)
                }
                (ASTNode::Stmt(Stmt::Block(block)), ASTNode::Stmt(child)) => {
                    is(block.statements().last(), child)
                }
                (ASTNode::Expr(Expr::Stmt(block)), ASTNode::Stmt(child)) => {
                    is(block.statements().last(), child)
                }
                (
                    ASTNode::Stmt(Stmt::While(..) | Stmt::For(..) | Stmt::Do(..)),
                    ASTNode::Stmt(_),
                ) => false,
                _ => return true,
            };
            if !passed_on {
                return false;
            }
            child = parent;
        }
        match child {
            ASTNode::Stmt(outermost) => self
                .outermost
                .get(&ptr::from_ref(*outermost))
                .is_none_or(|(_, last)| *last),
            _ => true,
        }
    }
}

/// The functions that return a verdict.
const VERDICTS: [&str; 5] = ["allow", "allow_with", "with_query", "with_header", "pass"];

/// A method in a chain that changes a verdict.
fn changed_verdict(chain: &Expr) -> Option<(&FnCallExpr, Position)> {
    match chain {
        Expr::MethodCall(call, at) if VERDICTS.contains(&call.name.as_str()) => Some((call, *at)),
        Expr::Dot(pair, ..) => changed_verdict(&pair.lhs).or_else(|| changed_verdict(&pair.rhs)),
        _ => None,
    }
}

/// The variable that an expression begins with.
fn root(expr: &Expr) -> Option<(&str, Position)> {
    match expr {
        Expr::Variable(variable, _, at) => Some((&variable.1, *at)),
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => root(&pair.lhs),
        _ => None,
    }
}

/// Whether the value of an expression may contain a closure.
fn may_hold(expr: &Expr) -> bool {
    match expr {
        Expr::BoolConstant(..)
        | Expr::IntegerConstant(..)
        | Expr::FloatConstant(..)
        | Expr::CharConstant(..)
        | Expr::StringConstant(..)
        | Expr::InterpolatedString(..)
        | Expr::Unit(_)
        | Expr::And(..)
        | Expr::Or(..) => false,
        Expr::Array(items, _) => items.iter().any(may_hold),
        Expr::Map(map, _) => map.0.iter().any(|(_, value)| may_hold(value)),
        // Of the operators, `+` alone gives back what it was given.
        Expr::FnCall(call, _) if call.op_token.is_some() => {
            call.name == "+" && call.args.iter().any(may_hold)
        }
        _ => true,
    }
}
