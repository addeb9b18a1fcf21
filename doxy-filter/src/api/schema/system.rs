//! Bodies about plugins and registry logins.

use super::types::{ANY, LIST, Schema, schema};

/// The privileges that are granted to a plugin.
pub static PLUGIN_PRIVILEGES: Schema = Schema::List(&schema! { Name, Description, Value: &LIST });
/// The settings of a plugin.
pub static PLUGIN_SETTINGS: Schema = Schema::List(&ANY);
/// The login at a registry.
pub static AUTH: Schema =
    schema! { username, password, auth, email, serveraddress, identitytoken, registrytoken };
