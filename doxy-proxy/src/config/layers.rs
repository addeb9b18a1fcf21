//! Layers of settings: what was given where, and which of them holds.
//!
//! A layer has only what was given there. The defaults lie below all of them.

use std::collections::BTreeMap;

use crate::config::keys;
use crate::config::settings::{Origin, Setting};
use crate::config::users::Users;

/// What was given in one place: on the command line and in variables, at the top of the file, or in
/// the table of a socket.
#[derive(Debug, Default)]
pub(crate) struct Layer(BTreeMap<&'static str, Vec<Setting>>);

impl Layer {
    /// Adds a setting. Of a list each value is one.
    pub(crate) fn add(&mut self, setting: Setting) {
        self.0.entry(setting.key()).or_default().push(setting);
    }

    /// Adds a setting in the place of what was given for its key.
    pub(super) fn replace(&mut self, setting: Setting) {
        self.0.insert(setting.key(), vec![setting]);
    }

    /// Takes what an option gave for a key out. What a variable gave stays.
    pub(super) fn take_option(&mut self, key: &str) -> Option<Setting> {
        let option = |setting: &Setting| matches!(setting.origin(), Origin::Option);
        self.0.get(key)?.iter().any(option).then_some(())?;
        self.0.remove(key)?.pop()
    }

    /// All that was given for a key.
    pub(super) fn get(&self, key: &str) -> &[Setting] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// The first setting of each key.
    pub(super) fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.0.values().filter_map(|values| values.first())
    }
}

/// The layers that lie over each other for one socket, or for the process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layers<'a> {
    /// The socket's own table.
    pub(super) table: Option<&'a Layer>,
    /// Options and variables.
    pub(super) given: &'a Layer,
    /// The top of the file.
    pub(super) top: Option<&'a Layer>,
    /// Who is meant by a name.
    pub(super) users: &'a Users,
}

/// A socket's name, if it has a table, and its layers.
pub(super) type Stack<'a> = (Option<&'a str>, Layers<'a>);

impl<'a> Layers<'a> {
    /// What holds for a key. Nothing if it was not given; the default is not looked at.
    pub(super) fn all(&self, key: &str) -> &'a [Setting] {
        debug_assert!(keys::find(key).is_some(), "no setting is called {key}");
        let layers = [self.table, Some(self.given), self.top];
        let given = layers.into_iter().flatten().map(|layer| layer.get(key));
        given
            .into_iter()
            .find(|values| !values.is_empty())
            .unwrap_or_default()
    }

    pub(super) fn optional(&self, key: &str) -> Option<&'a Setting> {
        self.all(key).last()
    }

    /// What was given, or else the default.
    pub(super) fn value(&self, key: &'static str) -> Setting {
        let given = self.optional(key).cloned();
        given.unwrap_or_else(|| Setting::default_of(key))
    }

    /// Whether a flag is set.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.optional(key).is_some_and(|it| it.value() == "true")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(value: &str) -> Layer {
        let mut layer = Layer::default();
        if !value.is_empty() {
            layer.add(Setting::option("threads", value.as_ref()));
        }
        layer
    }

    #[test]
    fn table_over_given_over_top_over_default() {
        for (table, given, top, expected) in [
            ("2", "3", "4", "2"),
            ("", "3", "4", "3"),
            ("", "", "4", "4"),
            ("", "", "", "1"),
        ] {
            let [table, given, top] = [table, given, top].map(layer);
            let layers = Layers {
                table: Some(&table),
                given: &given,
                top: Some(&top),
                users: &Users::default(),
            };
            assert_eq!(layers.value("threads").value(), expected);
        }
    }
}
