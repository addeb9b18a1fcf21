//! Bodies about containers: create, commit, update, exec, copy, checkpoint.

use super::network::ENDPOINT;
use super::shared::{HEALTH, MOUNTS, ULIMITS};
use super::types::{ANY, Field, Fields, LIST, MAP, STRING_OR_LIST, Schema, fields, schema};

macro_rules! config {
    ($($more:tt)*) => {
        fields! {
            Hostname, Domainname, User, AttachStdin, AttachStdout, AttachStderr,
            ExposedPorts: &MAP, PortSpecs: &LIST,
            Tty, OpenStdin, StdinOnce, Env: &LIST, Cmd: &STRING_OR_LIST, Healthcheck: &HEALTH,
            ArgsEscaped, Image,
            Volumes: &MAP, WorkingDir, Entrypoint: &STRING_OR_LIST, NetworkDisabled, MacAddress,
            OnBuild: &LIST,
            Labels: &MAP, StopSignal, StopTimeout, Shell: &STRING_OR_LIST, $($more)*
        }
    };
}

static WEIGHTS: Schema = Schema::List(&schema! { Path, Weight });
static RATES: Schema = Schema::List(&schema! { Path, Rate });
static RESTART: Schema = schema! { Name, MaximumRetryCount };
static DEVICES: Schema = Schema::List(&schema! { PathOnHost, PathInContainer, CgroupPermissions });
static REQUESTS: Schema =
    Schema::List(&schema! { Driver, Count, DeviceIDs: &LIST, Capabilities: &LIST, Options: &MAP });
static PORTS: Schema = Schema::Map(&Schema::List(&schema! { HostIp, HostPort }));

macro_rules! resources {
    ($($more:tt)*) => {
        fields! {
            $($more)*
            CpuShares, Memory, NanoCpus, CgroupParent, BlkioWeight, BlkioWeightDevice: &WEIGHTS,
            BlkioDeviceReadBps: &RATES, BlkioDeviceWriteBps: &RATES, BlkioDeviceReadIOps: &RATES,
            BlkioDeviceWriteIOps: &RATES, CpuPeriod, CpuQuota, CpuRealtimePeriod,
            CpuRealtimeRuntime, CpusetCpus,
            CpusetMems, Cpuset, Devices: &DEVICES, DeviceCgroupRules: &LIST,
            DeviceRequests: &REQUESTS, DiskQuota,
            KernelMemory, KernelMemoryTCP, MemoryReservation, MemorySwap, MemorySwappiness,
            OomKillDisable,
            PidsLimit, Ulimits: &ULIMITS, CpuCount, CpuPercent, IOMaximumIOps, IOMaximumBandwidth,
        }
    };
}

static HOST_FIELDS: &[Field] = resources! {
    Binds: &LIST, ContainerIDFile, LogConfig: &schema! { Type, Config: &MAP }, NetworkMode,
    PortBindings: &PORTS,
    RestartPolicy: &RESTART, AutoRemove, VolumeDriver, VolumesFrom: &LIST, ConsoleSize: &LIST,
    Annotations: &MAP,
    CapAdd: &STRING_OR_LIST, CapDrop: &STRING_OR_LIST, Capabilities: &LIST, CgroupnsMode,
    Dns: &LIST, DnsOptions: &LIST,
    DnsSearch: &LIST, ExtraHosts: &LIST, GroupAdd: &LIST, IpcMode, Cgroup, Links: &LIST,
    OomScoreAdj, PidMode,
    Privileged, PublishAllPorts, ReadonlyRootfs, SecurityOpt: &LIST, StorageOpt: &MAP,
    Tmpfs: &MAP, UTSMode,
    UsernsMode, ShmSize, Sysctls: &MAP, Runtime, Isolation, Mounts: &MOUNTS, MaskedPaths: &LIST,
    ReadonlyPaths: &LIST, Init, InitPath, LxcConf: &ANY,
};
/// How a container is connected to its host.
pub(super) static HOST_CONFIG: Schema = Schema::Struct(Fields {
    known: HOST_FIELDS,
    misplaced: &[],
});

/// A new container, or the configuration of a committed image.
pub static CREATE: Schema = Schema::Struct(Fields {
    known: config! {
        HostConfig: &HOST_CONFIG,
        NetworkingConfig: &schema! { EndpointsConfig: &Schema::Map(&ENDPOINT) }, Name, Platform
    },
    misplaced: HOST_FIELDS,
});
/// New limits for a container.
pub static UPDATE: Schema = Schema::Struct(Fields {
    known: resources! { RestartPolicy: &RESTART, },
    misplaced: &[],
});
/// A command to be run in a container.
pub static EXEC: Schema = schema! {
    User, Privileged, Tty, ConsoleSize: &LIST, AttachStdin, AttachStderr, AttachStdout, Detach,
    DetachKeys,
    Env: &LIST, WorkingDir, Cmd: &STRING_OR_LIST, Container,
};
/// How a command is started.
pub static EXEC_START: Schema = schema! { Detach, Tty, ConsoleSize: &LIST };
/// The path to copy out of a container.
pub static COPY: Schema = schema! { Resource };
/// Where to keep the memory of a container.
pub static CHECKPOINT: Schema = schema! { CheckpointID, CheckpointDir, Exit };
