//! Stacks as a tree: what they have in common is written once.
#![forbid(unsafe_code)]

use std::fmt;

use super::frames::{Backtrace, BacktraceSymbol};

pub(super) fn write(stacks: &[Backtrace], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let stacks: Vec<Vec<String>> = stacks.iter().map(lines).collect();
    let stacks: Vec<&[String]> = stacks.iter().map(Vec::as_slice).collect();
    let mut tree = Tree {
        f,
        is_first_line: true,
    };
    tree.write(&stacks, None)
}

/// The functions of a stack, the outermost first.
fn lines(stack: &Backtrace) -> Vec<String> {
    let mut lines = Vec::new();
    for frame in stack.frames() {
        let before = lines.len();
        lines.extend(frame.symbols().map(line));
        if lines.len() == before {
            lines.push(format!("{:?}", frame.ip()));
        }
    }
    lines.reverse();
    lines
}

fn line(symbol: &BacktraceSymbol) -> String {
    let mut line = match symbol.name_raw() {
        Some(name) => format!("{:#}", backtrace::SymbolName::new(name)),
        None => "an unknown function".to_owned(),
    };
    if let Some(file) = symbol.filename() {
        line += &format!(" at {}", file.display());
        for number in [symbol.lineno(), symbol.colno()].into_iter().flatten() {
            line += &format!(":{number}");
        }
    }
    line
}

struct Tree<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    is_first_line: bool,
}

impl Tree<'_, '_> {
    /// Writes the trees of these stacks, below `margin`; `None` at the top.
    fn write(&mut self, stacks: &[&[String]], margin: Option<&str>) -> fmt::Result {
        // In the order in which they were reached.
        let mut branches: Vec<(&str, Vec<&[String]>)> = Vec::new();
        for stack in stacks {
            let Some((outermost, rest)) = stack.split_first() else {
                continue;
            };
            match branches.iter_mut().find(|(name, _)| name == outermost) {
                Some((_, rests)) => rests.push(rest),
                None => branches.push((outermost, vec![rest])),
            }
        }
        let last = branches.len().saturating_sub(1);
        for (n, (name, rests)) in branches.iter().enumerate() {
            if !std::mem::take(&mut self.is_first_line) {
                self.f.write_str("\n")?;
            }
            let (branch, below) = match (margin, n == last) {
                (None, _) => ("", ""),
                (Some(_), true) => ("└", "   "),
                (Some(_), false) => ("├", "│  "),
            };
            let margin = margin.unwrap_or_default();
            write!(self.f, "{margin}{branch}╼ {name}")?;
            self.write(rests, Some(&format!("{margin}{below}")))?;
        }
        Ok(())
    }
}
