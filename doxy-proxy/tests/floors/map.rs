//! The crate map: a table in the docs of `lib.rs`, and of `main.rs` where the binary has modules.
//!
//! It reads the table and says where it is malformed. It does not compare it with the modules.

/// The first line of a map.
pub(crate) const HEADER: &str = "//! | floor | what it is for | what it must never know |";

/// One floor: modules that stand side by side.
#[derive(Debug)]
pub(crate) struct Floor {
    pub(crate) line: usize,
    pub(crate) modules: Vec<String>,
}

/// The floors from the lowest to the highest. `None` where the docs have no map.
pub(crate) fn floors(source: &str) -> Option<Result<Vec<Floor>, (usize, String)>> {
    let mut lines = source.lines().enumerate().map(|(at, line)| (at + 1, line));
    let (header, _) = lines.by_ref().find(|(_, line)| line.trim_end() == HEADER)?;
    let rule = lines.next().map_or("", |(_, line)| line);
    if !rule.starts_with("//! |---") {
        return Some(Err((
            header,
            "the map's header has no line of dashes below it".to_owned(),
        )));
    }
    Some(
        lines
            .take_while(|(_, line)| line.starts_with("//! |"))
            .map(|(line, text)| floor(line, text).map_err(|what| (line, what)))
            .collect(),
    )
}

fn floor(line: usize, text: &str) -> Result<Floor, String> {
    let cells: Vec<&str> = text
        .trim_end()
        .trim_start_matches("//! |")
        .trim_end_matches('|')
        .split(" |")
        .map(str::trim)
        .collect();
    let [names, purpose, never] = cells[..] else {
        return Err(format!(
            "this row of the map has {} cells instead of 3",
            cells.len()
        ));
    };
    if purpose.is_empty() || never.is_empty() {
        return Err("this row of the map has an empty cell".to_owned());
    }
    let modules: Vec<String> = names
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|name| {
            name.trim_end_matches('/')
                .trim_end_matches(".rs")
                .to_owned()
        })
        .collect();
    if modules.is_empty() {
        return Err("this row of the map names no module in backticks".to_owned());
    }
    Ok(Floor { line, modules })
}
