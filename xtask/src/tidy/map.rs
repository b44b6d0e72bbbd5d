//! The blocks of ARCHITECTURE.md that tidy holds the code against.
#![forbid(unsafe_code)]

/// The lines of the fenced block that starts with "```text NAME".
pub fn block<'a>(map: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("```text {name}");
    let lines: Vec<&str> = map
        .lines()
        .skip_while(|line| line.trim() != start)
        .skip(1)
        .take_while(|line| line.trim() != "```")
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert!(!lines.is_empty(), "ARCHITECTURE.md has no block {name}");
    lines
}
