//! Where the tools find the admin side of a running doxy.

use std::ffi::OsString;

use clap::builder::OsStringValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};
use doxy_proxy::{TlsClient, TlsFileError, UpstreamAddr};

use crate::config::{ConfigError, Setting, Source, admin_address};
use crate::tools::admin_client::{AdminClient, Asks};

const OPTION: &str = "--admin";
const VARIABLE: &str = "DOXY_ADMIN";

/// The option that names the admin side.
pub(super) fn option() -> Arg {
    Arg::new("admin")
        .long("admin")
        .value_name("ADDRESS")
        .env(VARIABLE)
        .hide_env_values(true)
        .value_parser(OsStringValueParser::new())
        .help("The admin side of the running doxy: a path or tcp://HOST:PORT [default: its --admin-listen]")
}

/// What the option or its variable says, or else `admin-listen`. None if nothing says where it is.
pub(super) fn address(
    matches: &ArgMatches,
    source: &Source,
) -> Result<Option<UpstreamAddr>, ConfigError> {
    let Some(given) = matches.get_one::<OsString>("admin") else {
        return source
            .of_process("admin-listen")?
            .as_ref()
            .map(admin_address)
            .transpose();
    };
    let name = match matches.value_source("admin") {
        Some(ValueSource::EnvVariable) => VARIABLE,
        _ => OPTION,
    };
    admin_address(&Setting::named(name, "admin", given)).map(Some)
}

/// Asks what is at this address, in the name of a tool: over TLS if doxy has a certificate for its TCP
/// addresses.
pub(super) fn client(
    address: UpstreamAddr,
    source: &Source,
    asks: Asks,
) -> Result<AdminClient, ConfigError> {
    match (&address, source.of_process("tls-cert")?) {
        (UpstreamAddr::Tcp(_), Some(certificate)) => {
            let path = certificate.path();
            let wrong = |error: TlsFileError| certificate.wrong(error.what, error.help);
            let tls = TlsClient::pinned(&path).map_err(wrong)?;
            let for_certificates = source.of_process("tls-client-ca")?.is_some();
            Ok(AdminClient::with_tls(address, tls, for_certificates, asks))
        }
        _ => Ok(AdminClient::new(address, asks)),
    }
}
