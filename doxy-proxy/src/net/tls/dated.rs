//! Whose the certificates in a file are, and when they are valid: for people to read.

use std::path::Path;
use std::time::SystemTime;

use crate::net::tls::der;
use crate::net::tls::files::{TlsFile, TlsFileError, certificates};

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// In DER.
    pub der: Vec<u8>,
    /// When it begins to be valid.
    pub from: SystemTime,
    /// When it ends.
    pub until: SystemTime,
}

/// The certificates in a PEM file, at least one.
///
/// # Errors
/// The file cannot be read, or one in it cannot.
pub fn dates_in(path: &Path, file: TlsFile) -> Result<Vec<Dated>, TlsFileError> {
    let found = certificates(file, path)?;
    let dated = found.iter().map(|certificate| dated(certificate));
    dated.collect::<Option<_>>().ok_or_else(|| {
        let help = "write the file anew: a certificate in it may be damaged";
        TlsFileError::new(file, "there is a certificate in it without dates", help)
    })
}

/// The certificate in these bytes of DER. None if it cannot be read.
pub fn dated(certificate: &[u8]) -> Option<Dated> {
    let (from, until) = der::validity(certificate)?;
    Some(Dated {
        der: certificate.to_vec(),
        from,
        until,
    })
}
