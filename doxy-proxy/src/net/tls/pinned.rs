//! A client that trusts one certificate and no other, whoever has signed it: doxy's own, which the tools know
//! from its file.

use std::path::Path;
use std::sync::Arc;

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
        let pinned = found.into_iter().next();
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .map_err(|error| files::mismatch(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned(pinned)));
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = alpn();
        // Servers take it for somebody who has no name for them.
        let name = ServerName::from(std::net::Ipv4Addr::LOCALHOST);
        Ok(Self::of(Arc::new(config), name))
    }
}

/// The certificate that is trusted.
#[derive(Debug)]
struct Pinned(Option<CertificateDer<'static>>);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.as_deref() == Some(certificate) {
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
