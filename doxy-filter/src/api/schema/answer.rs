//! How the engine describes one object. Policies that look objects up read these.

use super::container::{CREATE, HOST_CONFIG};
use super::service::{SERVICE, TASK};
use super::swarm::NODE;
use super::types::{ANY, LIST, MAP, OPAQUE, Schema, schema};

/// A container.
pub static CONTAINER_ANSWER: Schema = schema! {
    Id, Created, Path, Args: &LIST,
    State: &schema! {
        Status, Running, Paused, Restarting, OOMKilled, Dead, Pid, ExitCode, Error, StartedAt,
        FinishedAt, Health: &ANY,
    },
    Image, ResolvConfPath, HostnamePath, HostsPath, LogPath, Name, RestartCount, Driver, Platform,
    MountLabel, ProcessLabel, AppArmorProfile, ExecIDs: &LIST, HostConfig: &HOST_CONFIG,
    GraphDriver: &ANY, SizeRw, SizeRootFs,
    Mounts: &Schema::List(&schema! {
        Type, Name, Source, Destination, Driver, Mode, RW, Propagation
    }),
    Config: &CREATE, NetworkSettings: &schema! { Networks: &OPAQUE, Ports: &OPAQUE },
    ImageManifestDescriptor: &ANY,
};
/// A command in a container.
pub static EXEC_ANSWER: Schema = schema! {
    ID, Running, ExitCode, ProcessConfig: &schema! { tty, entrypoint, arguments: &LIST, privileged, user },
    OpenStdin, OpenStderr, OpenStdout, CanRemove, ContainerID, DetachKeys, Pid,
};
/// An image.
pub static IMAGE_ANSWER: Schema = schema! {
    Id, RepoTags: &LIST, RepoDigests: &LIST, Parent, Comment, Created, Author, Config: &CREATE,
    Architecture, Variant, Os, OsVersion, Size, VirtualSize, GraphDriver: &ANY, RootFS: &ANY,
    Metadata: &ANY, Descriptor: &ANY, Manifests: &ANY,
};
/// A network.
pub static NETWORK_ANSWER: Schema = schema! {
    Name, Id, Created, Scope, Driver, EnableIPv4, EnableIPv6, IPAM: &OPAQUE, Internal, Attachable,
    Ingress, ConfigFrom: &schema! { Network }, ConfigOnly, Containers: &OPAQUE, Options: &MAP,
    Labels: &MAP, Peers: &ANY, Services: &OPAQUE, Status: &ANY,
};
/// A volume.
pub static VOLUME_ANSWER: Schema = schema! {
    CreatedAt, Driver, Labels: &MAP, Mountpoint, Name, Options: &MAP, Scope, Status: &OPAQUE,
    UsageData: &ANY, ClusterVolume: &ANY,
};
/// A service.
pub static SERVICE_ANSWER: Schema = schema! {
    ID, Version: &ANY, CreatedAt, UpdatedAt, Spec: &SERVICE, PreviousSpec: &SERVICE, Endpoint: &ANY,
    UpdateStatus: &ANY, ServiceStatus: &ANY, JobStatus: &ANY,
};
/// A task.
pub static TASK_ANSWER: Schema = schema! {
    ID, Version: &ANY, CreatedAt, UpdatedAt, Name, Labels: &MAP, Spec: &TASK, ServiceID, Slot,
    NodeID, Status: &ANY, DesiredState, NetworksAttachments: &ANY, GenericResources: &ANY,
    JobIteration: &ANY, Volumes: &ANY, AssignedGenericResources: &ANY,
};
/// A node.
pub static NODE_ANSWER: Schema = schema! {
    ID, Version: &ANY, CreatedAt, UpdatedAt, Spec: &NODE, Description: &ANY, Status: &ANY,
    ManagerStatus: &ANY,
};
/// The container that a client is in, as policies see it.
pub static PEER_CONTAINER: Schema = schema! {
    id, name, image, labels: &MAP, project, service,
};
/// The engine itself: the fields that a policy may go by.
pub static ENGINE_ANSWER: Schema = schema! {
    ID, ServerVersion, OperatingSystem, OSType, Architecture, KernelVersion, Name, Driver,
    DriverStatus: &ANY, DockerRootDir, SecurityOptions: &LIST, Runtimes: &OPAQUE, DefaultRuntime,
    CgroupDriver, CgroupVersion, Labels: &LIST, LiveRestoreEnabled, Swarm: &OPAQUE,
    RegistryConfig: &OPAQUE, Plugins: &OPAQUE, Warnings: &ANY, Debug, ExperimentalBuild,
};
