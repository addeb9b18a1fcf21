//! Decides about requests, by rules and a script.
//!
//! Nothing in this folder knows sockets. `decide` alone makes permits; `dry_run` alone makes a way to the
//! engine for what is denied.

mod decide;
mod denial;
mod dry_run;
mod handle;
mod origin;
#[cfg(feature = "script")]
mod script;

#[cfg(not(feature = "script"))]
pub(crate) use crate::policy::decide::Lookups;
pub use crate::policy::decide::Policy;
#[cfg(feature = "script")]
pub(crate) use crate::policy::decide::Settled;
pub(crate) use crate::policy::decide::{Decision, Judgement, Permit};
pub(crate) use crate::policy::denial::{Denial, PATH_DENIED};
pub use crate::policy::dry_run::DryRun;
pub(crate) use crate::policy::dry_run::WouldDeny;
pub use crate::policy::handle::PolicyHandle;
pub(crate) use crate::policy::origin::Origin;
#[cfg(feature = "script")]
pub(crate) use crate::policy::script::{Lookup, Lookups, ScriptDecision, Seen, Unanswered};
