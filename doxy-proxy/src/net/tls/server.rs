//! Doxy as a server of TLS: its certificate, and whose certificates it asks for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::WebPkiClientVerifier;

use crate::net::tls::files::{self, TlsFile, TlsFileError};
use crate::net::tls::provider::{VERSIONS, alpn, provider};

/// The files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsServerFiles {
    /// Its certificate, and those that lead to the authority.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// The authorities of the clients. If there are any, every client has to show a certificate.
    pub client_authorities: Option<PathBuf>,
}

/// What takes part in a handshake on the server's side. Clones share it.
#[derive(Debug, Clone)]
pub struct TlsServer {
    pub(crate) config: Arc<ServerConfig>,
    warning: Option<String>,
    ends: Option<SystemTime>,
}

impl TlsServer {
    /// Reads the files and checks that they belong together.
    ///
    /// # Errors
    /// A file is missing, unreadable, or has not in it what it should; the key belongs to another
    /// certificate.
    pub fn read(from: &TlsServerFiles) -> Result<Self, TlsFileError> {
        let certificates = files::certificates(TlsFile::Certificate, &from.certificate)?;
        let warning = files::not_valid_now(&certificates, SystemTime::now());
        let ends = files::end(&certificates);
        let key = files::key(&from.key)?;
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(VERSIONS)
            .map_err(|error| files::mismatch(&error))?;
        let builder = match &from.client_authorities {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = files::authorities(path)?;
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
                let verifier = verifier.map_err(|error| {
                    let help = "name the certificates of the authorities, in PEM";
                    TlsFileError::new(TlsFile::Authorities, error.to_string(), help)
                })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder.with_single_cert(certificates, key);
        let mut config = config.map_err(|error| files::mismatch(&error))?;
        config.alpn_protocols = alpn();
        // One is all that a client uses, and it may have the client's certificate in it.
        config.send_tls13_tickets = 1;
        // Its keys are made anew with every configuration: who has another authority now has no use
        // of an old ticket.
        config.ticketer = Ticketer::new().map_err(|error| files::mismatch(&error))?;
        Ok(Self {
            config: Arc::new(config),
            warning,
            ends,
        })
    }

    /// What there is to say about a certificate that is not valid now.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// When its certificate ends.
    pub fn ends(&self) -> Option<SystemTime> {
        self.ends
    }
}
