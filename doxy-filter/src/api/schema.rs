//! Schemas of JSON bodies, and of descriptions of objects: which keys are fields, which are free, and what type each value has.
//!
//! From moby's `api/types`, of all versions: a field that one engine version knows is a field.
//! Fields are listed in the order in which clients send them. Strings, numbers and booleans are not
//! distinguished.
//!
//! This module must never parse a body.

mod answer;
mod container;
mod network;
mod service;
mod shared;
mod swarm;
mod system;
mod types;
mod volume;

pub use self::answer::{
    CONTAINER_ANSWER, ENGINE_ANSWER, EXEC_ANSWER, IMAGE_ANSWER, NETWORK_ANSWER, NODE_ANSWER,
    PEER_CONTAINER, SERVICE_ANSWER, TASK_ANSWER, VOLUME_ANSWER,
};
pub use self::container::{CHECKPOINT, COPY, CREATE, EXEC, EXEC_START, UPDATE};
pub use self::network::{CONNECT, NETWORK};
pub use self::service::SERVICE;
pub use self::swarm::{NODE, SECRET, SWARM, SWARM_INIT, SWARM_JOIN, SWARM_UNLOCK};
pub use self::system::{AUTH, PLUGIN_PRIVILEGES, PLUGIN_SETTINGS};
pub use self::types::{ANY, Field, Fields, OPAQUE, Schema};
pub use self::volume::{VOLUME, VOLUME_UPDATE};
