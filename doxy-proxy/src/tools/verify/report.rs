//! What was found, a line for each thing that was looked at. It looks at nothing itself.

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Ok,
    /// It works, and will not, or not as somebody wants it to.
    Warning,
    Failed,
    /// It is not known, and the cure says what would tell.
    Skipped,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) level: Level,
    /// What was looked at: one of a few words, which docs/tools.md lists.
    pub(crate) check: &'static str,
    /// Which one: an address, a file, the name of a socket. Empty where there is but one.
    pub(crate) about: String,
    pub(crate) says: String,
    /// What to do. None if it is well.
    pub(crate) cure: Option<String>,
}

/// All lines, in the order in which they are to be read.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) lines: Vec<Line>,
}

impl Report {
    pub(crate) fn ok(&mut self, check: &'static str, about: &str, says: impl Into<String>) {
        self.add(Level::Ok, check, about, says.into(), None);
    }

    pub(crate) fn warning(&mut self, check: &'static str, about: &str, says: String, cure: &str) {
        self.add(Level::Warning, check, about, says, Some(cure));
    }

    pub(crate) fn failed(&mut self, check: &'static str, about: &str, says: String, cure: &str) {
        self.add(Level::Failed, check, about, says, Some(cure));
    }

    pub(crate) fn skipped(&mut self, check: &'static str, about: &str, says: &str, cure: &str) {
        self.add(Level::Skipped, check, about, says.to_owned(), Some(cure));
    }

    pub(crate) fn add(
        &mut self,
        level: Level,
        check: &'static str,
        about: &str,
        says: String,
        cure: Option<&str>,
    ) {
        self.lines.push(Line {
            level,
            check,
            about: about.to_owned(),
            says,
            cure: cure.map(str::to_owned),
        });
    }

    /// How many lines are of this level.
    pub(crate) fn count(&self, level: Level) -> usize {
        self.lines.iter().filter(|line| line.level == level).count()
    }
}
