//! Certificates for tests, as files; what is said of files that cannot be used.

mod handshake;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::ParsedCertificate;

use super::client::{TlsClient, TlsClientFiles};
use super::files::{TlsFile, TlsFileError, words};
use super::server::{TlsServer, TlsServerFiles};

type Tried<T> = Result<T, Box<dyn Error>>;

/// An authority, and files in a folder.
struct Files {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Tried<Self> {
        let folder = tempfile::tempdir()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let key = KeyPair::generate()?;
        fs::write(folder.path().join("ca"), params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        Ok(Self { folder, issuer })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `NAME` and `NAME-key`.
    fn certify(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Tried<()> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate()?;
        fs::write(self.path(name), params.signed_by(&key, &self.issuer)?.pem())?;
        fs::write(self.path(&format!("{name}-key")), key.serialize_pem())?;
        Ok(())
    }

    fn server_files(&self, name: &str, authorities: Option<&str>) -> TlsServerFiles {
        TlsServerFiles {
            certificate: self.path(name),
            key: self.path(&format!("{name}-key")),
            client_authorities: authorities.map(|name| self.path(name)),
        }
    }

    fn client(&self, name: Option<&str>, address: &str) -> Result<TlsClient, TlsFileError> {
        let certificate = name.map(|name| (self.path(name), self.path(&format!("{name}-key"))));
        let files = TlsClientFiles {
            authorities: self.path("ca"),
            certificate,
        };
        TlsClient::read(&files, address)
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_in_words() -> Tried<()> {
    let files = Files::new()?;
    files.certify("engine.test", |_| {})?;
    files.certify("other.test", |_| {})?;
    let good = files.server_files("engine.test", Some("ca"));
    let key = fs::read_to_string(&good.key)?;
    fs::write(files.path("empty"), "")?;
    fs::write(files.path("cut"), key.get(..60).unwrap_or_default())?;
    fs::write(
        files.path("locked"),
        key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
    )?;
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(files.path("bad"), bad)?;
    let with = |part: TlsFile, name: &str| {
        let mut files_of = good.clone();
        let path = files.path(name);
        match part {
            TlsFile::Certificate => files_of.certificate = path,
            TlsFile::Key => files_of.key = path,
            TlsFile::Authorities => files_of.client_authorities = Some(path),
        }
        TlsServer::read(&files_of)
    };
    for (part, name, blamed, what) in [
        (
            TlsFile::Certificate,
            "none",
            TlsFile::Certificate,
            "no such file",
        ),
        (
            TlsFile::Certificate,
            ".",
            TlsFile::Certificate,
            "not a file",
        ),
        (
            TlsFile::Certificate,
            "empty",
            TlsFile::Certificate,
            "no certificate in it",
        ),
        (
            TlsFile::Certificate,
            "engine.test-key",
            TlsFile::Certificate,
            "no certificate in it",
        ),
        (
            TlsFile::Certificate,
            "bad",
            TlsFile::Certificate,
            "cannot be used",
        ),
        (
            TlsFile::Certificate,
            "other.test",
            TlsFile::Key,
            "does not belong to the certificate",
        ),
        (TlsFile::Key, "none", TlsFile::Key, "no such file"),
        (
            TlsFile::Key,
            "engine.test",
            TlsFile::Key,
            "no private key in it",
        ),
        (TlsFile::Key, "cut", TlsFile::Key, "no private key in it"),
        (TlsFile::Key, "locked", TlsFile::Key, "the key is encrypted"),
        (
            TlsFile::Key,
            "other.test-key",
            TlsFile::Key,
            "does not belong to the certificate",
        ),
        (
            TlsFile::Authorities,
            "none",
            TlsFile::Authorities,
            "no such file",
        ),
        (
            TlsFile::Authorities,
            "empty",
            TlsFile::Authorities,
            "no certificate in it",
        ),
        (
            TlsFile::Authorities,
            "bad",
            TlsFile::Authorities,
            "certificate 1 in it cannot be used",
        ),
    ] {
        let error = with(part, name).err().ok_or(name)?;
        let text = error.to_string();
        assert_eq!(error.file, blamed, "{name}: {text}");
        assert!(text.contains(what), "{name}: {text}");
        assert_eq!(text.lines().count(), 2, "{text}");
    }
    assert!(files.client(None, "no name at all:1").is_err());
    assert_eq!(TlsServer::read(&good)?.warning(), None);
    Ok(())
}

/// Made by `openssl x509 -req` without extensions.
const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBHzCBxwIUA3M+zhNqGVRKlpn++NPwrokZd5QwCgYIKoZIzj0EAwIwFzEVMBMG\n\
A1UEAwwMZG94eS1jbGllbnRzMCAXDTI2MTEyNzEwMDgyNFoYDzIxMjYxMTAzMTAw\n\
ODI0WjANMQswCQYDVQQDDAJjaTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMpa\n\
lTxEaVHFLmOuO65zUJ/nFAVIZEQuwBslpdWbFDbSC/mwQZ+9K3+UkGr3hB2kPC3k\n\
NSoQpD8OY3ut011TWD4wCgYIKoZIzj0EAwIDRwAwRAIgUAllNVqc0wWsm70HtRVP\n\
dP8OVibDlv8GuYrn53qaoQYCID8YkRJPRUuigwLEQvs3esGb5v2OZDOgw/mDiP8K\n\
fb7y\n\
-----END CERTIFICATE-----\n";

#[test]
fn a_certificate_of_version_1_is_called_that() -> Tried<()> {
    let files = Files::new()?;
    files.certify("old.test", |_| {})?;
    fs::write(files.path("old.test"), VERSION_1)?;
    let expected = "the certificate is of version 1\n\
                    help: make it version 3: openssl x509 -req with -extfile";
    let server = TlsServer::read(&files.server_files("old.test", None));
    let client = files.client(Some("old.test"), "localhost:1");
    for error in [server.err(), client.err()] {
        let error = error.ok_or("it was taken")?;
        assert_eq!(
            (error.file, error.to_string().as_str()),
            (TlsFile::Certificate, expected)
        );
    }
    // What a server says of a client's.
    let certificate = CertificateDer::from_pem_slice(VERSION_1.as_bytes())?;
    let error = ParsedCertificate::try_from(&certificate).err();
    assert_eq!(
        words(&error.ok_or("it was taken")?),
        "its certificate is of version 1; make it version 3 (openssl x509 -req with -extfile)"
    );
    Ok(())
}

#[test]
fn a_certificate_that_is_not_valid_now_is_warned_of() -> Tried<()> {
    let files = Files::new()?;
    let soon = SystemTime::now() + Duration::from_secs(86_400);
    files.certify("late.test", |params| {
        params.not_after = rcgen::date_time_ymd(2020, 2, 29);
    })?;
    files.certify("early.test", |params| {
        params.not_before = soon.into();
    })?;
    for (name, expected) in [
        (
            "late.test",
            "the certificate expired on 2020-02-29T00:00:00Z",
        ),
        ("early.test", "the certificate is not valid before "),
    ] {
        let server = TlsServer::read(&files.server_files(name, None))?;
        let warning = server.warning().unwrap_or_default();
        assert!(warning.starts_with(expected), "{warning}");
        let client = files.client(Some(name), "localhost:1")?;
        assert!(client.warning().is_some(), "{name}");
    }
    Ok(())
}
