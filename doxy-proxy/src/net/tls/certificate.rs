//! The certificate that a client has shown, and rules about it.
//!
//! A certificate comes here only after rustls has checked it: it is signed by the authority that
//! doxy was given, it is valid now, and the client has the key.

use std::fmt;
use std::str::FromStr;
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
    /// One of its alternative names is this DNS name.
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

/// `spki:` and 64 hexadecimal digits, `dns:NAME`, or `uri:URI`.
impl FromStr for CertificateRule {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("spki", digits)) => hash(digits)
                .map(Self::Spki)
                .ok_or("a hash has 64 hexadecimal digits"),
            Some(("dns" | "uri", "")) => Err("the name is empty"),
            Some(("dns", name)) => Ok(Self::Dns(name.to_ascii_lowercase())),
            Some(("uri", uri)) => Ok(Self::Uri(uri.to_owned())),
            _ => Err("a rule begins with `spki:`, `dns:` or `uri:`"),
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

fn hash(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::{Certificate, CertificateRule};

    #[test]
    fn rules_are_exact() -> Result<(), &'static str> {
        let certificate = Certificate {
            subject: "CN=prometheus".into(),
            sans: [
                "dns:prometheus.example".to_owned(),
                "uri:spiffe://a/B".to_owned(),
            ]
            .into(),
            spki: [0xab; 32],
        };
        let spki = format!("spki:{}", "aB".repeat(32));
        for (rule, holds) in [
            (spki.as_str(), true),
            (&format!("spki:{}", "ac".repeat(32)), false),
            ("dns:prometheus.example", true),
            ("dns:Prometheus.Example", true),
            ("dns:example", false),
            ("dns:*.example", false),
            // A name in the subject is none.
            ("dns:prometheus", false),
            ("uri:spiffe://a/B", true),
            ("uri:spiffe://a/b", false),
            ("dns:spiffe://a/B", false),
        ] {
            assert_eq!(
                rule.parse::<CertificateRule>()?.holds(&certificate),
                holds,
                "{rule}"
            );
        }
        for wrong in [
            "",
            "prometheus",
            "cn:prometheus",
            "spki:ab",
            "dns:",
            "spki:",
        ] {
            assert!(wrong.parse::<CertificateRule>().is_err(), "{wrong}");
        }
        let signs = format!("spki:+{}", "a".repeat(63));
        assert!(signs.parse::<CertificateRule>().is_err());
        Ok(())
    }
}
