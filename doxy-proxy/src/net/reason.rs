//! Errors of the operating system in words for users.

use std::io;

/// The words of an error, without its number, which tells users nothing.
pub fn io_reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
