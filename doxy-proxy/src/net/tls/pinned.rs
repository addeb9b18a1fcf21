//! A client that trusts one certificate and no other, whoever has signed it: doxy's own, which the tools know
//! from its file, or have just been shown. None of it is for a way that a client's bytes go.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};

use crate::net::tls::client::TlsClient;
use crate::net::tls::files::{self, TlsFile, TlsFileError};
use crate::net::tls::provider::{VERSIONS, alpn, provider};

impl TlsClient {
    /// For the server that has the key of the first certificate in this file. Neither its name nor its dates
    /// are looked at.
    ///
    /// # Errors
    /// The file is missing, unreadable, or has no certificate in it.
    pub fn pinned(certificate: &Path) -> Result<Self, TlsFileError> {
        let found = files::certificates(TlsFile::Certificate, certificate)?;
        Self::trusting(found.into_iter().next())
    }

    /// The same for a certificate that a server has just shown, in DER.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn pinned_to(shown: Vec<u8>) -> Result<Self, TlsFileError> {
        Self::trusting(Some(shown.into()))
    }

    fn trusting(trusted: Option<CertificateDer<'static>>) -> Result<Self, TlsFileError> {
        let pinned = Arc::new(Pinned::new(trusted));
        let config = config(pinned).map_err(|error| files::mismatch(&error))?;
        // Servers take it for somebody who has no name for them.
        let name = ServerName::from(std::net::Ipv4Addr::LOCALHOST);
        Ok(Self::of(Arc::new(config), name))
    }
}

/// A client that leaves it to this to trust a server.
pub(super) fn config(pinned: Arc<Pinned>) -> Result<ClientConfig, rustls::Error> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(pinned);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = alpn();
    Ok(config)
}

/// Trusts the server that has one certificate, or nobody, and remembers what was shown.
#[derive(Debug)]
pub(super) struct Pinned {
    trusted: Option<CertificateDer<'static>>,
    shown: OnceLock<Vec<u8>>,
}

impl Pinned {
    pub(super) fn new(trusted: Option<CertificateDer<'static>>) -> Self {
        Self {
            trusted,
            shown: OnceLock::new(),
        }
    }

    /// The certificate of the server, in DER, once it has shown it.
    pub(super) fn shown(&self) -> Option<&[u8]> {
        self.shown.get().map(Vec::as_slice)
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let _ = self.shown.set(certificate.to_vec());
        match self.trusted.as_deref() == Some(certificate) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
