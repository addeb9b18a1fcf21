//! The endpoints of the Docker Engine API: all routes of the engine's router, of all versions.
//!
//! As in the engine's router, the first endpoint of a group that matches wins. So the removal of a
//! checkpoint stands before the removal of a container, whose name may contain slashes.
//!
//! Three facts are not in the rows. Engines up to 27 serve `/debug/…` for any method, but only
//! without a version. From API 1.53 on, the engine also accepts HTTP/2 on its socket and serves
//! BuildKit's gRPC there at any path; doxy never forwards HTTP/2. The version in a path is not a
//! limit: an engine serves most endpoints under any version that it accepts.

use super::endpoint::{Answer, Api, Body, Effect, Endpoint, Group, Risk, Version};
use super::method::Method;
use super::schema;
use super::table::{endpoints, groups};
use super::template::Template;

/// The path at which every engine says what it is, and in which version.
pub const VERSION: &str = "/version";

/// The path at which every engine says that it is there.
pub const PING: &str = "/_ping";

/// The path at which the engine lists the containers that run.
pub const CONTAINERS: &str = "/containers/json";

/// The engine answers OPTIONS on any path with an empty 200, a remnant of CORS.
pub(super) static ANY_PATH: Endpoint = {
    let [any] = endpoints! { Docker OPTIONS "/{anyroute:.*}" 1.0 Empty []; };
    any
};

