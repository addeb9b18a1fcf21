//! Settings as checked: text becomes something that can run, or an error.
//!
//! It knows neither the command line nor the environment, opens no socket and connects nowhere. It
//! reads only the configuration, the policies' files, and what the system says of users, groups and
//! interfaces. Nothing falls back silently.

mod access_log;
mod addresses;
mod admin;
mod compat;
mod error;
mod example;
mod file;
mod keys;
mod layers;
mod loaded_policy;
mod peers;
mod policy_files;
mod policy_rules;
mod presets;
mod reach;
mod risks;
mod same_address;
mod settings;
mod show;
mod socket;
mod source;
mod tls;
mod unused;
mod users;
mod values;
mod warnings;

pub(crate) use self::access_log::AccessLogConfig;
pub(crate) use self::addresses::admin as admin_address;
pub(crate) use self::admin::AdminConfig;
pub(crate) use self::compat::compat;
pub(crate) use self::error::ConfigError;
pub(crate) use self::example::EXAMPLE;
pub(crate) use self::keys::{KEYS, Kind, LATER, find};
pub(crate) use self::layers::Layer;
pub(crate) use self::loaded_policy::LoadedPolicy;
pub(crate) use self::policy_files::EMBEDDED_RULES;
#[cfg(feature = "script")]
pub(crate) use self::policy_rules::no_rules;
pub(crate) use self::policy_rules::{NO_RULES, hash_of};
pub(crate) use self::presets::{PRESETS, Preset};
pub(crate) use self::reach::{Reach, is_same_file};
pub(crate) use self::settings::Setting;
pub(crate) use self::socket::{Bind, ListenConfig, SocketConfig};
pub(crate) use self::source::{Config, Shared, Source};
pub(crate) use self::tls::{EngineTls, TlsFiles};
pub(crate) use self::users::Login;
pub(crate) use self::values::timeout;
