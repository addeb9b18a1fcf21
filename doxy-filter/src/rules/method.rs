//! Sets of request methods.
//!
//! Rules can name seven methods. All others form one class, to which only rules for any method
//! apply. So there are eight classes, whatever methods clients invent.

/// A set of methods, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MethodSet(u8);

/// The methods that a rule may name, in the order of messages.
const NAMED: [(&str, MethodSet); 7] = [
    ("GET", MethodSet::GET),
    ("HEAD", MethodSet::HEAD),
    ("POST", MethodSet(1 << 2)),
    ("PUT", MethodSet(1 << 3)),
    ("PATCH", MethodSet(1 << 4)),
    ("DELETE", MethodSet(1 << 5)),
    ("OPTIONS", MethodSet(1 << 6)),
];

impl MethodSet {
    const GET: Self = Self(1);
    const HEAD: Self = Self(1 << 1);
    /// All methods that no rule can name.
    const OTHER: Self = Self(1 << 7);
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ANY: Self = Self(u8::MAX);
    /// The methods of a rule without a method list.
    pub(crate) const READ: Self = Self::GET.union(Self::HEAD);

    /// The eight classes of methods.
    pub(crate) fn classes() -> impl Iterator<Item = Self> {
        NAMED
            .into_iter()
            .map(|(_, method)| method)
            .chain([Self::OTHER])
    }

    /// The methods that `name` means in a rule. GET includes HEAD, as clients expect.
    pub(crate) fn in_rule(name: &str) -> Option<Self> {
        match name {
            "*" => Some(Self::ANY),
            "GET" => Some(Self::READ),
            _ => NAMED
                .into_iter()
                .find(|(named, _)| *named == name)
                .map(|(_, method)| method),
        }
    }

    /// The class of a request's method.
    pub(crate) fn of_request(name: &str) -> Self {
        NAMED
            .into_iter()
            .find(|(named, _)| *named == name)
            .map_or(Self::OTHER, |(_, method)| method)
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names for a message: `GET, HEAD and POST`.
    pub(crate) fn spoken(self) -> String {
        let mut names = String::new();
        let mut listed = NAMED
            .into_iter()
            .filter(|(_, method)| self.contains(*method))
            .peekable();
        while let Some((name, _)) = listed.next() {
            if !names.is_empty() {
                names.push_str(if listed.peek().is_some() {
                    ", "
                } else {
                    " and "
                });
            }
            names.push_str(name);
        }
        names
    }

    /// The methods in it that a rule can name.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let named = NAMED.into_iter();
        named.filter_map(move |(name, method)| self.contains(method).then_some(name))
    }

    /// A number that tells sets apart.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// The names for a message: `GET, POST`. HEAD is left out if GET is listed.
    pub(crate) fn list(self) -> String {
        let names: Vec<_> = NAMED
            .into_iter()
            .filter(|(_, method)| self.contains(*method))
            .filter(|(_, method)| *method != Self::HEAD || !self.contains(Self::GET))
            .map(|(name, _)| name)
            .collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::MethodSet;

    #[test]
    fn get_brings_head_along_but_not_the_reverse() {
        assert_eq!(MethodSet::in_rule("GET"), Some(MethodSet::READ));
        assert_eq!(MethodSet::in_rule("HEAD"), Some(MethodSet::HEAD));
    }

    #[test]
    fn methods_are_compared_exactly() {
        for name in ["get", "Get", "GETT", "", " GET", "CONNECT"] {
            assert_eq!(MethodSet::in_rule(name), None, "{name}");
            assert_eq!(MethodSet::of_request(name), MethodSet::OTHER, "{name}");
        }
    }

    #[test]
    fn a_request_with_the_method_star_is_no_method_for_all() {
        assert_eq!(MethodSet::of_request("*"), MethodSet::OTHER);
    }

    #[test]
    fn head_is_listed_only_without_get() {
        assert_eq!(MethodSet::READ.list(), "GET");
        assert_eq!(MethodSet::HEAD.list(), "HEAD");
        assert_eq!(
            MethodSet::ANY.list(),
            "GET, POST, PUT, PATCH, DELETE, OPTIONS"
        );
        assert_eq!(MethodSet::NONE.list(), "");
    }

    #[test]
    fn the_last_name_of_a_sentence_follows_an_and() {
        let named = |names: &[&str]| {
            names
                .iter()
                .filter_map(|name| MethodSet::in_rule(name))
                .fold(MethodSet::NONE, MethodSet::union)
                .spoken()
        };
        assert_eq!(named(&[]), "");
        assert_eq!(named(&["HEAD"]), "HEAD");
        assert_eq!(named(&["GET"]), "GET and HEAD");
        assert_eq!(named(&["DELETE", "GET"]), "GET, HEAD and DELETE");
        // A method that no rule can name has no name here either.
        assert_eq!(MethodSet::OTHER.spoken(), "");
    }

    #[test]
    fn the_classes_are_all_methods_without_overlap() {
        let union = MethodSet::classes().fold(MethodSet::NONE, MethodSet::union);
        assert_eq!(union, MethodSet::ANY);
        assert_eq!(MethodSet::classes().count(), 8);
    }
}
