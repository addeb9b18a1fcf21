//! Reads certificates and keys from PEM files, and says in words what is wrong with one.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, OtherError, RootCertStore};

use crate::net::read::read_file;
use crate::net::reason::io_reason;
use crate::net::tls::der;

/// The longest file, in bytes: all authorities of an operating system are a quarter of it.
const MAX_FILE: u64 = 1 << 20;

/// Which file is wrong. The caller knows which setting names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// The certificate to be shown to the other side.
    Certificate,
    /// Its private key.
    Key,
    /// The authorities that sign the certificates of the other side.
    Authorities,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[error("{what}\nhelp: {help}")]
pub struct TlsFileError {
    /// Which one it is.
    pub file: TlsFile,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: &'static str,
}

impl TlsFileError {
    pub(super) fn new(file: TlsFile, what: impl Into<String>, help: &'static str) -> Self {
        let what = what.into();
        Self { file, what, help }
    }
}

fn read(file: TlsFile, path: &Path) -> Result<Vec<u8>, TlsFileError> {
    read_file(path, MAX_FILE).map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::PermissionDenied => {
                "doxy must be able to read it as the user that it runs as"
            }
            _ => "name a PEM file",
        };
        TlsFileError::new(file, io_reason(&error), help)
    })
}

/// The certificates in a file, at least one.
pub(super) fn certificates(
    file: TlsFile,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let bytes = read(file, path)?;
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| {
        let help = "write the file anew: a part of it may be missing";
        TlsFileError::new(file, format!("this is no PEM file: {error}"), help)
    })?;
    if found.is_empty() {
        let help = "name a PEM file with `-----BEGIN CERTIFICATE-----` in it";
        return Err(TlsFileError::new(
            file,
            "there is no certificate in it",
            help,
        ));
    }
    Ok(found)
}

/// The private key in a file: PKCS#8, PKCS#1 or SEC1.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let bytes = read(TlsFile::Key, path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        let encrypted = bytes
            .windows(ENCRYPTED.len())
            .any(|window| window == ENCRYPTED);
        if encrypted {
            let help = "decrypt it: openssl pkey -in FILE -out NEW";
            let what = "the key is encrypted, and nobody is there to be asked for its passphrase";
            TlsFileError::new(TlsFile::Key, what, help)
        } else {
            let help = "name a PEM file with `-----BEGIN PRIVATE KEY-----` in it";
            TlsFileError::new(TlsFile::Key, "there is no private key in it", help)
        }
    })
}

const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// The authorities in a file.
pub(super) fn authorities(path: &Path) -> Result<Arc<RootCertStore>, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for (number, certificate) in certificates(TlsFile::Authorities, path)?
        .into_iter()
        .enumerate()
    {
        roots.add(certificate).map_err(|error| {
            let number = number + 1;
            let what = format!(
                "certificate {number} in it cannot be used: {}",
                words(&error)
            );
            let help = "name the certificates of the authorities, in PEM";
            TlsFileError::new(TlsFile::Authorities, what, help)
        })?;
    }
    Ok(Arc::new(roots))
}

/// What is wrong with a certificate and its key.
pub(super) fn mismatch(error: &rustls::Error) -> TlsFileError {
    match error {
        rustls::Error::InconsistentKeys(_) => TlsFileError::new(
            TlsFile::Key,
            "this key does not belong to the certificate",
            "name the key that the certificate was made for; the certificate comes first in its file",
        ),
        rustls::Error::InvalidCertificate(bad) if is_of_old_version(bad) => TlsFileError::new(
            TlsFile::Certificate,
            "the certificate is of version 1",
            "make it version 3: openssl x509 -req with -extfile",
        ),
        rustls::Error::InvalidCertificate(_) => TlsFileError::new(
            TlsFile::Certificate,
            format!("the certificate cannot be used: {}", words(error)),
            "name a certificate in PEM, with those that lead to its authority",
        ),
        _ => TlsFileError::new(
            TlsFile::Key,
            format!("the key cannot be used: {}", words(error)),
            "make a new one: ECDSA (P-256 or P-384), Ed25519, or RSA with at least 2048 bits",
        ),
    }
}

/// What there is to say about a certificate that is not valid now: that is no error, since a clock may
/// be wrong and the certificate may be replaced.
pub(super) fn not_valid_now(
    certificates: &[CertificateDer<'_>],
    now: SystemTime,
) -> Option<String> {
    let (from, until) = der::validity(certificates.first()?)?;
    let date = |time| humantime::format_rfc3339_seconds(time);
    if now > until {
        Some(format!("the certificate expired on {}", date(until)))
    } else if now < from {
        Some(format!(
            "the certificate is not valid before {}",
            date(from)
        ))
    } else {
        None
    }
}

/// When the certificate ends that comes first.
pub(super) fn end(certificates: &[CertificateDer<'_>]) -> Option<SystemTime> {
    Some(der::validity(certificates.first()?)?.1)
}

/// OpenSSL makes such certificates unless it is given extensions.
fn is_of_old_version(bad: &CertificateError) -> bool {
    let CertificateError::Other(OtherError(error)) = bad else {
        return false;
    };
    matches!(
        error.downcast_ref(),
        Some(webpki::Error::UnsupportedCertVersion)
    )
}

/// An error of rustls in words.
pub(crate) fn words(error: &rustls::Error) -> String {
    use rustls::{AlertDescription as Alert, CertificateError as Bad, Error};
    let text = match error {
        Error::NoCertificatesPresented => "it showed no certificate",
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            "its certificate is not valid yet"
        }
        Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            "its certificate is not signed by an authority that doxy knows"
        }
        Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "its certificate is for another name"
        }
        Error::InvalidCertificate(Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. }) => {
            "its certificate is for another purpose"
        }
        Error::InvalidCertificate(bad) if is_of_old_version(bad) => {
            "its certificate is of version 1; make it version 3 (openssl x509 -req with -extfile)"
        }
        Error::InvalidCertificate(Bad::BadEncoding) => "its certificate cannot be read",
        Error::InvalidCertificate(Bad::Other(OtherError(error))) => {
            return format!("its certificate cannot be used: {error}");
        }
        Error::AlertReceived(
            Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::UnsupportedCertificate,
        ) => "it does not accept doxy's certificate",
        Error::AlertReceived(Alert::CertificateRequired) => "it wants a certificate of doxy",
        Error::NoApplicationProtocol => "it speaks no HTTP/1.1",
        Error::PeerIncompatible(_) => "it has no version of TLS or cipher that doxy has",
        other => return other.to_string(),
    };
    text.to_owned()
}
