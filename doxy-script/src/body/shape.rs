//! The engine's structures: which keys are fields, which are free, and what may stand where.
//!
//! From moby's `api/types`, all versions together: a field that one engine knows is a field. Fields in the order
//! in which clients send them. A field whose value is a plain word, number or truth is not looked into.

/// What the engine expects somewhere in a body.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Anything, or something unknown here. Keys are taken for fields.
    Any,
    /// A struct of Go's. Other keys are ignored by the engine and kept for the policy.
    Struct(Fields),
    /// A map: its keys are its author's own, and exact.
    Map(&'static Shape),
    /// Anything, in which keys are their author's own as deep as it goes.
    Free,
    /// A list.
    List(&'static Shape),
    /// A list of words, for which one word may stand.
    Words,
}

/// The fields of a struct.
#[derive(Debug)]
pub(crate) struct Fields {
    pub(super) known: &'static [Field],
    /// Fields that old engines obey here although they belong to `HostConfig`.
    pub(super) elsewhere: &'static [Field],
}

/// A field and what it holds.
#[derive(Debug)]
pub(crate) struct Field(pub(super) &'static str, pub(super) &'static Shape);

/// `fields! { A, B: &SHAPE }`: a list of fields, plain ones by name alone.
macro_rules! fields {
    (@shape) => { &Shape::Any };
    (@shape $shape:expr) => { $shape };
    ($($name:ident $(: $shape:expr)?),* $(,)?) => {
        &[$(Field(stringify!($name), fields!(@shape $($shape)?))),*]
    };
}

/// The same as a struct.
macro_rules! shape {
    ($($fields:tt)*) => { Shape::Struct(Fields { known: fields!($($fields)*), elsewhere: &[] }) };
}

static ANY: Shape = Shape::Any;
/// A list of plain values, and of lists of them.
static LIST: Shape = Shape::List(&ANY);
/// A map of plain values.
static MAP: Shape = Shape::Map(&ANY);
static WORDS: Shape = Shape::Words;

static HEALTH: Shape =
    shape! { Test: &LIST, Interval, Timeout, StartPeriod, StartInterval, Retries, NoWait };

macro_rules! config {
    ($($more:tt)*) => {
        fields! {
            Hostname, Domainname, User, AttachStdin, AttachStdout, AttachStderr, ExposedPorts: &MAP, PortSpecs: &LIST,
            Tty, OpenStdin, StdinOnce, Env: &LIST, Cmd: &WORDS, Healthcheck: &HEALTH, ArgsEscaped, Image,
            Volumes: &MAP, WorkingDir, Entrypoint: &WORDS, NetworkDisabled, MacAddress, OnBuild: &LIST,
            Labels: &MAP, StopSignal, StopTimeout, Shell: &WORDS, $($more)*
        }
    };
}

static WEIGHTS: Shape = Shape::List(&shape! { Path, Weight });
static RATES: Shape = Shape::List(&shape! { Path, Rate });
static ULIMITS: Shape = Shape::List(&shape! { Name, Hard, Soft });
static RESTART: Shape = shape! { Name, MaximumRetryCount };
static DEVICES: Shape = Shape::List(&shape! { PathOnHost, PathInContainer, CgroupPermissions });
static REQUESTS: Shape =
    Shape::List(&shape! { Driver, Count, DeviceIDs: &LIST, Capabilities: &LIST, Options: &MAP });
static DRIVER: Shape = shape! { Name, Options: &MAP };
static MOUNTS: Shape = Shape::List(&shape! {
    Type, Source, Target, ReadOnly, Consistency,
    BindOptions: &shape! {
        Propagation, NonRecursive, CreateMountpoint, ReadOnlyNonRecursive, ReadOnlyForceRecursive
    },
    VolumeOptions: &shape! { NoCopy, Labels: &MAP, Subpath, DriverConfig: &DRIVER },
    ImageOptions: &shape! { Subpath },
    TmpfsOptions: &shape! { SizeBytes, Mode, Options: &LIST },
    ClusterOptions: &shape! {},
});
static PORTS: Shape = Shape::Map(&Shape::List(&shape! { HostIp, HostPort }));

macro_rules! resources {
    ($($more:tt)*) => {
        fields! {
            $($more)*
            CpuShares, Memory, NanoCpus, CgroupParent, BlkioWeight, BlkioWeightDevice: &WEIGHTS,
            BlkioDeviceReadBps: &RATES, BlkioDeviceWriteBps: &RATES, BlkioDeviceReadIOps: &RATES,
            BlkioDeviceWriteIOps: &RATES, CpuPeriod, CpuQuota, CpuRealtimePeriod, CpuRealtimeRuntime, CpusetCpus,
            CpusetMems, Cpuset, Devices: &DEVICES, DeviceCgroupRules: &LIST, DeviceRequests: &REQUESTS, DiskQuota,
            KernelMemory, KernelMemoryTCP, MemoryReservation, MemorySwap, MemorySwappiness, OomKillDisable,
            PidsLimit, Ulimits: &ULIMITS, CpuCount, CpuPercent, IOMaximumIOps, IOMaximumBandwidth,
        }
    };
}

static HOST_FIELDS: &[Field] = resources! {
    Binds: &LIST, ContainerIDFile, LogConfig: &shape! { Type, Config: &MAP }, NetworkMode, PortBindings: &PORTS,
    RestartPolicy: &RESTART, AutoRemove, VolumeDriver, VolumesFrom: &LIST, ConsoleSize: &LIST, Annotations: &MAP,
    CapAdd: &WORDS, CapDrop: &WORDS, Capabilities: &LIST, CgroupnsMode, Dns: &LIST, DnsOptions: &LIST,
    DnsSearch: &LIST, ExtraHosts: &LIST, GroupAdd: &LIST, IpcMode, Cgroup, Links: &LIST, OomScoreAdj, PidMode,
    Privileged, PublishAllPorts, ReadonlyRootfs, SecurityOpt: &LIST, StorageOpt: &MAP, Tmpfs: &MAP, UTSMode,
    UsernsMode, ShmSize, Sysctls: &MAP, Runtime, Isolation, Mounts: &MOUNTS, MaskedPaths: &LIST,
    ReadonlyPaths: &LIST, Init, InitPath, LxcConf: &ANY,
};
/// What a container may do to its host.
pub(super) static HOST: Shape = Shape::Struct(Fields {
    known: HOST_FIELDS,
    elsewhere: &[],
});

static ENDPOINT: Shape = shape! {
    IPAMConfig: &shape! { IPv4Address, IPv6Address, LinkLocalIPs: &LIST }, Links: &LIST, Aliases: &LIST, MacAddress,
    DriverOpts: &MAP, GwPriority, NetworkID, EndpointID, Gateway, IPAddress, IPPrefixLen, IPv6Gateway,
    GlobalIPv6Address, GlobalIPv6PrefixLen, DNSNames: &LIST,
};

/// `/containers/create`, and `/commit`, which reads the same.
pub(super) static CREATE: Shape = Shape::Struct(Fields {
    known: config! {
        HostConfig: &HOST, NetworkingConfig: &shape! { EndpointsConfig: &Shape::Map(&ENDPOINT) }, Name, Platform
    },
    elsewhere: HOST_FIELDS,
});
pub(super) static UPDATE: Shape = Shape::Struct(Fields {
    known: resources! { RestartPolicy: &RESTART, },
    elsewhere: &[],
});
pub(super) static EXEC: Shape = shape! {
    User, Privileged, Tty, ConsoleSize: &LIST, AttachStdin, AttachStderr, AttachStdout, Detach, DetachKeys,
    Env: &LIST, WorkingDir, Cmd: &WORDS, Container,
};
pub(super) static EXEC_START: Shape = shape! { Detach, Tty, ConsoleSize: &LIST };
pub(super) static COPY: Shape = shape! { Resource };

static SEGMENTS: Shape = Shape::List(&shape! { Segments: &MAP });
pub(super) static VOLUME: Shape = shape! {
    Name, Driver, DriverOpts: &MAP, Labels: &MAP,
    ClusterVolumeSpec: &CLUSTER_VOLUME,
};
static CLUSTER_VOLUME: Shape = shape! {
    Group,
    AccessMode: &shape! {
        Scope, Sharing, MountVolume: &shape! { FsType, MountFlags: &LIST }, BlockVolume: &shape! {}
    },
    Secrets: &Shape::List(&shape! { Key, Secret }),
    AccessibilityRequirements: &shape! { Requisite: &SEGMENTS, Preferred: &SEGMENTS },
    CapacityRange: &shape! { RequiredBytes, LimitBytes }, Availability,
};
pub(super) static VOLUME_UPDATE: Shape = shape! { Spec: &CLUSTER_VOLUME };

pub(super) static NETWORK: Shape = shape! {
    Name, CheckDuplicate, Driver, Scope, EnableIPv4, EnableIPv6,
    IPAM: &shape! {
        Driver, Options: &MAP,
        Config: &Shape::List(&shape! { Subnet, IPRange, Gateway, AuxiliaryAddresses: &MAP, AuxAddress: &MAP }),
    },
    Internal, Attachable, Ingress, ConfigOnly, ConfigFrom: &shape! { Network }, Options: &MAP, Labels: &MAP,
};
pub(super) static CONNECT: Shape = shape! { Container, EndpointConfig: &ENDPOINT, Force };

static FILE: Shape = shape! { Name, UID, GID, Mode };
static GENERIC: Shape = Shape::List(&shape! {
    NamedResourceSpec: &shape! { Kind, Value }, DiscreteResourceSpec: &shape! { Kind, Value }
});
static AMOUNT: Shape = shape! { NanoCPUs, MemoryBytes, Pids, GenericResources: &GENERIC };
static NETWORKS: Shape = Shape::List(&shape! { Target, Aliases: &LIST, DriverOpts: &MAP });
static ROLLOUT: Shape =
    shape! { Parallelism, Delay, FailureAction, Monitor, MaxFailureRatio, Order };
static CONTAINER: Shape = shape! {
    Image, Labels: &MAP, Command: &LIST, Args: &LIST, Hostname, Env: &LIST, Dir, User, Groups: &LIST,
    Privileges: &shape! {
        CredentialSpec: &shape! { Config, File, Registry },
        SELinuxContext: &shape! { Disable, User, Role, Type, Level },
        Seccomp: &shape! { Mode, Profile }, AppArmor: &shape! { Mode }, NoNewPrivileges,
    },
    Init, StopSignal, TTY, OpenStdin, ReadOnly, Mounts: &MOUNTS, StopGracePeriod, Healthcheck: &HEALTH, Hosts: &LIST,
    DNSConfig: &shape! { Nameservers: &LIST, Search: &LIST, Options: &LIST },
    Secrets: &Shape::List(&shape! { File: &FILE, SecretID, SecretName }),
    Configs: &Shape::List(&shape! { File: &FILE, Runtime: &shape! {}, ConfigID, ConfigName }),
    Isolation, Sysctls: &MAP, CapabilityAdd: &LIST, CapabilityDrop: &LIST, Ulimits: &ULIMITS, OomScoreAdj,
};
static TASK: Shape = shape! {
    ContainerSpec: &CONTAINER,
    PluginSpec: &shape! {
        name, remote, privileges: &Shape::List(&shape! { name, description, value: &LIST }), disabled, env: &LIST,
    },
    NetworkAttachmentSpec: &shape! { ContainerID },
    Resources: &shape! { Limits: &AMOUNT, Reservations: &AMOUNT, SwapBytes, MemorySwappiness },
    RestartPolicy: &shape! { Condition, Delay, MaxAttempts, Window },
    Placement: &shape! {
        Constraints: &LIST, Preferences: &Shape::List(&shape! { Spread: &shape! { SpreadDescriptor } }), MaxReplicas,
        Platforms: &Shape::List(&shape! { Architecture, OS }),
    },
    Networks: &NETWORKS, LogDriver: &DRIVER, ForceUpdate, Runtime,
};
pub(super) static SERVICE: Shape = shape! {
    Name, Labels: &MAP, TaskTemplate: &TASK,
    Mode: &shape! {
        Replicated: &shape! { Replicas }, Global: &shape! {},
        ReplicatedJob: &shape! { MaxConcurrent, TotalCompletions }, GlobalJob: &shape! {},
    },
    UpdateConfig: &ROLLOUT, RollbackConfig: &ROLLOUT, Networks: &NETWORKS,
    EndpointSpec: &shape! {
        Mode,
        Ports: &Shape::List(&shape! { Name, Protocol, TargetPort, PublishedPort, PublishMode }),
    },
};

static SWARM_FIELDS: &[Field] = fields! {
    Name, Labels: &MAP, Orchestration: &shape! { TaskHistoryRetentionLimit },
    Raft: &shape! { SnapshotInterval, KeepOldSnapshots, LogEntriesForSlowFollowers, ElectionTick, HeartbeatTick },
    Dispatcher: &shape! { HeartbeatPeriod },
    CAConfig: &shape! {
        NodeCertExpiry, ExternalCAs: &Shape::List(&shape! { Protocol, URL, Options: &MAP, CACert }), SigningCACert,
        SigningCAKey, ForceRotate,
    },
    TaskDefaults: &shape! { LogDriver: &DRIVER }, EncryptionConfig: &shape! { AutoLockManagers },
};
pub(super) static SWARM: Shape = Shape::Struct(Fields {
    known: SWARM_FIELDS,
    elsewhere: &[],
});
pub(super) static SWARM_INIT: Shape = shape! {
    ListenAddr, AdvertiseAddr, DataPathAddr, DataPathPort, ForceNewCluster, Spec: &SWARM, AutoLockManagers,
    Availability, DefaultAddrPool: &LIST, SubnetSize,
};
pub(super) static SWARM_JOIN: Shape =
    shape! { ListenAddr, AdvertiseAddr, DataPathAddr, RemoteAddrs: &LIST, JoinToken, Availability };
pub(super) static SWARM_UNLOCK: Shape = shape! { UnlockKey };
pub(super) static NODE: Shape = shape! { Name, Labels: &MAP, Role, Availability };
pub(super) static SECRET: Shape =
    shape! { Name, Labels: &MAP, Data, Driver: &DRIVER, Templating: &DRIVER };

pub(super) static GRANTS: Shape = Shape::List(&shape! { Name, Description, Value: &LIST });
pub(super) static SETTINGS: Shape = Shape::List(&ANY);
pub(super) static AUTH: Shape =
    shape! { username, password, auth, email, serveraddress, identitytoken, registrytoken };
/// What clients put into a query as JSON: `filters`.
pub(crate) static FREE: Shape = Shape::Free;

/// The names of all fields there are, and whether the keys behind each are their author's own.
pub(crate) fn field_names() -> Vec<(&'static str, bool)> {
    fn walk(shape: &'static Shape, names: &mut Vec<(&'static str, bool)>) {
        match shape {
            Shape::Struct(Fields { known, elsewhere }) => {
                for Field(name, shape) in known.iter().chain(*elsewhere) {
                    names.push((name, matches!(shape, Shape::Map(_) | Shape::Free)));
                    walk(shape, names);
                }
            }
            Shape::Map(inner) | Shape::List(inner) => walk(inner, names),
            Shape::Any | Shape::Free | Shape::Words => {}
        }
    }
    let mut names = Vec::new();
    for shape in super::endpoint::all_shapes() {
        walk(shape, &mut names);
    }
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a failed test is meant to panic")]

    use super::{CREATE, Fields, Shape};
    use crate::body::fold::same_field;

    /// Two fields of one struct that fold alike could not be told apart.
    #[test]
    fn fields_are_distinct_under_folding() {
        fn walk(shape: &Shape) {
            match shape {
                Shape::Struct(Fields { known, .. }) => {
                    assert!(known.len() <= 128, "the bits of `seen` do not suffice");
                    for (at, field) in known.iter().enumerate() {
                        assert!(
                            !known
                                .iter()
                                .take(at)
                                .any(|other| same_field(other.0, field.0)),
                            "{}",
                            field.0
                        );
                        walk(field.1);
                    }
                }
                Shape::Map(inner) | Shape::List(inner) => walk(inner),
                Shape::Any | Shape::Free | Shape::Words => {}
            }
        }
        for shape in super::super::endpoint::all_shapes() {
            walk(shape);
        }
        let Shape::Struct(Fields { known, elsewhere }) = &CREATE else {
            panic!("a create is a struct")
        };
        for field in *elsewhere {
            assert!(
                !known.iter().any(|other| same_field(other.0, field.0)),
                "{} is a field of both",
                field.0
            );
        }
    }
}
