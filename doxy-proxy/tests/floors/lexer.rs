//! Rust source as a list of tokens with line numbers, without comments.
//!
//! It knows as much of the language as the floors check needs: it never takes the inside of a string
//! or of a comment for code. It does not parse expressions or types.

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or a keyword; `r#name` without its prefix.
    Word(String),
    /// The contents of a string literal of any form, escapes as written.
    Text(String),
    /// `::`
    Colons,
    /// Any other single character.
    Mark(char),
    /// A number, a character or a lifetime.
    Other,
}

/// A token and the line on which it begins.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }
}

/// The tokens of `source`.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        chars: source.chars().collect(),
        at: 0,
        line: 1,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let line = lexer.line;
        match lexer.token() {
            Some(kind) => tokens.push(Token { kind, line }),
            None => return tokens,
        }
    }
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    /// Skips white space and comments; block comments nest.
    fn skip_blank(&mut self) {
        while let Some(next) = self.peek(0) {
            if next.is_whitespace() {
                self.bump();
            } else if next == '/' && self.peek(1) == Some('/') {
                while self.peek(0).is_some_and(|next| next != '\n') {
                    self.bump();
                }
            } else if next == '/' && self.peek(1) == Some('*') {
                let mut depth = 0;
                loop {
                    match (self.peek(0), self.peek(1)) {
                        (Some('/'), Some('*')) => depth += 1,
                        (Some('*'), Some('/')) => depth -= 1,
                        (None, _) => return,
                        _ => {
                            self.bump();
                            continue;
                        }
                    }
                    self.bump();
                    self.bump();
                    if depth == 0 {
                        break;
                    }
                }
            } else {
                return;
            }
        }
    }

    fn token(&mut self) -> Option<Kind> {
        let first = self.peek(0)?;
        if is_start(first) {
            return Some(self.word_or_prefixed());
        }
        if first.is_ascii_digit() {
            self.number();
            return Some(Kind::Other);
        }
        match first {
            '"' => Some(self.text()),
            '\'' => {
                self.quote();
                Some(Kind::Other)
            }
            ':' if self.peek(1) == Some(':') => {
                self.at += 2;
                Some(Kind::Colons)
            }
            _ => self.bump().map(Kind::Mark),
        }
    }

    /// An identifier, or a literal that begins like one: `r"…"`, `b'…'`, `br#"…"#`, `c"…"`.
    fn word_or_prefixed(&mut self) -> Kind {
        let mut word = String::new();
        while let Some(next) = self.peek(0).filter(|next| is_part(*next)) {
            word.push(next);
            self.bump();
        }
        match (word.as_str(), self.peek(0)) {
            ("b" | "c", Some('"')) => self.text(),
            ("b", Some('\'')) => {
                self.quote();
                Kind::Other
            }
            ("r" | "br" | "cr", Some('"' | '#')) => {
                let hashes = (0..).take_while(|n| self.peek(*n) == Some('#')).count();
                if self.peek(hashes) == Some('"') {
                    self.at += hashes;
                    return self.raw_text(hashes);
                }
                // A raw identifier.
                self.bump();
                self.word_or_prefixed()
            }
            _ => Kind::Word(word),
        }
    }

    fn number(&mut self) {
        while let Some(next) = self.peek(0) {
            let fraction = next == '.' && self.peek(1).is_some_and(|next| next.is_ascii_digit());
            if !is_part(next) && !fraction {
                return;
            }
            self.bump();
        }
    }

    fn text(&mut self) -> Kind {
        self.bump();
        let mut text = String::new();
        while let Some(next) = self.bump() {
            match next {
                '"' => break,
                '\\' => {
                    text.push(next);
                    text.extend(self.bump());
                }
                _ => text.push(next),
            }
        }
        Kind::Text(text)
    }

    fn raw_text(&mut self, hashes: usize) -> Kind {
        self.bump();
        let mut text = String::new();
        while let Some(next) = self.bump() {
            if next == '"' && (0..hashes).all(|n| self.peek(n) == Some('#')) {
                self.at += hashes;
                break;
            }
            text.push(next);
        }
        Kind::Text(text)
    }

    /// A character literal or a lifetime.
    fn quote(&mut self) {
        self.bump();
        if self.peek(0) == Some('\\') {
            self.bump();
            self.bump();
            while self.bump().is_some_and(|next| next != '\'') {}
        } else if self.peek(1) == Some('\'') {
            self.bump();
            self.bump();
        } else {
            while self.peek(0).is_some_and(is_part) {
                self.bump();
            }
        }
    }
}

fn is_start(next: char) -> bool {
    next.is_alphabetic() || next == '_'
}

fn is_part(next: char) -> bool {
    next.is_alphanumeric() || next == '_'
}

#[test]
fn tokens_have_the_line_on_which_they_begin() {
    let source =
        "a::b // c\n/* d\n */ \"e\n\\\"f\" r##\"g\"#h\"## 'i' 'j x '\\n' 1.5e3 b'k' r#fn b\"l\" .0";
    let found: Vec<(Kind, usize)> = tokens(source)
        .into_iter()
        .map(|token| (token.kind, token.line))
        .collect();
    let word = |word: &str| Kind::Word(word.to_owned());
    let text = |text: &str| Kind::Text(text.to_owned());
    let expected = [
        (word("a"), 1),
        (Kind::Colons, 1),
        (word("b"), 1),
        (text("e\n\\\"f"), 3),
        (text("g\"#h"), 4),
        (Kind::Other, 4),
        (Kind::Other, 4),
        (word("x"), 4),
        (Kind::Other, 4),
        (Kind::Other, 4),
        (Kind::Other, 4),
        (word("fn"), 4),
        (text("l"), 4),
        (Kind::Mark('.'), 4),
        (Kind::Other, 4),
    ];
    assert_eq!(found, expected);
}
