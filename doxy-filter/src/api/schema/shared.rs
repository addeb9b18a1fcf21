//! Structures that containers and services have in common.

use super::types::{LIST, MAP, Schema, schema};

pub(super) static HEALTH: Schema =
    schema! { Test: &LIST, Interval, Timeout, StartPeriod, StartInterval, Retries, NoWait };

pub(super) static ULIMITS: Schema = Schema::List(&schema! { Name, Hard, Soft });
pub(super) static DRIVER: Schema = schema! { Name, Options: &MAP };
pub(super) static MOUNTS: Schema = Schema::List(&schema! {
    Type, Source, Target, ReadOnly, Consistency,
    BindOptions: &schema! {
        Propagation, NonRecursive, CreateMountpoint, ReadOnlyNonRecursive, ReadOnlyForceRecursive
    },
    VolumeOptions: &schema! { NoCopy, Labels: &MAP, Subpath, DriverConfig: &DRIVER },
    ImageOptions: &schema! { Subpath },
    TmpfsOptions: &schema! { SizeBytes, Mode, Options: &LIST },
    ClusterOptions: &schema! {},
});
