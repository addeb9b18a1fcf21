//! The target of a request: path and query within it, and the same with a full id in the path.
//!
//! Nothing here knows why an id is put there.

#[cfg(feature = "script")]
use std::ops::Range;

#[cfg(feature = "script")]
use doxy_filter::canonical_path;

use crate::http::malformed::Malformed;

/// Path and query, from origin form or from absolute form with `http`. The engine serves any
/// scheme by its path alone, and cleans `*` and `host:port` into paths.
pub(crate) fn path_and_query(target: &str) -> Result<&str, Malformed> {
    if target.starts_with('/') {
        return Ok(target);
    }
    let (scheme, rest) = target.split_at_checked(7).ok_or(Malformed::Target)?;
    if !scheme.eq_ignore_ascii_case("http://") {
        return Err(Malformed::Target);
    }
    // On a unix socket the authority decides nothing.
    let (_, path_and_query) = rest
        .find(['/', '?'])
        .filter(|end| *end > 0)
        .and_then(|end| rest.split_at_checked(end))
        .ok_or(Malformed::Target)?;
    if path_and_query.starts_with('/') {
        Ok(path_and_query)
    } else {
        Err(Malformed::Target)
    }
}

/// The target with an id in the place of a name. `sent` is path and query, `judged` the canonical
/// path, and `name` the name's place in that. None if the engine would not read the judged path with
/// the id in it.
#[cfg(feature = "script")]
pub(crate) fn with_id(sent: &str, judged: &str, name: &Range<usize>, id: &str) -> Option<String> {
    let put = |text: &str, range: &Range<usize>| {
        let (before, behind) = (text.get(..range.start)?, text.get(range.end..)?);
        Some([before, id, behind].concat())
    };
    let target = put(sent, &sent_range(sent, name))?;
    let path = target.split_once('?').map_or(&*target, |(path, _)| path);
    (canonical_path(path).ok()? == put(judged, name)?).then_some(target)
}

/// Where a part of the decoded path stands in the path as sent.
#[cfg(feature = "script")]
fn sent_range(sent: &str, decoded: &Range<usize>) -> Range<usize> {
    let bytes = sent.as_bytes();
    let behind = |at: usize| match bytes.get(at) {
        Some(b'%') => at + 3,
        _ => at + 1,
    };
    let sent = |decoded: usize| (0..decoded).fold(0, |at, _| behind(at));
    sent(decoded.start)..sent(decoded.end)
}
