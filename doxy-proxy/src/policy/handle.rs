//! The policy in force, and how another one takes its place while requests are judged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::policy::decide::Policy;

/// The policy in force. A clone is the same; a request keeps the policy that it began with.
#[derive(Debug, Clone)]
pub struct PolicyHandle {
    own: Slot,
    /// The slots of all threads.
    all: Arc<Mutex<Vec<Slot>>>,
}

/// Where one thread finds the policy. The outer `Arc` keeps the reference count that each request
/// changes thread-local, so that threads do not contend for it.
type Slot = Arc<RwLock<Arc<Arc<Policy>>>>;

impl PolicyHandle {
    /// Puts a policy in force. Sockets with equal policies may share one.
    pub fn new(policy: impl Into<Arc<Policy>>) -> Self {
        let own = Slot::new(RwLock::new(Arc::new(policy.into())));
        Self {
            all: Arc::new(Mutex::new(vec![Arc::clone(&own)])),
            own,
        }
    }

    /// Puts another policy in force, for all requests that begin from now on.
    pub fn replace(&self, policy: impl Into<Arc<Policy>>) {
        let policy = policy.into();
        for slot in self.slots().iter() {
            let own = Arc::new(Arc::clone(&policy));
            *slot.write().unwrap_or_else(PoisonError::into_inner) = own;
        }
    }

    /// The same policy, and whatever replaces it, for another thread.
    pub(crate) fn for_another_thread(&self) -> Self {
        let mut slots = self.slots();
        let policy = Arc::clone(&*self.load());
        let own = Slot::new(RwLock::new(Arc::new(policy)));
        slots.push(Arc::clone(&own));
        Self {
            own,
            all: Arc::clone(&self.all),
        }
    }

    /// The policy in force, for another handle.
    pub(crate) fn shared(&self) -> Arc<Policy> {
        Arc::clone(&self.load())
    }

    /// The policy for one request.
    #[expect(clippy::redundant_allocation, reason = "as in `Slot`")]
    pub(crate) fn load(&self) -> Arc<Arc<Policy>> {
        Arc::clone(&self.own.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
