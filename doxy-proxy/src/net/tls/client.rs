//! Doxy as a client of an engine that speaks TLS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::net::tls::files::{self, TlsFile, TlsFileError};
use crate::net::tls::provider::{VERSIONS, alpn, provider};

/// The files of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsClientFiles {
    /// The authorities that sign the engine's certificate.
    pub authorities: PathBuf,
    /// Doxy's own certificate and its private key, if the engine asks for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// What takes part in a handshake on the client's side. Clones share it.
#[derive(Debug, Clone)]
pub struct TlsClient {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
    warning: Option<String>,
}

/// Whether both are clones of one. What is read from files anew may be something else.
impl PartialEq for TlsClient {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.name == other.name
    }
}

impl TlsClient {
    /// Reads the files and checks that they belong together. `address` is the engine's, `HOST:PORT`:
    /// its certificate must be for that host.
    ///
    /// # Errors
    /// A file is missing, unreadable, or has not in it what it should; the key belongs to another
    /// certificate; the host is neither a name nor an address.
    pub fn read(from: &TlsClientFiles, address: &str) -> Result<Self, TlsFileError> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        // A certificate is for an address without its zone.
        let bare = bare.unwrap_or(host).split('%').next().unwrap_or_default();
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| {
            let what = format!("a certificate cannot be for `{bare}`");
            let help = "name the engine by a DNS name or an IP address that its certificate has";
            TlsFileError::new(TlsFile::Authorities, what, help)
        })?;
        let roots = files::authorities(&from.authorities)?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .map_err(|error| files::mismatch(&error))?
            .with_root_certificates(roots);
        let mut warning = None;
        let mut config = match &from.certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let certificates = files::certificates(TlsFile::Certificate, certificate)?;
                warning = files::not_valid_now(&certificates, SystemTime::now());
                let key = files::key(key)?;
                let config = builder.with_client_auth_cert(certificates, key);
                config.map_err(|error| files::mismatch(&error))?
            }
        };
        config.alpn_protocols = alpn();
        Ok(Self {
            config: Arc::new(config),
            name,
            warning,
        })
    }

    pub(super) fn of(config: Arc<ClientConfig>, name: ServerName<'static>) -> Self {
        Self {
            config,
            name,
            warning: None,
        }
    }

    /// What there is to say about a certificate of doxy's own that is not valid now.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}
