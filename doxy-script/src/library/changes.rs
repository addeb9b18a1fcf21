//! Bodies as the engine is to get them: each function takes a body and returns another.
//!
//! The body is that of a request, or a map that such a function has returned. All but `with_field`,
//! `with_bind` and `with_device` only narrow what a container may do. Each changes nothing in what it
//! has returned itself, because a policy is asked again with what it has made.

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map};

use crate::view::into_map;

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// What is done to an object.
type Change<'c> = Box<dyn FnOnce(&mut Map) -> Result<()> + 'c>;

/// The period of a CPU quota in microseconds, if none is given.
const CPU_PERIOD: i64 = 100_000;
const NANOS_A_CPU: f64 = 1e9;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("with_field", with_field)
        .register_fn("without_field", without_field)
        .register_fn("with_label", with_label)
        .register_fn("as_user", as_user)
        .register_fn("with_read_only_root", |body: Dynamic| {
            with_field(body, "HostConfig.ReadonlyRootfs", true.into())
        })
        .register_fn("memory_at_most", memory_at_most)
        .register_fn("cpus_at_most", |body: Dynamic, cpus: f64| {
            cpus_at_most(body, cpus)
        })
        .register_fn("cpus_at_most", |body: Dynamic, cpus: i64| {
            #[expect(clippy::cast_precision_loss, reason = "nobody has that many CPUs")]
            cpus_at_most(body, cpus as f64)
        })
        .register_fn("pids_at_most", pids_at_most)
        .register_fn("in_cgroup", |body: Dynamic, parent: &str| {
            with_field(body, "HostConfig.CgroupParent", parent.to_owned().into())
        })
        .register_fn("on_network", on_network)
        .register_fn("without_capabilities", |body: Dynamic| {
            host_config(body, |host| {
                for added in ["CapAdd", "Capabilities", "Privileged"] {
                    host.remove(added);
                }
                set(host, "CapDrop", list(["ALL"]));
                Ok(())
            })
        })
        .register_fn("with_no_new_privileges", with_no_new_privileges)
        .register_fn("with_bind", with_bind)
        .register_fn("with_device", with_device)
        .register_fn("prefixed", |name: &str, prefix: &str| {
            match name.starts_with(prefix) {
                true => name.to_owned(),
                false => format!("{prefix}{name}"),
            }
        });
}

fn with_field(body: Dynamic, path: &str, value: Dynamic) -> Result<Map> {
    change(body, |body| {
        around(body, path, |object, name| {
            set(object, name, value);
            Ok(())
        })
    })
}

fn without_field(body: Dynamic, path: &str) -> Result<Map> {
    change(body, |body| {
        around(body, path, |object, name| {
            object.remove(name);
            Ok(())
        })
    })
}

fn with_label(body: Dynamic, name: &str, value: &str) -> Result<Map> {
    change(body, |body| {
        inside(body, "Labels", |labels| {
            set(labels, name, value.to_owned());
            Ok(())
        })
    })
}

/// User and group by number: a name would be looked up in the image, and brings groups of the image's.
fn as_user(body: Dynamic, uid: i64, gid: i64) -> Result<Map> {
    if uid < 0 || gid < 0 {
        return Err(format!("{uid}:{gid} is no user").into());
    }
    change(body, |body| {
        set(body, "User", format!("{uid}:{gid}"));
        // An exec has none.
        match body.get("HostConfig").is_some_and(|host| !host.is_unit()) {
            true => inside(body, "HostConfig", |host| {
                host.remove("GroupAdd");
                Ok(())
            }),
            false => Ok(()),
        }
    })
}

fn memory_at_most(body: Dynamic, bytes: i64) -> Result<Map> {
    positive(bytes)?;
    host_config(body, |host| {
        let memory = at_most(host, "Memory", bytes)?;
        // Without a value of its own the engine doubles it; it counts memory and swap together.
        let swap = number(host, "MemorySwap")?;
        if !(memory..=bytes).contains(&swap) {
            set(host, "MemorySwap", memory);
        }
        Ok(())
    })
}

fn cpus_at_most(body: Dynamic, cpus: f64) -> Result<Map> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is beyond 64 bits is as good as no limit, and becomes the largest number"
    )]
    let most = (cpus * NANOS_A_CPU) as i64;
    positive(most)?;
    host_config(body, |host| {
        // The engine takes either a number of CPUs or a quota in a period.
        let quota = number(host, "CpuQuota")?;
        let period = match number(host, "CpuPeriod")? {
            0 => CPU_PERIOD,
            period => period,
        };
        let most = match quota > 0 && period > 0 {
            // A part that rounds to none would be no limit.
            true => most.min((quota.saturating_mul(1_000_000_000) / period).max(1)),
            false => most,
        };
        host.remove("CpuQuota");
        host.remove("CpuPeriod");
        at_most(host, "NanoCpus", most)?;
        Ok(())
    })
}

fn pids_at_most(body: Dynamic, most: i64) -> Result<Map> {
    positive(most)?;
    host_config(body, |host| at_most(host, "PidsLimit", most).map(|_| ()))
}

