//! Bodies about services of a swarm.

use super::shared::{DRIVER, HEALTH, MOUNTS, ULIMITS};
use super::types::{LIST, MAP, Schema, schema};

static FILE: Schema = schema! { Name, UID, GID, Mode };
static GENERIC: Schema = Schema::List(&schema! {
    NamedResourceSpec: &schema! { Kind, Value }, DiscreteResourceSpec: &schema! { Kind, Value }
});
static AMOUNT: Schema = schema! { NanoCPUs, MemoryBytes, Pids, GenericResources: &GENERIC };
static NETWORKS: Schema = Schema::List(&schema! { Target, Aliases: &LIST, DriverOpts: &MAP });
static ROLLOUT: Schema =
    schema! { Parallelism, Delay, FailureAction, Monitor, MaxFailureRatio, Order };
static CONTAINER: Schema = schema! {
    Image, Labels: &MAP, Command: &LIST, Args: &LIST, Hostname, Env: &LIST, Dir, User,
    Groups: &LIST,
    Privileges: &schema! {
        CredentialSpec: &schema! { Config, File, Registry },
        SELinuxContext: &schema! { Disable, User, Role, Type, Level },
        Seccomp: &schema! { Mode, Profile }, AppArmor: &schema! { Mode }, NoNewPrivileges,
    },
    Init, StopSignal, TTY, OpenStdin, ReadOnly, Mounts: &MOUNTS, StopGracePeriod,
    Healthcheck: &HEALTH, Hosts: &LIST,
    DNSConfig: &schema! { Nameservers: &LIST, Search: &LIST, Options: &LIST },
    Secrets: &Schema::List(&schema! { File: &FILE, SecretID, SecretName }),
    Configs: &Schema::List(&schema! { File: &FILE, Runtime: &schema! {}, ConfigID, ConfigName }),
    Isolation, Sysctls: &MAP, CapabilityAdd: &LIST, CapabilityDrop: &LIST, Ulimits: &ULIMITS,
    OomScoreAdj,
};
/// What a task runs.
pub(super) static TASK: Schema = schema! {
    ContainerSpec: &CONTAINER,
    PluginSpec: &schema! {
        name, remote, privileges: &Schema::List(&schema! { name, description, value: &LIST }),
        disabled, env: &LIST,
    },
    NetworkAttachmentSpec: &schema! { ContainerID },
    Resources: &schema! { Limits: &AMOUNT, Reservations: &AMOUNT, SwapBytes, MemorySwappiness },
    RestartPolicy: &schema! { Condition, Delay, MaxAttempts, Window },
    Placement: &schema! {
        Constraints: &LIST,
        Preferences: &Schema::List(&schema! { Spread: &schema! { SpreadDescriptor } }), MaxReplicas,
        Platforms: &Schema::List(&schema! { Architecture, OS }),
    },
    Networks: &NETWORKS, LogDriver: &DRIVER, ForceUpdate, Runtime,
};
/// A service, new or changed.
pub static SERVICE: Schema = schema! {
    Name, Labels: &MAP, TaskTemplate: &TASK,
    Mode: &schema! {
        Replicated: &schema! { Replicas }, Global: &schema! {},
        ReplicatedJob: &schema! { MaxConcurrent, TotalCompletions }, GlobalJob: &schema! {},
    },
    UpdateConfig: &ROLLOUT, RollbackConfig: &ROLLOUT, Networks: &NETWORKS,
    EndpointSpec: &schema! {
        Mode,
        Ports: &Schema::List(&schema! { Name, Protocol, TargetPort, PublishedPort, PublishMode }),
    },
};
