//! What all forms of the report say of endpoints.

use doxy_filter::api::Risk;
use doxy_filter::{Access, Coverage};

/// What is open, and by how many endpoints.
pub(super) fn opened(endpoints: &[Coverage]) -> impl Iterator<Item = (Risk, usize)> {
    let open = |risk| {
        let rows = endpoints.iter().filter(|row| row.access != Access::Denied);
        rows.filter(|row| row.endpoint.risks.contains(&risk))
            .count()
    };
    let all = Risk::ALL.into_iter().map(move |risk| (risk, open(risk)));
    all.filter(|(_, count)| *count > 0)
}
