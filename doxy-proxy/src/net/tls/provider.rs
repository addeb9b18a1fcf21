//! What the servers and the clients of TLS have in common: cryptography and versions.

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, ring};

/// What both sides speak, the newest first.
pub(super) const VERSIONS: &[&SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

/// HTTP/1.1 is all that doxy speaks.
pub(super) fn alpn() -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec()]
}

/// The cryptography. Passed on explicitly: the default of the process is not doxy's to set.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
