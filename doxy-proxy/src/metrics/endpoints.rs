//! Which endpoint a request asks for, and the number under which it is counted.
//!
//! Clients ask for the same few paths again and again, so each thread remembers some. What it remembers
//! is what the table says anyway.

use std::cell::RefCell;
use std::sync::LazyLock;

use doxy_filter::api::{Endpoint, endpoint_of, endpoints};

/// What a request asks for, as it is counted.
///
/// It is the number under which it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked(u16);

/// The methods of what is no endpoint, in the order of their numbers. The last stands for all others.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", OTHER,
];
const OTHER: &str = "other";

/// Everything that is counted, by its number: what is no endpoint, then the table.
static ALL: LazyLock<Box<[Option<&'static Endpoint>]>> = LazyLock::new(|| {
    let unknown = METHODS.iter().map(|_| None);
    unknown.chain(endpoints().map(Some)).collect()
});

impl Default for Asked {
    /// What is not known yet.
    fn default() -> Self {
        Self::numbered(METHODS.len() - 1)
    }
}

impl Asked {
    /// What is no endpoint, by this method.
    pub(crate) fn unknown(method: &str) -> Self {
        let known = METHODS.iter().position(|known| *known == method);
        Self::numbered(known.unwrap_or(METHODS.len() - 1))
    }

    pub(crate) fn endpoint(self) -> Option<&'static Endpoint> {
        ALL.get(self.number()).copied().flatten()
    }

    /// The number under which it is counted, below [`Self::count`].
    pub(super) fn number(self) -> usize {
        usize::from(self.0)
    }

    /// How many numbers there are.
    pub(super) fn count() -> usize {
        ALL.len()
    }

    /// Everything that is counted, in the order of the numbers: the method, and the endpoint if it is
    /// one.
    pub(super) fn all() -> impl Iterator<Item = (&'static str, Option<&'static Endpoint>)> {
        let methods = METHODS
            .iter()
            .copied()
            .map(Some)
            .chain(std::iter::repeat(None));
        let all = ALL.iter().zip(methods);
        all.map(|(endpoint, method)| {
            let of_endpoint = endpoint.map(|endpoint| endpoint.method);
            (method.or(of_endpoint).unwrap_or(OTHER), *endpoint)
        })
    }

    fn numbered(number: usize) -> Self {
        Self(u16::try_from(number).unwrap_or_default())
    }

    /// As the table says.
    fn look_up(method: &str, path: &str) -> Self {
        let Some(endpoint) = endpoint_of(method, path) else {
            return Self::unknown(method);
        };
        let same =
            |known: &Option<&'static Endpoint>| known.is_some_and(|it| std::ptr::eq(it, endpoint));
        let number = ALL.iter().position(same);
        Self::numbered(number.unwrap_or(METHODS.len() - 1))
    }
}

/// How many requests a thread remembers: so many as the bits of [`SLOT_BITS`] tell apart.
const REMEMBERED: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 6;
/// The longest method and path that it remembers, in bytes together.
const LONGEST: usize = 108;

/// A request that a thread remembers.
#[derive(Clone, Copy)]
struct Known {
    method: u8,
    path: u8,
    /// The method, and behind it the path.
    text: [u8; LONGEST],
    asked: Asked,
}

impl Known {
    fn is(&self, method: &str, path: &str) -> bool {
        let (first, second) = (usize::from(self.method), usize::from(self.path));
        let of = |from: usize, length: usize| self.text.get(from..from + length);
        of(0, first) == Some(method.as_bytes()) && of(first, second) == Some(path.as_bytes())
    }

    /// None if they are too long.
    fn new(method: &str, path: &str, asked: Asked) -> Option<Self> {
        let mut text = [0; LONGEST];
        let (first, rest) = text.split_at_mut_checked(method.len())?;
        first.copy_from_slice(method.as_bytes());
        rest.get_mut(..path.len())?.copy_from_slice(path.as_bytes());
        Some(Self {
            method: u8::try_from(method.len()).ok()?,
            path: u8::try_from(path.len()).ok()?,
            text,
            asked,
        })
    }
}

/// What a request asks for. `path` is the canonical path.
pub(crate) fn asked(method: &str, path: &str) -> Asked {
    thread_local! {
        static KNOWN: RefCell<Vec<Option<Known>>> = const { RefCell::new(Vec::new()) };
    }
    KNOWN.with_borrow_mut(|known| {
        if known.is_empty() {
            known.resize(REMEMBERED, None);
        }
        let Some(slot) = known.get_mut(slot(method, path)) else {
            return Asked::look_up(method, path);
        };
        match slot {
            Some(known) if known.is(method, path) => known.asked,
            slot => {
                let asked = Asked::look_up(method, path);
                *slot = Known::new(method, path, asked);
                asked
            }
        }
    })
}

/// Where a request is remembered.
fn slot(method: &str, path: &str) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = path.as_bytes().as_chunks::<8>();
    let mut hash = method.len() as u64;
    for word in words {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
        hash ^= hash >> 32;
    }
    let mut last = [0; 8];
    if let Some(start) = last.get_mut(..rest.len()) {
        start.copy_from_slice(rest);
    }
    let hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR);
    (hash >> (u64::BITS - SLOT_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use doxy_filter::api::endpoint_of;

    use super::{Asked, LONGEST, METHODS, asked, slot};

    #[test]
    fn what_is_remembered_is_what_the_table_says() {
        let paths: Vec<_> = (0..500)
            .map(|number| format!("/v1.41/containers/{number}/json"))
            .chain(["/containers/json", "/nothing", "", "/_ping"].map(str::to_owned))
            .chain([format!("/containers/{}/json", "x".repeat(LONGEST))])
            .collect();
        for _ in 0..2 {
            for path in &paths {
                for method in ["GET", "HEAD", "POST", "BREW", ""] {
                    let said = asked(method, path);
                    let table = endpoint_of(method, path);
                    assert_eq!(
                        said.endpoint().map(|it| (it.method, it.template)),
                        table.map(|it| (it.method, it.template)),
                        "{method} {path}"
                    );
                    let (counted, endpoint) = Asked::all().nth(said.number()).unwrap_or_default();
                    assert_eq!(endpoint.map(|it| it.template), table.map(|it| it.template));
                    let expected = table.map_or(method, |it| it.method);
                    let expected = Some(&expected).filter(|it| METHODS.contains(it));
                    assert_eq!(counted, *expected.unwrap_or(&"other"), "{method} {path}");
                }
            }
        }
    }

    #[test]
    fn every_number_is_below_the_count() {
        assert_eq!(Asked::all().count(), Asked::count());
        assert!(Asked::count() > 200);
    }

    #[test]
    fn requests_are_spread() {
        let paths = (0..64).map(|number| format!("/v1.41/containers/{number:012x}/stats"));
        let slots: BTreeSet<_> = paths.map(|path| slot("GET", &path)).collect();
        assert!(slots.len() > 32, "{}", slots.len());
    }
}
