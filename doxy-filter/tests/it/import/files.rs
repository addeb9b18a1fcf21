//! Files of variables.

use doxy_filter::import::env_file;

#[test]
fn files_of_variables() {
    let text =
        "# proxy\n\nCONTAINERS=1\nexport POST = \"0\" \nSP_ALLOW_GET='/a|/b' \nX=/v[$]x$$ # note\n";
    let read = env_file::read(".env", text).unwrap();
    let pairs: Vec<_> = read
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        pairs,
        ["CONTAINERS=1", "POST=0", "SP_ALLOW_GET=/a|/b", "X=/v[$]x$"]
    );
    for (text, expected) in [
        ("A=1\nCONTAINERS", ".env:2: `CONTAINERS`: not NAME=VALUE"),
        ("A=${B:-1}", ".env:1: `${B:-1}` refers to a variable"),
        ("A=$B", ".env:1: `$B` refers to a variable"),
    ] {
        let error = env_file::read(".env", text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