/// What the client has said about this network stays; the others go.
fn on_network(body: Dynamic, name: &str) -> Result<Map> {
    change(body, |body| {
        around(body, "HostConfig.NetworkMode", |host, mode| {
            set(host, mode, name.to_owned());
            Ok(())
        })?;
        inside(body, "NetworkingConfig", |networking| {
            inside(networking, "EndpointsConfig", |networks| {
                networks.retain(|network, _| network == name);
                Ok(())
            })
        })
    })
}

fn with_no_new_privileges(body: Dynamic) -> Result<Map> {
    const OPTION: &str = "no-new-privileges";
    host_config(body, |host| {
        let mut options = items(host, "SecurityOpt")?;
        options.retain(|option| {
            let text = option.clone().into_string();
            text.is_ok_and(|text| !text.starts_with(OPTION))
        });
        options.push(OPTION.into());
        set(host, "SecurityOpt", options);
        Ok(())
    })
}

fn with_bind(body: Dynamic, bind: &str) -> Result<Map> {
    let bind = bind.to_owned();
    host_config(body, |host| {
        let mut binds = items(host, "Binds")?;
        let is = |other: &Dynamic| other.clone().into_string().is_ok_and(|other| other == bind);
        if !binds.iter().any(is) {
            binds.push(bind.into());
        }
        set(host, "Binds", binds);
        Ok(())
    })
}

fn with_device(body: Dynamic, on_host: &str, inside: &str, access: &str) -> Result<Map> {
    let fields = [
        ("PathOnHost", on_host),
        ("PathInContainer", inside),
        ("CgroupPermissions", access),
    ];
    host_config(body, |host| {
        let mut devices = items(host, "Devices")?;
        let is = |other: &Dynamic| {
            into_map(other.clone()).is_some_and(|other| {
                fields.iter().all(|(name, value)| {
                    let other = other.get(*name).cloned();
                    other.is_some_and(|other| other.into_string().is_ok_and(|it| it == *value))
                })
            })
        };
        if !devices.iter().any(is) {
            let fields = fields.map(|(name, value)| (name.into(), value.to_owned().into()));
            devices.push(fields.into_iter().collect::<Map>().into());
        }
        set(host, "Devices", devices);
        Ok(())
    })
}

/// A body that was changed. It is a map or an object; what is missing becomes a map.
fn change(body: Dynamic, change: impl FnOnce(&mut Map) -> Result<()>) -> Result<Map> {
    let kind = body.type_name();
    let mut map = into_map(body).ok_or_else(|| {
        format!("a body to be changed is an object or a map, and not a value of type {kind}")
    })?;
    change(&mut map)?;
    Ok(map)
}

/// The same for its `HostConfig`.
fn host_config(body: Dynamic, then: impl FnOnce(&mut Map) -> Result<()>) -> Result<Map> {
    change(body, |body| inside(body, "HostConfig", then))
}

/// Changes the object in a field. It is made where it is missing and something is put into it.
fn inside<R>(map: &mut Map, name: &str, then: impl FnOnce(&mut Map) -> Result<R>) -> Result<R> {
    let value = map.remove(name);
    let was_there = value.is_some();
    let object = into_map(value.unwrap_or_default());
    let mut object = object.ok_or_else(|| format!("{name} is not an object"))?;
    let done = then(&mut object)?;
    if was_there || !object.is_empty() {
        set(map, name, object);
    }
    Ok(done)
}

/// Changes the object that a path of names around a field leads to.
fn around(
    map: &mut Map,
    path: &str,
    then: impl FnOnce(&mut Map, &str) -> Result<()>,
) -> Result<()> {
    let mut objects: Vec<_> = path.split('.').collect();
    let name = objects.pop().unwrap_or_default();
    descend(map, &objects, Box::new(|object| then(object, name)))
}

fn descend(map: &mut Map, objects: &[&str], then: Change<'_>) -> Result<()> {
    match objects.split_first() {
        None => then(map),
        Some((first, rest)) => inside(map, first, |object| descend(object, rest, then)),
    }
}

fn set(map: &mut Map, name: &str, value: impl Into<Dynamic>) {
    map.insert(name.into(), value.into());
}

fn list<const N: usize>(texts: [&str; N]) -> Array {
    texts.map(|text| text.to_owned().into()).into()
}

/// The list in a field. None is an empty one.
fn items(map: &Map, name: &str) -> Result<Array> {
    match map.get(name) {
        None => Ok(Array::new()),
        Some(value) if value.is_unit() => Ok(Array::new()),
        Some(value) => {
            let list = value.clone().into_array();
            list.map_err(|_| format!("{name} is not a list").into())
        }
    }
}

/// The number in a field. None is 0, as for the engine.
fn number(map: &Map, name: &str) -> Result<i64> {
    match map.get(name) {
        None => Ok(0),
        Some(value) if value.is_unit() => Ok(0),
        Some(value) => {
            let number = value.as_int();
            number.map_err(|_| format!("{name} is not a whole number").into())
        }
    }
}

/// Has a limit be at most this. Zero, and less, are no limit to the engine.
fn at_most(map: &mut Map, name: &str, most: i64) -> Result<i64> {
    let limit = match number(map, name)? {
        ..=0 => most,
        limit => limit.min(most),
    };
    set(map, name, limit);
    Ok(limit)
}

fn positive(limit: i64) -> Result<()> {
    match limit > 0 {
        true => Ok(()),
        false => Err("a limit is more than zero: to the engine, zero is none".into()),
    }
}
