//! Users, capabilities and security options of a container, as the engine reads them.
//!
//! The engine knows several spellings of each. A policy that compares the text as sent misses some.

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// The greatest user and group that the engine takes.
const MAX_ID: i64 = i32::MAX as i64;

/// `UID:GID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct User {
    uid: i64,
    gid: i64,
}

/// An entry of `SecurityOpt`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SecurityOption {
    name: ImmutableString,
    value: ImmutableString,
}

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<User>("user")
        .register_fn("user", |text: &str| -> Result<User> {
            user(text).ok_or_else(|| {
                format!("`{text}` is not a user as UID:GID, both in digits and above 0").into()
            })
        })
        // Without a user a container runs as root, or as its image says.
        .register_fn("user", |(): ()| -> Result<User> {
            Err("no user is set: it has to be UID:GID, both in digits and above 0".into())
        })
        .register_get("uid", |user: &mut User| user.uid)
        .register_get("gid", |user: &mut User| user.gid)
        .register_fn("capability", |text: &str| -> Result<String> {
            capability(text).ok_or_else(|| format!("`{text}` is not a capability").into())
        })
        .register_fn("capability", |(): ()| ())
        .register_type_with_name::<SecurityOption>("security option")
        .register_fn("security_opt", |text: &str| -> Result<Dynamic> {
            match security_opt(text) {
                Some(option) => Ok(Dynamic::from(option)),
                None => Err(format!("`{text}` is not a security option").into()),
            }
        })
        .register_fn("security_opt", |(): ()| ())
        .register_get("name", |option: &mut SecurityOption| option.name.clone())
        .register_get("value", |option: &mut SecurityOption| option.value.clone());
}

/// Reads `UID:GID`. Nothing else has one meaning: a name means what the image says, and a user
/// without a group gets the groups that the image gives it.
fn user(text: &str) -> Option<User> {
    let (uid, gid) = text.split_once(':')?;
    Some(User {
        uid: id(uid)?,
        gid: id(gid)?,
    })
}

fn id(text: &str) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse()
        .ok()
        .filter(|id| digits && (1..=MAX_ID).contains(id))
}

/// A capability in capitals and without `CAP_`. The engine makes capitals of all letters, also of
/// some beyond ASCII, which no capability has.
fn capability(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let capitals = text.to_ascii_uppercase();
    let name = capitals.strip_prefix("CAP_").unwrap_or(&capitals);
    // `CAP_ALL` is no capability; `ALL` is every one.
    let is_name = !name.is_empty() && text.bytes().all(plain) && capitals != "CAP_ALL";
    is_name.then(|| name.to_owned())
}

/// Reads an entry of `SecurityOpt`: `name=value`, or `name:value` if there is no `=`.
fn security_opt(text: &str) -> Option<SecurityOption> {
    let (name, value) = match text {
        "no-new-privileges" => (text, "true"),
        "disable" => ("label", text),
        _ => text.split_once('=').or_else(|| text.split_once(':'))?,
    };
    let value = match (name, value) {
        ("no-new-privileges", "1" | "t" | "T" | "true" | "TRUE" | "True") => "true",
        ("no-new-privileges", "0" | "f" | "F" | "false" | "FALSE" | "False") => "false",
        ("no-new-privileges", _) => return None,
        (_, other) => other,
    };
    Some(SecurityOption {
        name: name.into(),
        value: value.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::{capability, security_opt, user};

    #[test]
    fn a_user_is_two_numbers_above_zero() {
        for (text, expected) in [
            ("1000:1000", Some((1000, 1000))),
            ("1:2147483647", Some((1, 2_147_483_647))),
            ("1000", None),
            ("1000:", None),
            (":1000", None),
            ("", None),
            (":", None),
            ("0:1000", None),
            ("1000:0", None),
            ("00:1000", None),
            ("01000:1000", None),
            ("+1000:1000", None),
            ("1000:+1000", None),
            ("-1:1000", None),
            ("1000:-1", None),
            ("1000:1000:1000", None),
            ("root:root", None),
            ("1000:docker", None),
            (" 1000:1000", None),
            ("1000:1000 ", None),
            ("1000: 1000", None),
            ("1e3:1000", None),
            ("0x3e8:1000", None),
            ("1_000:1000", None),
            ("2147483648:1000", None),
            ("4294967296:1000", None),
            ("18446744073709551617:1000", None),
            ("\u{661}:1", None),
            ("1000:1000\0", None),
        ] {
            let found = user(text).map(|user| (user.uid, user.gid));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_capability_has_one_spelling() {
        for (text, expected) in [
            ("SYS_ADMIN", Some("SYS_ADMIN")),
            ("CAP_SYS_ADMIN", Some("SYS_ADMIN")),
            ("cap_sys_admin", Some("SYS_ADMIN")),
            ("Cap_Sys_Admin", Some("SYS_ADMIN")),
            ("sys_admin", Some("SYS_ADMIN")),
            ("ALL", Some("ALL")),
            ("all", Some("ALL")),
            ("CAP_ALL", None),
            ("cap_all", None),
            ("", None),
            ("CAP_", None),
            ("SYS_ADMIN ", None),
            ("SYS-ADMIN", None),
            ("\u{17f}ys_admin", None),
            ("SYS_ADM\u{131}N", None),
        ] {
            assert_eq!(capability(text).as_deref(), expected, "{text}");
        }
    }

    /// As `parseSecurityOpt` of the engine reads them.
    #[test]
    fn a_security_option_has_a_name_and_a_value() {
        for (text, expected) in [
            ("seccomp=unconfined", Some(("seccomp", "unconfined"))),
            ("seccomp:unconfined", Some(("seccomp", "unconfined"))),
            ("seccomp={\"a\":1}", Some(("seccomp", "{\"a\":1}"))),
            ("no-new-privileges", Some(("no-new-privileges", "true"))),
            (
                "no-new-privileges:true",
                Some(("no-new-privileges", "true")),
            ),
            ("no-new-privileges=1", Some(("no-new-privileges", "true"))),
            (
                "no-new-privileges=false",
                Some(("no-new-privileges", "false")),
            ),
            ("no-new-privileges:F", Some(("no-new-privileges", "false"))),
            ("no-new-privileges=yes", None),
            ("no-new-privileges=", None),
            ("label=disable", Some(("label", "disable"))),
            ("label:type:svirt_t", Some(("label", "type:svirt_t"))),
            ("label=type:svirt_t", Some(("label", "type:svirt_t"))),
            ("disable", Some(("label", "disable"))),
            ("apparmor=unconfined", Some(("apparmor", "unconfined"))),
            ("apparmor:a=b", Some(("apparmor:a", "b"))),
            (
                "systempaths=unconfined",
                Some(("systempaths", "unconfined")),
            ),
            ("SECCOMP=unconfined", Some(("SECCOMP", "unconfined"))),
            ("seccomp", None),
            ("", None),
        ] {
            let found = security_opt(text);
            let found = found.as_ref().map(|option| (&*option.name, &*option.value));
            assert_eq!(found, expected, "{text}");
        }
    }
}
