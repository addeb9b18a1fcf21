//! Certificates for tests: an authority, and what it signs, as files.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use doxy_proxy::{TlsClient, TlsClientFiles, TlsServer, TlsServerFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

/// An authority, and the folder with its files: `ca`, and `NAME` and `NAME-key` of each name.
pub(crate) struct Certificates {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca"), certificate.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { folder, issuer }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a certificate for these names, the first of which is also that of its files.
    pub(crate) fn certify(&self, names: &[&str]) -> &Self {
        self.certify_from(names, |_| {})
    }

    /// The same, valid from one day to another: days from now.
    pub(crate) fn certify_days(&self, names: &[&str], from: i64, until: i64) -> &Self {
        let now = SystemTime::now();
        let day = |days: i64| {
            let far = Duration::from_secs(days.unsigned_abs() * 24 * 60 * 60 + 60 * 60);
            if days < 0 { now - far } else { now + far }
        };
        self.certify_from(names, |params| {
            (params.not_before, params.not_after) = (day(from).into(), day(until).into());
        })
    }

    fn certify_from(&self, names: &[&str], change: impl Fn(&mut CertificateParams)) -> &Self {
        let all: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(all).unwrap();
        change(&mut params);
        params.distinguished_name.push(DnType::CommonName, names[0]);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path(names[0]), certificate.pem()).unwrap();
        fs::write(self.key(names[0]), key.serialize_pem()).unwrap();
        self
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}-key"))
    }

    pub(crate) fn server(&self, name: &str, asks: bool) -> TlsServer {
        TlsServer::read(&TlsServerFiles {
            certificate: self.path(name),
            key: self.key(name),
            client_authorities: asks.then(|| self.path("ca")),
        })
        .unwrap()
    }

    /// For doxy as a client of `address`.
    pub(crate) fn client(&self, name: Option<&str>, address: &str) -> TlsClient {
        let files = TlsClientFiles {
            authorities: self.path("ca"),
            certificate: name.map(|name| (self.path(name), self.key(name))),
        };
        TlsClient::read(&files, address).unwrap()
    }

    /// A client of a test's own.
    pub(crate) fn connection(
        &self,
        name: Option<&str>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConnection {
        let config = self.config(name, versions);
        ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap()
    }

    /// What several connections of such a client have in common.
    pub(crate) fn config(
        &self,
        name: Option<&str>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.path("ca")).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match name {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let certificate = CertificateDer::from_pem_file(self.path(name)).unwrap();
                let key = PrivateKeyDer::from_pem_file(self.key(name)).unwrap();
                builder
                    .with_client_auth_cert(vec![certificate], key)
                    .unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}
