//! Files for TLS: which of them go together.
//!
//! It opens none of them.

use crate::config::error::ConfigError;
use crate::config::layers::Layers;
use crate::config::policy_rules::file;
use crate::config::settings::Setting;

/// The files for TLS towards clients.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    pub(crate) cert: Setting,
    pub(crate) key: Setting,
    /// Who signs the certificates that clients must have.
    pub(crate) client_ca: Option<Setting>,
}

/// The files for TLS towards the engine.
#[derive(Debug, Clone)]
pub(crate) struct EngineTls {
    pub(crate) ca: Setting,
    /// Doxy's own certificate and its key.
    pub(crate) client: Option<(Setting, Setting)>,
}

/// What is given for clients.
pub(super) fn of_clients(layers: &Layers<'_>) -> Result<Option<TlsFiles>, ConfigError> {
    let [cert, key, client_ca] = files(layers, ["tls-cert", "tls-key", "tls-client-ca"])?;
    match (cert, key, client_ca) {
        (Some(cert), Some(key), client_ca) => Ok(Some(TlsFiles {
            cert,
            key,
            client_ca,
        })),
        (Some(cert), None, _) => Err(cert.wrong("the key is missing", "set tls-key too")),
        (None, Some(key), _) => Err(key.wrong("the certificate is missing", "set tls-cert too")),
        (None, None, Some(ca)) => Err(ca.wrong(
            "doxy's own certificate is missing",
            "set tls-cert and tls-key too",
        )),
        (None, None, None) => Ok(None),
    }
}

/// What is given for the engine.
pub(super) fn of_engine(layers: &Layers<'_>) -> Result<Option<EngineTls>, ConfigError> {
    let names = ["docker-tls-ca", "docker-tls-cert", "docker-tls-key"];
    let [ca, cert, key] = files(layers, names)?;
    let client = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (Some(cert), None) => {
            return Err(cert.wrong("the key is missing", "set docker-tls-key too"));
        }
        (None, Some(key)) => {
            return Err(key.wrong("the certificate is missing", "set docker-tls-cert too"));
        }
        (None, None) => None,
    };
    match (ca, client) {
        (Some(ca), client) => Ok(Some(EngineTls { ca, client })),
        (None, Some((cert, _))) => Err(cert.wrong(
            "doxy cannot tell the engine from another server",
            "set docker-tls-ca too: the CA that signed the engine's certificate",
        )),
        (None, None) => Ok(None),
    }
}

/// The settings of files, those that are given. What is in the files is not looked at.
fn files<const N: usize>(
    layers: &Layers<'_>,
    keys: [&str; N],
) -> Result<[Option<Setting>; N], ConfigError> {
    let given = keys.map(|key| layers.optional(key).cloned());
    for setting in given.iter().flatten() {
        file(setting)?;
    }
    Ok(given)
}
