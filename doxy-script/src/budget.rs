//! Counts what one call uses up, and records why it was stopped. It does not know what the call does.
//!
//! Rhai restarts its own count of operations in each closure, so its limit does not bound a call.
//! This count is kept per thread, because Rhai's hooks do not say which call they belong to. A
//! stopped call stays stopped: a script that drops the error gets no further, and its return value
//! is ignored.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use doxy_filter::api::ObjectKind;
use rhai::{Dynamic, EvalAltResult, Position};

use crate::limits::Limits;

/// How often the clock is read, in steps.
const CLOCK_EVERY: u32 = 64;
/// How many lines one call may print, and how long they may be.
const MAX_PRINTS: usize = 8;
const MAX_PRINT: usize = 1024;

/// Why a call was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// `deny` was called.
    Denied {
        reason: String,
        /// The reason without what it has of a request; `None` if the policy's text has it.
        template: Option<&'static str>,
        status: u16,
    },
    /// The script needs the body, which was not read.
    NeedsBody,
    /// The script looks up an object, and the engine was not asked for it yet.
    NeedsLookup,
    /// The script reads the peer's container, and nobody has asked for it yet.
    NeedsContainer,
    /// The request cannot be judged. The reason goes to the client.
    Rejected(String),
    /// Too many steps.
    Steps,
    /// Too much time.
    Time,
}

/// What the calls for one request have used up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    steps: u32,
    time: Duration,
}

/// The longest reason that a client gets, in characters.
const MAX_REASON: usize = 500;

impl Stop {
    /// A denial, with a reason that can have anything in it.
    pub(crate) fn denied(reason: &str, status: u16) -> Self {
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        Self::Denied {
            reason: reason.chars().take(MAX_REASON).map(printable).collect(),
            template: None,
            status,
        }
    }

    /// A denial in the engine's words for an object that does not exist. Logs get no name.
    pub(crate) fn no_such(kind: ObjectKind, name: &str) -> Self {
        Self::denied(&kind.absent(name), 404).with_template("no such object")
    }

    /// Names the reason for logs, if it is not in the policy's text.
    pub(crate) fn with_template(self, text: &'static str) -> Self {
        match self {
            Self::Denied { reason, status, .. } => Self::Denied {
                reason,
                template: Some(text),
                status,
            },
            other => other,
        }
    }
}

#[derive(Debug, Default)]
struct Call {
    limits: Limits,
    /// What earlier calls for the same request have used up.
    spent: Spent,
    /// Steps that are left beyond those of [`STEPS_TO_CHECK`].
    reserve: u32,
    /// When the clock was read first.
    began: Option<Instant>,
    stop: Option<Stop>,
    /// Steps that were left when the call was stopped.
    left: u32,
    at: Position,
    printed: Vec<String>,
}

thread_local! {
    static CALL: RefCell<Call> = RefCell::default();
    /// Steps until the clock and the reserve are checked again. Separate, because each step changes it.
    static STEPS_TO_CHECK: Cell<u32> = const { Cell::new(0) };
}

/// Begins a call, with what earlier ones for the same request have used up.
pub(crate) fn begin(limits: Limits, spent: Spent) {
    CALL.with_borrow_mut(|call| {
        call.limits = limits;
        call.spent = spent;
        call.reserve = limits.steps.saturating_sub(spent.steps);
        call.began = None;
        call.stop = None;
        call.at = Position::NONE;
        call.printed.clear();
        STEPS_TO_CHECK.set(call.advance());
    });
}

/// Ends a call. Returns why and where it was stopped, and what it printed.
pub(crate) fn end() -> (Option<(Stop, Position)>, Vec<String>) {
    CALL.with_borrow_mut(|call| {
        let stop = call.stop.take().map(|stop| (stop, call.at));
        (stop, std::mem::take(&mut call.printed))
    })
}

/// What the call that ended last and the earlier ones for its request have used up.
pub(crate) fn spent() -> Spent {
    CALL.with_borrow(|call| Spent {
        steps: call.limits.steps.saturating_sub(call.left),
        time: call.spent.time + call.began.map_or(Duration::ZERO, |began| began.elapsed()),
    })
}

/// How many steps the call that was stopped last and the earlier ones for its request took.
pub(crate) fn steps() -> u32 {
    CALL.with_borrow(|call| call.limits.steps.saturating_sub(call.left))
}

/// Counts a step. Returns whether the call may continue.
pub(crate) fn step() -> bool {
    match STEPS_TO_CHECK.get().checked_sub(1) {
        Some(left) => {
            STEPS_TO_CHECK.set(left);
            true
        }
        None => check(),
    }
}

/// Separate, so that a step that needs no check costs next to nothing.
#[cold]
fn check() -> bool {
    CALL.with_borrow_mut(Call::check)
}

/// Counts work that takes as long as this many steps. The next step checks the clock.
pub(crate) fn work(steps: u32) {
    if steps > 0 {
        CALL.with_borrow_mut(|call| call.reserve = call.reserve.saturating_sub(steps));
        STEPS_TO_CHECK.set(0);
    }
}

impl Call {
    /// Takes the steps until the next check from the reserve.
    fn advance(&mut self) -> u32 {
        let steps = self.reserve.min(CLOCK_EVERY);
        self.reserve -= steps;
        steps
    }

    fn check(&mut self) -> bool {
        if self.stop.is_some() {
            return false;
        }
        // Most calls end before they read the clock.
        let began = *self.began.get_or_insert_with(Instant::now);
        if began.elapsed() + self.spent.time > self.limits.time {
            self.stop = Some(Stop::Time);
        } else if self.reserve == 0 {
            self.stop = Some(Stop::Steps);
        }
        STEPS_TO_CHECK.set(self.advance());
        self.stop.is_none()
    }
}

/// Stops the call, unless it was stopped before. A script cannot catch the error.
pub(crate) fn stop(stop: Stop, at: Position) -> Box<EvalAltResult> {
    let is_denial = matches!(stop, Stop::Denied { .. });
    CALL.with_borrow_mut(|call| {
        if call.stop.is_none() {
            call.stop = Some(stop);
            call.left = call.reserve.saturating_add(STEPS_TO_CHECK.get());
            call.at = at;
        }
        // The next step ends the call.
        call.reserve = 0;
    });
    STEPS_TO_CHECK.set(0);
    match is_denial {
        // Rhai notes the calls on its way in this error, and not in the other.
        true => EvalAltResult::ErrorRuntime(Dynamic::UNIT, at).into(),
        false => EvalAltResult::ErrorTerminated(Dynamic::UNIT, at).into(),
    }
}

/// Keeps a printed line until the call ends. Lines above the limit are dropped.
pub(crate) fn print(text: &str) {
    CALL.with_borrow_mut(|call| {
        if call.printed.len() < MAX_PRINTS {
            let line: String = text.chars().take(MAX_PRINT).collect();
            call.printed.push(line);
        }
    });
}
