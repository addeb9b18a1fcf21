//! Bodies about networks.

use super::types::{LIST, MAP, Schema, schema};

pub(super) static ENDPOINT: Schema = schema! {
    IPAMConfig: &schema! { IPv4Address, IPv6Address, LinkLocalIPs: &LIST }, Links: &LIST,
    Aliases: &LIST, MacAddress,
    DriverOpts: &MAP, GwPriority, NetworkID, EndpointID, Gateway, IPAddress, IPPrefixLen,
    IPv6Gateway,
    GlobalIPv6Address, GlobalIPv6PrefixLen, DNSNames: &LIST,
};

/// A new network.
pub static NETWORK: Schema = schema! {
    Name, CheckDuplicate, Driver, Scope, EnableIPv4, EnableIPv6,
    IPAM: &schema! {
        Driver, Options: &MAP,
        Config: &Schema::List(&schema! { Subnet, IPRange, Gateway, AuxiliaryAddresses: &MAP,
        AuxAddress: &MAP }),
    },
    Internal, Attachable, Ingress, ConfigOnly, ConfigFrom: &schema! { Network }, Options: &MAP,
    Labels: &MAP,
};
/// A container that joins a network or leaves it.
pub static CONNECT: Schema = schema! { Container, EndpointConfig: &ENDPOINT, Force };
