//! The macros in which the table is written. A file that uses them imports the types that they
//! name.

/// `groups! { Docker containers { ROW… } … }`: groups of endpoints, each named after
/// the first segment of its paths. The format of a row:
///
/// ```text
/// METHOD "TEMPLATE" FIRST[..=LAST] ANSWER [reads BODY] ["QUERY PARAMETERS"] [RISKS] [does EFFECT];
/// ```
///
/// A group that only some versions serve lists their first characters: `manifests versions "0123" {
/// … }`.
macro_rules! groups {
    ($api:ident $($folder:ident $(versions $versions:literal)? { $($rows:tt)* })*) => {
        &[$(Group {
            folder: stringify!($folder),
            versions: groups!(@or "0123456789" $($versions)?),
            endpoints: &endpoints! { $api $($rows)* },
        }),*]
    };
    (@or $default:literal) => { $default };
    (@or $default:literal $given:literal) => { $given };
}

/// The rows of a group.
macro_rules! endpoints {
    ($api:ident $(
        $method:ident $template:literal $first:literal $(..=$last:literal)? $answer:ident
        $(reads $body:ident $(($schema:ident))?)? $($query:literal)? [$($risk:ident)*]
        $(does $effect:ident)?;
    )*) => {
        [$(Endpoint {
            api: Api::$api,
            method: stringify!($method),
            verb: Method::new(stringify!($method)),
            template: $template,
            first: Version::new(stringify!($first)),
            last: endpoints!(@option $(Version::new(stringify!($last)))?),
            answer: Answer::$answer,
            body: endpoints!(@body $($body $(($schema))?)?),
            risks: &[$(Risk::$risk),*],
            effect: endpoints!(@option $(Effect::$effect)?),
            query: concat!($($query)?),
            path: Template::new($template),
        }),*]
    };
    (@option) => { None };
    (@option $given:expr) => { Some($given) };
    (@body) => { Body::None };
    (@body Json($schema:ident)) => { Body::Json(&schema::$schema) };
    (@body $body:ident) => { Body::$body };
}

pub(super) use {endpoints, groups};
