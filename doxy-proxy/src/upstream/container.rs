//! What the engine says of the containers that run: one of them by its id, or who has an address.
//!
//! It is asked anew each time: containers come and go, and addresses are given out again. Nothing here
//! knows what a container may do.

use std::net::IpAddr;

use doxy_filter::api::{CONTAINERS, ObjectKind};
use serde_json::Value;

use crate::net::container::{Container, Unknown};
use crate::upstream::{LookupError, Upstream};

/// A container that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) container: Container,
    /// Its own process, in the engine's process namespace.
    pub(crate) pid: i32,
}

impl Upstream {
    /// The container with this full id. None if there is no such, or it does not run.
    pub(crate) async fn container(&self, id: &str) -> Result<Option<Running>, Unknown> {
        let Some(target) = ObjectKind::Container.target(id) else {
            return Ok(None);
        };
        match self.ask(&target).await? {
            Some(description) => running(&description, id),
            None => Ok(None),
        }
    }

    /// The id of the one container that has this address.
    pub(crate) async fn container_at(&self, ip: IpAddr) -> Result<String, Unknown> {
        let list = self.ask(CONTAINERS).await?.ok_or_else(strange)?;
        let ids = with_address(&list, ip).ok_or_else(strange)?;
        match <[String; 1]>::try_from(ids) {
            Ok([id]) => Ok(id),
            Err(ids) if ids.is_empty() => Err(Unknown::NoAddress(ip)),
            Err(_) => Err(Unknown::Shared(ip)),
        }
    }

    async fn ask(&self, target: &str) -> Result<Option<Value>, Unknown> {
        let answer = self.look_up(target).await.map_err(|error| match error {
            LookupError::Failed(reason) => Unknown::NoAnswer(reason),
            // Full ids are asked about.
            LookupError::NotOne => strange(),
        })?;
        let value = answer.map(|bytes| serde_json::from_slice(&bytes));
        value.transpose().map_err(|_| strange())
    }
}

/// The engine's answer is not what engines answer.
fn strange() -> Unknown {
    Unknown::NoAnswer("it cannot be read".to_owned())
}

fn running(description: &Value, id: &str) -> Result<Option<Running>, Unknown> {
    let read = || {
        let state = description.get("State")?;
        let pid = i32::try_from(state.get("Pid")?.as_i64()?).ok()?;
        let runs = state.get("Running")?.as_bool()? && pid > 0;
        let config = description.get("Config")?;
        let container = Container {
            id: text(description, "Id").filter(|other| other == id)?,
            name: text(description, "Name")?
                .trim_start_matches('/')
                .to_owned(),
            image: text(config, "Image")?,
            labels: config
                .get("Labels")
                .map_or(Some(vec![]), labels)?
                .into_iter()
                .collect(),
        };
        Some(runs.then_some(Running { container, pid }))
    };
    read().ok_or_else(strange)
}

fn text(of: &Value, field: &str) -> Option<String> {
    of.get(field)?.as_str().map(str::to_owned)
}

fn labels(value: &Value) -> Option<Vec<(String, String)>> {
    let label = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    match value {
        Value::Null => Some(vec![]),
        value => value.as_object()?.iter().map(label).collect(),
    }
}

/// The ids of all containers that have this address. None if the list cannot be read.
fn with_address(list: &Value, ip: IpAddr) -> Option<Vec<String>> {
    let mut found = vec![];
    for entry in list.as_array()? {
        let id = text(entry, "Id")?;
        if addresses(entry)?
            .iter()
            .any(|address| address.parse() == Ok(ip))
        {
            // One that uses the network of another has its address, and none of its own in this list.
            for other in list.as_array()? {
                if shares_network_of(other, &id, entry)? {
                    found.push(text(other, "Id")?);
                }
            }
            found.push(id);
        }
    }
    Some(found)
}

/// The addresses of a container, in all its networks.
fn addresses(entry: &Value) -> Option<Vec<&str>> {
    let networks = match entry.get("NetworkSettings")?.get("Networks")? {
        Value::Null => return Some(vec![]),
        networks => networks.as_object()?.values(),
    };
    let fields = ["IPAddress", "GlobalIPv6Address"];
    let of = |network| fields.map(|field| Value::get(network, field)?.as_str());
    Some(networks.flat_map(of).flatten().collect())
}

/// Whether a container was told to use the network of another, which has this id.
fn shares_network_of(entry: &Value, id: &str, other: &Value) -> Option<bool> {
    let mode = entry.get("HostConfig")?.get("NetworkMode")?.as_str()?;
    let Some(named) = mode.strip_prefix("container:") else {
        return Some(false);
    };
    let names = other.get("Names").and_then(Value::as_array);
    let mut names = names.into_iter().flatten().filter_map(Value::as_str);
    Some(id.starts_with(named) || names.any(|name| name.trim_start_matches('/') == named))
}

#[cfg(test)]
mod tests;
