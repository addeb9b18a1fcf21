//! What the engine reads from JSON bodies: which keys are fields, which are their author's own, and
//! what may stand where.
//!
//! From moby's `api/types`, all versions together: a field that one engine knows is a field. Fields
//! stand in the order in which clients send them. What a plain string, number or boolean holds is
//! not described.
//!
//! Nothing is read here: whoever reads a body does so by one of these schemas.

mod container;
mod network;
mod service;
mod shared;
mod swarm;
mod system;
mod types;
mod volume;

pub use self::container::{CHECKPOINT, COPY, CREATE, EXEC, EXEC_START, UPDATE};
pub use self::network::{CONNECT, NETWORK};
pub use self::service::SERVICE;
pub use self::swarm::{NODE, SECRET, SWARM, SWARM_INIT, SWARM_JOIN, SWARM_UNLOCK};
pub use self::system::{AUTH, PLUGIN_PRIVILEGES, PLUGIN_SETTINGS};
pub use self::types::{ANY, Field, Fields, OPAQUE, Schema};
pub use self::volume::{VOLUME, VOLUME_UPDATE};
