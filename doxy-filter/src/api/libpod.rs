//! The endpoints of Podman's own API, under `/libpod`.
//!
//! In a group, fixed paths stand before templates that also match them. Podman has two sets of
//! routes for manifest lists; the first character of the version selects one. Bodies in libpod's
//! own format are not described (the body of a create differs from Docker's), so a policy for
//! Docker's bodies does not cover them. Query parameters are not recorded.

use super::endpoint::{Answer, Api, Body, Effect, Endpoint, Group, Risk, Version};
use super::method::Method;
use super::schema;
use super::table::{endpoints, groups};
use super::template::Template;

pub(super) static GROUPS: &[Group] = groups! { Libpod
    containers {
        POST   "/libpod/containers/create"                4.3 Json reads Json(ANY)
               [HostRoot Exec State];
        GET    "/libpod/containers/json"                  4.3 Json [Info Dos];
        POST   "/libpod/containers/prune"                 4.3 Json [State Dos];
        GET    "/libpod/containers/showmounted"           4.3 Json [Info];
        GET    "/libpod/containers/stats"                 4.3 JsonStream [Info Dos];
        GET    "/libpod/containers/{name:.*}/healthcheck" 4.3 Json [Exec] does RunsCommand;
        DELETE "/libpod/containers/{name}"                4.3 Json [State Dos];
        GET    "/libpod/containers/{name}/archive"        4.3 Tar
               [FilesOut Secrets] does MountsFileSystem;
        HEAD   "/libpod/containers/{name}/archive"        4.3 Empty
               [Info FilesOut] does MountsFileSystem;
        PUT    "/libpod/containers/{name}/archive"        4.3 Empty reads Tar [FilesIn Exec State];
        POST   "/libpod/containers/{name}/attach"         4.3 Hijack [Exec State Info Secrets];
        GET    "/libpod/containers/{name}/changes"        4.3 Json [Info Dos] does WalksDisk;
        POST   "/libpod/containers/{name}/checkpoint"     4.3 Tar [State FilesOut Secrets Dos];
        POST   "/libpod/containers/{name}/exec"           4.3 Json reads Json(EXEC)
               [Exec HostRoot Secrets];
        GET    "/libpod/containers/{name}/exists"         4.3 Empty [Info];
        GET    "/libpod/containers/{name}/export"         4.3 Tar
               [FilesOut Secrets Dos] does MountsFileSystem;
        POST   "/libpod/containers/{name}/init"           4.3 Empty [State];
        GET    "/libpod/containers/{name}/json"           4.3 Json [Info Secrets];
        POST   "/libpod/containers/{name}/kill"           4.3 Empty [State Dos];
        GET    "/libpod/containers/{name}/logs"           4.3 RawStream [Info Secrets Dos];
        POST   "/libpod/containers/{name}/mount"          4.3 Json [State FilesOut];
        POST   "/libpod/containers/{name}/pause"          4.3 Empty [State Dos];
        POST   "/libpod/containers/{name}/rename"         4.3 Empty [State];
        POST   "/libpod/containers/{name}/resize"         4.3 Empty [State];
        POST   "/libpod/containers/{name}/restart"        4.3 Empty [State Dos];
        POST   "/libpod/containers/{name}/restore"        4.3 Json reads Tar [State Exec FilesIn];
        POST   "/libpod/containers/{name}/start"          4.3 Empty [State Exec];
        GET    "/libpod/containers/{name}/stats"          4.3 JsonStream [Info Dos];
        POST   "/libpod/containers/{name}/stop"           4.3 Empty [State Dos];
        GET    "/libpod/containers/{name}/top"            4.3 JsonStream
               [Info Secrets Dos] does RunsPs;
        POST   "/libpod/containers/{name}/unmount"        4.3 Empty [State];
        POST   "/libpod/containers/{name}/unpause"        4.3 Empty [State];
        POST   "/libpod/containers/{name}/update"         4.3 Json reads Json(ANY) [State Dos];
        POST   "/libpod/containers/{name}/wait"           4.3 Json [Info Dos];
    }

    images {
        GET    "/libpod/images/export"            4.3 Tar [FilesOut Secrets Dos];
        POST   "/libpod/images/import"            4.3 Json reads Tar [State FilesIn Egress];
        GET    "/libpod/images/json"              4.3 Json [Info];
        POST   "/libpod/images/load"              4.3 Json reads Tar [State FilesIn];
        POST   "/libpod/images/prune"             4.3 Json [State Dos];
        POST   "/libpod/images/pull"              4.3 JsonStream [Egress State Dos];
        DELETE "/libpod/images/remove"            4.3 Json [State Dos];
        POST   "/libpod/images/scp/{name:.*}"     4.3 Json [Egress FilesOut HostRoot];
        GET    "/libpod/images/search"            4.3 Json [Egress Info] does ContactsRegistry;
        DELETE "/libpod/images/{name:.*}"         4.3 Json [State Dos];
        GET    "/libpod/images/{name:.*}/exists"  4.3 Empty [Info];
        GET    "/libpod/images/{name:.*}/get"     4.3 Tar [FilesOut Secrets Dos];
        GET    "/libpod/images/{name:.*}/history" 4.3 Json [Info Secrets];
        GET    "/libpod/images/{name:.*}/json"    4.3 Json [Info Secrets];
        POST   "/libpod/images/{name:.*}/push"    4.3 JsonStream [Egress FilesOut];
        GET    "/libpod/images/{name:.*}/resolve" 5.4 Json [Info];
        POST   "/libpod/images/{name:.*}/tag"     4.3 Empty [State];
        GET    "/libpod/images/{name:.*}/tree"    4.3 Json [Info];
        POST   "/libpod/images/{name:.*}/untag"   4.3 Empty [State];
        GET    "/libpod/images/{name}/changes"    4.3 Json [Info];
    }

    exec {
        GET    "/libpod/exec/{id}/json"   4.3 Json [Info];
        POST   "/libpod/exec/{id}/remove" 4.9 Empty reads Json(ANY) [State];
        POST   "/libpod/exec/{id}/resize" 4.3 Empty [State];
        POST   "/libpod/exec/{id}/start"  4.3 Hijack reads Json(EXEC_START) [Exec];
    }

    _ping {
        GET    "/libpod/_ping" 4.3 Text [];
        HEAD   "/libpod/_ping" 4.3 Text [];
    }

    artifacts {
        POST   "/libpod/artifacts/add"               5.8 Json reads Other [FilesIn State];
        GET    "/libpod/artifacts/json"              5.8 Json [Info];
        POST   "/libpod/artifacts/local/add"         5.8 Json [FilesOut Secrets State];
        POST   "/libpod/artifacts/pull"              5.8 Json [Egress State Dos];
        DELETE "/libpod/artifacts/remove"            5.8 Json [State Dos];
        DELETE "/libpod/artifacts/{name:.*}"         5.8 Json [State Dos];
        GET    "/libpod/artifacts/{name:.*}/extract" 5.8 Tar [FilesOut];
        GET    "/libpod/artifacts/{name:.*}/json"    5.8 Json [Info];
        POST   "/libpod/artifacts/{name:.*}/push"    5.8 Json [Egress FilesOut];
    }

    build {
        POST   "/libpod/build" 4.3 JsonStream reads Tar [Exec HostRoot Egress State Dos FilesIn];
    }

    commit {
        POST   "/libpod/commit" 4.3 Json [State FilesOut Secrets];
    }

    events {
        GET    "/libpod/events" 4.3 JsonStream [Info Dos];
    }

    generate {
        GET    "/libpod/generate/kube"              4.3 Text [Info Secrets];
        GET    "/libpod/generate/{name:.*}/systemd" 4.3 Json [Info Secrets];
    }

    info {
        GET    "/libpod/info" 4.3 Json [Info];
    }

    kube {
        POST   "/libpod/kube/apply"    4.9 Text reads Other [Egress Secrets FilesOut];
        GET    "/libpod/kube/generate" 4.3 Text [Info Secrets];
        DELETE "/libpod/kube/play"     4.3 Json reads Other [State Dos];
        POST   "/libpod/kube/play"     4.3 Json reads Other [HostRoot Exec State Egress];
    }

    local {
        POST   "/libpod/local/build"       5.8 JsonStream [Exec HostRoot Egress State Dos FilesOut];
        POST   "/libpod/local/images/load" 5.8 Json [State FilesOut FilesIn];
    }

    manifests versions "0123" {
        POST   "/libpod/manifests/create"        4.3 Json reads Json(ANY) [State];
        POST   "/libpod/manifests/{name:.*}/add" 4.3 Json reads Json(ANY) [State Egress];
        POST   "/libpod/manifests/{name}/push"   4.3 Json [Egress];
    }

    manifests {
        DELETE "/libpod/manifests/{name:.*}"        4.3 Json [State];
        GET    "/libpod/manifests/{name:.*}/exists" 4.3 Empty [Info];
        GET    "/libpod/manifests/{name:.*}/json"   4.3 Json [Info Egress] does ContactsRegistry;
    }

    manifests versions "456789" {
        POST   "/libpod/manifests/{name:.*}/registry/{destination:.*}" 4.3 JsonStream
               [Egress FilesOut];
        POST   "/libpod/manifests/{name:.*}"                    4.3 Json reads Json(ANY) [State];
        PUT    "/libpod/manifests/{name:.*}"                    4.3 Json reads Other
               [State Egress FilesIn];
    }

    networks {
        POST   "/libpod/networks/create"            4.3 Json reads Json(ANY) [State HostRoot];
        GET    "/libpod/networks/json"              4.3 Json [Info];
        POST   "/libpod/networks/prune"             4.3 Json [State Dos];
        DELETE "/libpod/networks/{name}"            4.3 Json [State Dos];
        GET    "/libpod/networks/{name}"            4.3 Json [Info];
        POST   "/libpod/networks/{name}/connect"    4.3 Empty reads Json(ANY) [State Egress];
        POST   "/libpod/networks/{name}/disconnect" 4.3 Empty reads Json(CONNECT) [State Dos];
        GET    "/libpod/networks/{name}/exists"     4.3 Empty [Info];
        GET    "/libpod/networks/{name}/json"       4.3 Json [Info];
        POST   "/libpod/networks/{name}/update"     4.9 Empty reads Json(ANY) [State];
    }

    play {
        DELETE "/libpod/play/kube" 4.3 Json reads Other [State Dos];
        POST   "/libpod/play/kube" 4.3 Json reads Other [HostRoot Exec State Egress];
    }

    pods {
        POST   "/libpod/pods/create"         4.3 Json reads Json(ANY) [HostRoot State];
        GET    "/libpod/pods/json"           4.3 Json [Info];
        POST   "/libpod/pods/prune"          4.3 Json [State Dos];
        GET    "/libpod/pods/stats"          4.3 JsonStream [Info Dos];
        DELETE "/libpod/pods/{name}"         4.3 Json [State Dos];
        GET    "/libpod/pods/{name}/exists"  4.3 Empty [Info];
        GET    "/libpod/pods/{name}/json"    4.3 Json [Info];
        POST   "/libpod/pods/{name}/kill"    4.3 Json [State Dos];
        POST   "/libpod/pods/{name}/pause"   4.3 Json [State Dos];
        POST   "/libpod/pods/{name}/restart" 4.3 Json [State Dos];
        POST   "/libpod/pods/{name}/start"   4.3 Json [State Exec];
        POST   "/libpod/pods/{name}/stop"    4.3 Json [State Dos];
        GET    "/libpod/pods/{name}/top"     4.3 JsonStream [Info Secrets Dos];
        POST   "/libpod/pods/{name}/unpause" 4.3 Json [State];
    }

    quadlets {
        DELETE "/libpod/quadlets"               5.8 Json [State Dos];
        POST   "/libpod/quadlets"               5.8 Json reads Other [HostRoot Exec FilesIn State];
        GET    "/libpod/quadlets/json"          5.8 Json [Info];
        DELETE "/libpod/quadlets/{name}"        5.8 Json [State Dos];
        GET    "/libpod/quadlets/{name}/exists" 5.8 Empty [Info];
        GET    "/libpod/quadlets/{name}/file"   5.8 Text [Info Secrets];
    }

    secrets {
        POST   "/libpod/secrets/create"        4.3 Json reads Other [State Secrets];
        GET    "/libpod/secrets/json"          4.3 Json [Info Secrets];
        DELETE "/libpod/secrets/{name}"        4.3 Empty [State Dos];
        GET    "/libpod/secrets/{name}/exists" 4.9 Empty [Info];
        GET    "/libpod/secrets/{name}/json"   4.3 Json [Info Secrets];
    }

    swagger {
        GET    "/libpod/swagger" 4.3 Text [];
    }

    system {
        POST   "/libpod/system/check" 5.4 Json [State Dos];
        GET    "/libpod/system/df"    4.3 Json [Info Dos] does WalksDisk;
        POST   "/libpod/system/prune" 4.3 Json [State Dos];
    }

    version {
        GET    "/libpod/version" 4.3 Json [Info];
    }

    volumes {
        POST   "/libpod/volumes/create"        4.3 Json reads Json(ANY) [HostRoot State];
        GET    "/libpod/volumes/json"          4.3 Json [Info];
        POST   "/libpod/volumes/prune"         4.3 Json [State Dos];
        DELETE "/libpod/volumes/{name}"        4.3 Empty [State Dos];
        GET    "/libpod/volumes/{name}/exists" 4.3 Empty [Info];
        GET    "/libpod/volumes/{name}/export" 5.8 Tar [FilesOut Secrets];
        POST   "/libpod/volumes/{name}/import" 5.8 Empty reads Tar [FilesIn State];
        GET    "/libpod/volumes/{name}/json"   4.3 Json [Info];
    }
};
