//! Policy scripts: the cost of a decision by what the script looks at.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros make undocumented items; policies made here compile"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use doxy_filter::{Reason, Verdict};
use doxy_script::{Body, Decision, Lookups, Peer, PeerContainer, Script, ScriptRequest};

const HEADERS: &[(&str, &[u8])] = &[
    ("host", b"docker"),
    ("user-agent", b"Docker-Client/28.2.2 (linux)"),
    ("accept", b"*/*"),
    ("content-type", b"application/json"),
    ("x-team", b"ci"),
];

/// No condition matches before the last line.
const COMPARISONS: &str = r#"
    fn decide(req) {
        if req.method == "DELETE" { return deny("a"); }
        if req.path == "/info" { return deny("b"); }
        if req.endpoint == "/version" { return deny("c"); }
        if req.version == "1.12" { return deny("d"); }
        if req.socket == "/run/other.sock" { return deny("e"); }
        if req.headers["x-team"] == "ops" { return deny("f"); }
        allow()
    }"#;

fn input<'a>(method: &'a str, path: &'a str, query: Option<&'a str>) -> ScriptRequest<'a> {
    ScriptRequest {
        method,
        path,
        query,
        headers: HEADERS,
        peer: Some(Peer::Unix {
            uid: 1000,
            gid: 1000,
            pid: Some(4711),
        }),
        container: &PeerContainer::NotAsked,
        socket: "/run/doxy/ci.sock",
        has_body: method == "POST",
        changed: false,
        verdict: Verdict::Deny(Reason::NoRule),
    }
}

/// A body of about 4 KiB for a create, as the docker CLI sends it.
fn create() -> Vec<u8> {
    let env: Vec<_> = (0..40)
        .map(|n| format!(r#""VARIABLE_{n}=some value of the usual length, number {n}""#))
        .collect();
    let labels: Vec<_> = (0..12)
        .map(|n| format!(r#""com.example.label.{n}":"value {n}""#))
        .collect();
    format!(
        r#"{{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":[{}],"Cmd":["sh","-c","make test"],"Image":"registry.example.com/ci/build:1.2","Volumes":{{}},"WorkingDir":"/work","Entrypoint":null,"OnBuild":null,"Labels":{{{}}},"HostConfig":{{"Binds":["/srv/ci/job/1:/work"],"ContainerIDFile":"","LogConfig":{{"Type":"","Config":{{}}}},"NetworkMode":"default","PortBindings":{{}},"RestartPolicy":{{"Name":"no","MaximumRetryCount":0}},"AutoRemove":true,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[24,80],"CapAdd":null,"CapDrop":["ALL"],"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":0,"NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":0,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null}},"NetworkingConfig":{{"EndpointsConfig":{{}}}}}}"#,
        env.join(","),
        labels.join(",")
    )
    .into_bytes()
}

fn script(c: &mut Criterion) {
    let mut group = c.benchmark_group("script");
    let get = input("GET", "/v1.41/containers/json", Some("all=1&limit=10"));
    let mut bench = |name: &str, source: &str, input: &ScriptRequest<'_>, body: Body<'_>| {
        let script = Script::compile(name, source.as_bytes()).unwrap();
        assert_eq!(
            script.decide(input, body, &mut Lookups::default()),
            Decision::Allow,
            "{name}"
        );
        group.bench_function(name, |b| {
            b.iter(|| script.decide(black_box(input), body, &mut Lookups::default()))
        });
    };
    bench("empty", "fn decide(req) { allow() }", &get, Body::NotRead);
    bench(
        "five_comparisons_and_a_header",
        COMPARISONS,
        &get,
        Body::NotRead,
    );
    bench(
        "query",
        r#"fn decide(req) { if req.query.limit == "10" { allow() } else { pass() } }"#,
        &get,
        Body::NotRead,
    );
    bench(
        "regex",
        r#"fn decide(req) { if req.endpoint.matches("/containers/(json|[^/]+/json)") { allow() } else { pass() } }"#,
        &get,
        Body::NotRead,
    );

    let body = create();
    assert!((3_900..4_700).contains(&body.len()), "{}", body.len());
    let post = input("POST", "/v1.41/containers/create", None);
    bench(
        "create_4k_read",
        "fn decide(req) { req.json(); allow() }",
        &post,
        Body::Read(&body),
    );
    bench(
        "create_4k_policy",
        r#"
        const NEVER = ["Privileged", "CapAdd", "Devices", "DeviceCgroupRules", "DeviceRequests", "SecurityOpt",
            "VolumesFrom", "VolumeDriver", "CgroupParent", "Cgroup", "Sysctls", "Runtime"];
        fn decide(req) {
            let c = req.json();
            let host = c.HostConfig;
            for name in NEVER { if is_set(host[name]) { return deny(`${name} is not allowed`); } }
            if host.NetworkMode == "host" || host.PidMode == "host" || host.IpcMode == "host" { return deny("host"); }
            for text in host.Binds { if !bind(text).source.under("/srv/ci") { return deny("bind"); } }
            for mount in host.Mounts { return deny("mount"); }
            if image(c.Image).registry != "registry.example.com" { return deny("image"); }
            allow()
        }"#,
        &post,
        Body::Read(&body),
    );
    group.finish();

    c.bench_function("script/compile", |b| {
        b.iter(|| Script::compile("bench", black_box(COMPARISONS.as_bytes())).unwrap());
    });
}

criterion_group!(benches, script);
criterion_main!(benches);