pub(super) static GROUPS: &[Group] = groups! { Docker
    containers {
        GET    "/containers/json"                            1.1 Json
               "all limit size filters since before" [Info Dos];
        GET    "/containers/{name:.*}/json"                  1.0 Json "size" [Info Secrets];
        GET    "/containers/{name:.*}/top"                   1.3 Json
               "ps_args" [Info Secrets Dos] does RunsPs;
        GET    "/containers/{name:.*}/logs"                  1.11 RawStream
               "follow stdout stderr since until timestamps tail details format" [Info Secrets Dos];
        GET    "/containers/{name:.*}/changes"               1.0 Json [Info Dos] does WalksDisk;
        GET    "/containers/{name:.*}/export"                1.0 Tar
               [FilesOut Secrets Dos] does MountsFileSystem;
        GET    "/containers/{name:.*}/stats"                 1.17 JsonStream
               "stream one-shot" [Info Dos];
        GET    "/containers/{name:.*}/attach/ws"             1.4 WebSocket
               "detachKeys logs stream stdin stdout stderr"
               [Exec State Info Secrets] does WritesStdin;
        GET    "/containers/{name:.*}/archive"               1.20 Tar
               "path" [FilesOut Secrets Dos] does MountsFileSystem;
        HEAD   "/containers/{name:.*}/archive"               1.20 Empty
               "path" [Info FilesOut] does MountsFileSystem;
        PUT    "/containers/{name:.*}/archive"               1.20 Empty reads Tar
               "path noOverwriteDirNonDir copyUIDGID" [FilesIn Exec State];
        POST   "/containers/create"                          1.0 Json reads Json(CREATE)
               "name platform" [HostRoot Exec FilesIn FilesOut State Egress];
        POST   "/containers/{name:.*}/kill"                  1.0 Empty "signal" [State Dos];
        POST   "/containers/{name:.*}/pause"                 1.12 Empty [State Dos];
        POST   "/containers/{name:.*}/unpause"               1.12 Empty [State];
        POST   "/containers/{name:.*}/restart"               1.0 Empty "t signal" [State Dos];
        POST   "/containers/{name:.*}/start"                 1.0 Empty reads Refused
               "checkpoint checkpoint-dir" [State Exec];
        POST   "/containers/{name:.*}/stop"                  1.0 Empty "t signal" [State Dos];
        POST   "/containers/{name:.*}/wait"                  1.0 Json "condition" [Info Dos];
        POST   "/containers/{name:.*}/resize"                1.1 Empty "h w" [State];
        POST   "/containers/{name:.*}/attach"                1.0 Hijack
               "detachKeys logs stream stdin stdout stderr" [Exec State Info Secrets];
        POST   "/containers/{name:.*}/exec"                  1.15 Json reads Json(EXEC)
               [Exec HostRoot Secrets];
        POST   "/containers/{name:.*}/rename"                1.17 Empty "name" [State];
        POST   "/containers/{name:.*}/update"                1.22 Json reads Json(UPDATE)
               [State Dos];
        POST   "/containers/prune"                           1.25 Json "filters" [State Dos];
        DELETE "/containers/{name}/checkpoints/{checkpoint}" 1.25 Empty "dir" [State];
        DELETE "/containers/{name:.*}"                       1.0 Empty "v link force" [State Dos];
        POST   "/containers/{name:.*}/copy"                  1.4..=1.23 Tar reads Json(COPY)
               [FilesOut Secrets];
        GET    "/containers/{name:.*}/checkpoints"           1.25 Json "dir" [Info];
        POST   "/containers/{name:.*}/checkpoints"           1.25 Empty reads Json(CHECKPOINT)
               [State Dos FilesOut HostRoot];
    }

    images {
        GET    "/images/json"                   1.0 Json
               "all filters shared-size manifests identity filter" [Info Dos];
        GET    "/images/search"                 1.0 Json
               "term limit filters" [Egress Info] does ContactsRegistry;
        GET    "/images/get"                    1.15 Tar
               "names platform" [FilesOut Secrets Dos] does WritesTemporaryFiles;
        GET    "/images/{name:.*}/get"          1.7 Tar
               "platform" [FilesOut Secrets Dos] does WritesTemporaryFiles;
        GET    "/images/{name:.*}/history"      1.0 Json "platform" [Info Secrets];
        GET    "/images/{name:.*}/json"         1.0 Json "manifests platform" [Info Secrets];
        GET    "/images/{name:.*}/attestations" 1.55 Json "platform type statement" [Info];
        POST   "/images/load"                   1.7 JsonStream reads Tar
               "quiet platform" [State FilesIn Dos];
        POST   "/images/create"                 1.0 JsonStream reads Tar
               "fromImage fromSrc repo tag message platform changes" [Egress State FilesIn Dos];
        POST   "/images/{name:.*}/push"         1.0 JsonStream
               "tag platform" [Egress FilesOut Secrets];
        POST   "/images/{name:.*}/tag"          1.0 Empty "repo tag" [State];
        POST   "/images/prune"                  1.25 Json "filters" [State Dos];
        DELETE "/images/{name:.*}"              1.0 Json "force noprune platforms" [State Dos];
    }

    exec {
        GET    "/exec/{id:.*}/json"     1.16 Json [Info];
        POST   "/exec/{name:.*}/start"  1.15 Hijack reads Json(EXEC_START) [Exec];
        POST   "/exec/{name:.*}/resize" 1.15 Empty "h w" [State];
    }

    networks {
        GET    "/networks"                    1.21 Json "filters" [Info];
        GET    "/networks/"                   1.21 Json "filters" [Info];
        GET    "/networks/{id:.+}"            1.21 Json "verbose scope" [Info];
        POST   "/networks/create"             1.21 Json reads Json(NETWORK) [State HostRoot];
        POST   "/networks/{id:.*}/connect"    1.21 Empty reads Json(CONNECT) [State Egress];
        POST   "/networks/{id:.*}/disconnect" 1.21 Empty reads Json(CONNECT) [State Dos];
        POST   "/networks/prune"              1.25 Json "filters" [State Dos];
        DELETE "/networks/{id:.*}"            1.21 Empty [State Dos];
    }

    volumes {
        GET    "/volumes"           1.21 Json "filters" [Info Secrets];
        GET    "/volumes/{name:.*}" 1.21 Json [Info Secrets];
        POST   "/volumes/create"    1.21 Json reads Json(VOLUME) [HostRoot State Egress];
        POST   "/volumes/prune"     1.25 Json "filters" [State Dos];
        PUT    "/volumes/{name:.*}" 1.42 Empty reads Json(VOLUME_UPDATE) "version" [State];
        DELETE "/volumes/{name:.*}" 1.21 Empty "force" [State Dos];
    }

    _ping {
        GET    "/_ping" 1.11 Text [];
        HEAD   "/_ping" 1.40 Text [];
    }

    events {
        GET    "/events" 1.3 JsonStream "since until filters" [Info Dos];
    }

    info {
        GET    "/info" 1.0 Json [Info];
    }

    version {
        GET    "/version" 1.0 Json [Info];
    }

    system {
        GET    "/system/df" 1.25 Json "type verbose" [Info Dos Secrets]
               does WalksDisk;
    }

    auth {
        POST   "/auth" 1.0 Json reads Json(AUTH) [Egress Secrets];
    }

    commit {
        POST   "/commit" 1.0 Json reads Json(CREATE)
               "container repo tag comment author changes pause" [State FilesOut Secrets];
    }

    build {
        POST   "/build"        1.1 JsonStream reads Tar
               "dockerfile t remote extrahosts q nocache pull rm forcerm memory memswap \
                cpushares cpuquota cpuperiod cpusetcpus cpusetmems cgroupparent shmsize squash \
                networkmode labels buildargs cachefrom target platform isolation securityopt \
                ulimits outputs session buildid version"
               [Exec Egress State Dos FilesIn];
        POST   "/build/prune"  1.31 Json
               "all filters keep-storage reserved-space max-used-space min-free-space" [State Dos];
        POST   "/build/cancel" 1.39 Empty "id" [State Dos];
    }

    session {
        POST   "/session" 1.31 Http2 [Exec FilesOut FilesIn Secrets Egress];
    }

    grpc {
        POST   "/grpc" 1.40 Http2 [Exec Egress State Dos FilesIn FilesOut];
    }

    distribution {
        GET    "/distribution/{name:.*}/json" 1.30 Json [Egress Info] does ContactsRegistry;
    }

    plugins {
        GET    "/plugins"                   1.25 Json "filters" [Info Secrets];
        GET    "/plugins/privileges"        1.25 Json "remote" [Egress Info] does ContactsRegistry;
        GET    "/plugins/{name:.*}/json"    1.25 Json [Info Secrets];
        DELETE "/plugins/{name:.*}"         1.25 Json "force" [State Dos];
        POST   "/plugins/{name:.*}/enable"  1.25 Empty "timeout" [HostRoot State];
        POST   "/plugins/{name:.*}/disable" 1.25 Empty "force" [State Dos];
        POST   "/plugins/pull"              1.25 JsonStream reads Json(PLUGIN_PRIVILEGES)
               "remote name" [HostRoot Egress State];
        POST   "/plugins/{name:.*}/push"    1.25 JsonStream [Egress FilesOut];
        POST   "/plugins/{name:.*}/upgrade" 1.26 JsonStream reads Json(PLUGIN_PRIVILEGES)
               "remote" [HostRoot Egress State];
        POST   "/plugins/{name:.*}/set"     1.25 Empty reads Json(PLUGIN_SETTINGS) [HostRoot State];
        POST   "/plugins/create"            1.25 Empty reads Tar "name" [HostRoot State FilesIn];
    }

    swarm {
        POST   "/swarm/init"      1.24 Json reads Json(SWARM_INIT) [HostRoot State Egress];
        POST   "/swarm/join"      1.24 Empty reads Json(SWARM_JOIN) [HostRoot State Egress];
        POST   "/swarm/leave"     1.24 Empty "force" [State Dos];
        GET    "/swarm"           1.24 Json [Info Secrets];
        GET    "/swarm/unlockkey" 1.25 Json [Secrets];
        POST   "/swarm/update"    1.24 Empty reads Json(SWARM)
               "version rotateWorkerToken rotateManagerToken rotateManagerUnlockKey"
               [State Secrets HostRoot];
        POST   "/swarm/unlock"    1.25 Empty reads Json(SWARM_UNLOCK) [State];
    }

    services {
        GET    "/services"             1.24 Json "filters status" [Info Secrets];
        GET    "/services/{id}"        1.24 Json "insertDefaults" [Info Secrets];
        POST   "/services/create"      1.24 Json reads Json(SERVICE) [HostRoot Exec State Egress];
        POST   "/services/{id}/update" 1.24 Json reads Json(SERVICE)
               "version registryAuthFrom rollback" [HostRoot Exec State Egress];
        DELETE "/services/{id}"        1.24 Empty [State Dos];
        GET    "/services/{id}/logs"   1.25 RawStream
               "follow stdout stderr since timestamps tail details" [Info Secrets Dos];
    }

    nodes {
        GET    "/nodes"             1.24 Json "filters" [Info];
        GET    "/nodes/{id}"        1.24 Json [Info];
        DELETE "/nodes/{id}"        1.24 Empty "force" [State Dos];
        POST   "/nodes/{id}/update" 1.24 Empty reads Json(NODE) "version" [State HostRoot];
    }

    tasks {
        GET    "/tasks"           1.24 Json "filters" [Info Secrets];
        GET    "/tasks/{id}"      1.24 Json [Info Secrets];
        GET    "/tasks/{id}/logs" 1.29 RawStream
               "follow stdout stderr since timestamps tail details" [Info Secrets Dos];
    }

    secrets {
        GET    "/secrets"             1.25 Json "filters" [Info];
        GET    "/secrets/{id}"        1.25 Json [Info Secrets];
        POST   "/secrets/create"      1.25 Json reads Json(SECRET) [State Secrets];
        DELETE "/secrets/{id}"        1.25 Empty [State Dos];
        POST   "/secrets/{id}/update" 1.25 Empty reads Json(SECRET) "version" [State];
    }

    configs {
        GET    "/configs"             1.30 Json "filters" [Info Secrets];
        GET    "/configs/{id}"        1.30 Json [Info Secrets];
        POST   "/configs/create"      1.30 Json reads Json(SECRET) [State];
        DELETE "/configs/{id}"        1.30 Empty [State Dos];
        POST   "/configs/{id}/update" 1.30 Empty reads Json(SECRET) "version" [State];
    }

    debug {
        GET    "/debug/vars"          1.30 Json [Info Secrets];
        GET    "/debug/pprof/"        1.30 Text [Info];
        GET    "/debug/pprof/cmdline" 1.30 Text [Info Secrets];
        GET    "/debug/pprof/profile" 1.30 Text "seconds" [Info Dos] does ProfilesEngine;
        GET    "/debug/pprof/symbol"  1.30 Text [Info];
        GET    "/debug/pprof/trace"   1.30 Text "seconds" [Info Dos] does ProfilesEngine;
        GET    "/debug/pprof/{name}"  1.30 Text
               "debug gc seconds" [Info Secrets Dos] does CollectsGarbage;
    }
};
