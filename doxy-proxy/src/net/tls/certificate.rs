//! The certificate that a client has shown, and rules about it.
//!
//! A certificate comes here only after rustls has checked it: it is signed by the authority that
//! doxy was given, it is valid now, and the client has the key.

use std::fmt;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::net::tls::der;

/// What a client's certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is, as RFC 4514 writes it: `CN=alice,O=ops`. May be empty.
    pub subject: Arc<str>,
    /// The alternative names of it: `dns:NAME` and `uri:URI`.
    pub sans: Arc<[String]>,
    /// The SHA-256 hash of its public key with the key's kind (`SubjectPublicKeyInfo`). It stays the
    /// same when the certificate is renewed with the same key.
    pub spki: [u8; 32],
}

/// A rule about a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateRule {
    /// Its key has this hash.
    Spki([u8; 32]),
    /// One of its alternative names is this DNS name, in lower case.
    Dns(String),
    /// One of its alternative names is this URI.
    Uri(String),
}

impl Certificate {
    /// Reads a certificate that rustls has accepted.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Result<Self, webpki::Error> {
        let certificate = EndEntityCert::try_from(der)?;
        let dns = certificate.valid_dns_names();
        let dns = dns.map(|name| format!("dns:{}", name.to_ascii_lowercase()));
        let uri = certificate
            .valid_uri_names()
            .map(|uri| format!("uri:{uri}"));
        let hash = digest(&SHA256, &certificate.subject_public_key_info());
        let mut spki = [0; 32];
        spki.copy_from_slice(hash.as_ref());
        Ok(Self {
            subject: der::name(certificate.subject()).into(),
            sans: dns.chain(uri).collect(),
            spki,
        })
    }

    /// The hash of its key as 64 hexadecimal digits.
    pub(crate) fn spki_text(&self) -> String {
        der::hex(&self.spki)
    }
}

impl CertificateRule {
    /// Whether the rule holds for this certificate.
    pub(crate) fn holds(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Spki(spki) => certificate.spki == *spki,
            Self::Dns(_) | Self::Uri(_) => certificate.sans.contains(&self.to_string()),
        }
    }
}

impl fmt::Display for CertificateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spki(spki) => write!(f, "spki:{}", der::hex(spki)),
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Uri(uri) => write!(f, "uri:{uri}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Certificate, CertificateRule};

    #[test]
    fn rules_are_exact() {
        let certificate = Certificate {
            subject: "CN=prometheus".into(),
            sans: [
                "dns:prometheus.example".to_owned(),
                "uri:spiffe://a/B".to_owned(),
            ]
            .into(),
            spki: [0xab; 32],
        };
        let dns = |name: &str| CertificateRule::Dns(name.to_owned());
        let uri = |uri: &str| CertificateRule::Uri(uri.to_owned());
        for (rule, holds) in [
            (CertificateRule::Spki([0xab; 32]), true),
            (CertificateRule::Spki([0xac; 32]), false),
            (dns("prometheus.example"), true),
            (dns("example"), false),
            (dns("*.example"), false),
            // A name in the subject is none.
            (dns("prometheus"), false),
            (uri("spiffe://a/B"), true),
            (uri("spiffe://a/b"), false),
            (dns("spiffe://a/B"), false),
        ] {
            assert_eq!(rule.holds(&certificate), holds, "{rule}");
        }
    }
}
