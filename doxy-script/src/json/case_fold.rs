//! Keys compared as Go's `encoding/json` compares them to the fields of a struct.
//!
//! All of the engine's field names are ASCII. Under Unicode's simple folding two characters beyond ASCII are
//! equal to an ASCII letter: `ſ` (U+017F) to `s`, and the Kelvin sign (U+212A) to `k`.

/// Whether Go takes both for the name of the same field.
pub(crate) fn same_field(one: &str, other: &str) -> bool {
    if differ_at_once(one, other) {
        return false;
    }
    // Beyond ASCII only the two characters above fold to a letter.
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    one.chars().map(fold).eq(other.chars().map(fold))
}

/// Whether two names are told apart by their first letters, as most are.
#[inline]
pub(super) fn differ_at_once(one: &str, other: &str) -> bool {
    match (one.bytes().next(), other.bytes().next()) {
        (Some(one), Some(other)) => {
            one.is_ascii() && other.is_ascii() && !one.eq_ignore_ascii_case(&other)
        }
        _ => false,
    }
}

/// The folded form of a key. Keys that Go takes for the same field have the same form.
pub(crate) fn folded(key: &str) -> String {
    key.chars().map(fold).collect()
}

fn fold(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::same_field;

    #[test]
    fn what_go_takes_for_one_field() {
        for (one, other, same) in [
            ("HostConfig", "HostConfig", true),
            ("HostConfig", "hostCONFIG", true),
            ("HostConfig", "Ho\u{17f}tConfig", true),
            ("NetworkMode", "Networ\u{212a}Mode", true),
            ("HostConfig", "HostConfi", false),
            ("Binds", "B\u{131}nds", false),
            ("Privileged", "Prıvileged", false),
            ("K", "\u{212a}", true),
            ("Sysctls", "\u{17f}ysctls", true),
            ("\u{17f}ysctls", "sysctls", true),
            ("Sysctls", "Xysctls", false),
            ("", "", true),
            ("", "K", false),
        ] {
            assert_eq!(same_field(one, other), same, "{one} {other}");
        }
    }
}
