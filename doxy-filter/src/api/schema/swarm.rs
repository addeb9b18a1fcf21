//! Bodies about a swarm, its nodes, secrets and configs.

use super::shared::DRIVER;
use super::types::{Field, Fields, LIST, MAP, Schema, fields, schema};

static SWARM_FIELDS: &[Field] = fields! {
    Name, Labels: &MAP, Orchestration: &schema! { TaskHistoryRetentionLimit },
    Raft: &schema! { SnapshotInterval, KeepOldSnapshots, LogEntriesForSlowFollowers, ElectionTick,
    HeartbeatTick },
    Dispatcher: &schema! { HeartbeatPeriod },
    CAConfig: &schema! {
        NodeCertExpiry, ExternalCAs: &Schema::List(&schema! { Protocol, URL, Options: &MAP,
        CACert }), SigningCACert,
        SigningCAKey, ForceRotate,
    },
    TaskDefaults: &schema! { LogDriver: &DRIVER }, EncryptionConfig: &schema! { AutoLockManagers },
};
/// The settings of a swarm.
pub static SWARM: Schema = Schema::Struct(Fields {
    known: SWARM_FIELDS,
    misplaced: &[],
});
/// A new swarm.
pub static SWARM_INIT: Schema = schema! {
    ListenAddr, AdvertiseAddr, DataPathAddr, DataPathPort, ForceNewCluster, Spec: &SWARM,
    AutoLockManagers,
    Availability, DefaultAddrPool: &LIST, SubnetSize,
};
/// The swarm to join.
pub static SWARM_JOIN: Schema = schema! { ListenAddr, AdvertiseAddr, DataPathAddr, RemoteAddrs: &LIST, JoinToken,
Availability };
/// The key of a locked manager.
pub static SWARM_UNLOCK: Schema = schema! { UnlockKey };
/// A node of a swarm.
pub static NODE: Schema = schema! { Name, Labels: &MAP, Role, Availability };
/// A secret or a config.
pub static SECRET: Schema =
    schema! { Name, Labels: &MAP, Data, Driver: &DRIVER, Templating: &DRIVER };
