//! Bodies about volumes, cluster volumes included.

use super::types::{LIST, MAP, Schema, schema};

static SEGMENTS: Schema = Schema::List(&schema! { Segments: &MAP });
/// A new volume.
pub static VOLUME: Schema = schema! {
    Name, Driver, DriverOpts: &MAP, Labels: &MAP,
    ClusterVolumeSpec: &CLUSTER_VOLUME,
};
static CLUSTER_VOLUME: Schema = schema! {
    Group,
    AccessMode: &schema! {
        Scope, Sharing, MountVolume: &schema! { FsType, MountFlags: &LIST },
        BlockVolume: &schema! {}
    },
    Secrets: &Schema::List(&schema! { Key, Secret }),
    AccessibilityRequirements: &schema! { Requisite: &SEGMENTS, Preferred: &SEGMENTS },
    CapacityRange: &schema! { RequiredBytes, LimitBytes }, Availability,
};
/// A change to a volume of a cluster.
pub static VOLUME_UPDATE: Schema = schema! { Spec: &CLUSTER_VOLUME };
