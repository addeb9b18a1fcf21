//! The certificate that all proxies of a comparison show, made anew for each: P-256, self-signed.
//!
//! It only makes files and what a client needs. It must never choose what a proxy offers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS13_AES_128_GCM_SHA256,
};
use rustls::crypto::ring::{default_provider, kx_group};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use crate::http::socket::TlsClient;

/// The name in the certificate.
const NAME: &str = "docker";

/// The files of the certificate, and the client that trusts it.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
    /// Both in one file, for HAProxy.
    pub(super) both: PathBuf,
    pub(super) client: TlsClient,
}

impl Certificate {
    /// Makes a certificate and writes its files into a folder.
    pub(crate) fn make(dir: &Path) -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]);
        let made = made.map_err(io::Error::other)?;
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let [chain_file, key_file, both_file] =
            ["certificate.pem", "key.pem", "both.pem"].map(|name| dir.join(name));
        fs::write(&chain_file, &cert)?;
        fs::write(&key_file, &key)?;
        fs::write(&both_file, format!("{cert}{key}"))?;

        let mut roots = RootCertStore::empty();
        roots
            .add(made.cert.der().clone())
            .map_err(io::Error::other)?;
        Ok(Self {
            chain: chain_file,
            key: key_file,
            both: both_file,
            client: TlsClient {
                config: Arc::new(client(roots)?),
                server: ServerName::try_from(NAME).map_err(io::Error::other)?,
            },
        })
    }
}

/// A client that leaves the proxies no choice, so that all of them do the same: one cipher, one
/// key exchange, a full handshake for each connection.
fn client(roots: RootCertStore) -> io::Result<ClientConfig> {
    let provider = CryptoProvider {
        cipher_suites: vec![
            TLS13_AES_128_GCM_SHA256,
            TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::X25519],
        ..default_provider()
    };
    let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = Resumption::disabled();
    Ok(client)
}
