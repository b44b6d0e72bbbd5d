//! Arrows between modules point down the layer table.
#![forbid(unsafe_code)]

use super::map::block;
use super::modules::{ModulePath, Modules};

/// A row of the layer table: `5 | io::async_fd | runtime`.
struct Row {
    layer: u32,
    module: ModulePath,
    /// Modules of the same layer it may know.
    siblings: Vec<ModulePath>,
}

fn table(map: &str) -> Vec<Row> {
    let path = |text: &str| -> ModulePath { text.split("::").map(str::to_owned).collect() };
    block(map, "layers")
        .into_iter()
        .map(|line| {
            let mut cells = line.split('|').map(str::trim);
            Row {
                layer: cells
                    .next()
                    .and_then(|cell| cell.parse().ok())
                    .unwrap_or_else(|| panic!("no layer number in: {line}")),
                module: path(
                    cells
                        .next()
                        .unwrap_or_else(|| panic!("no module in: {line}")),
                ),
                siblings: cells
                    .next()
                    .unwrap_or_default()
                    .split_whitespace()
                    .map(path)
                    .collect(),
            }
        })
        .collect()
}

/// The row with the longest path that is a prefix of `module`.
fn row_of<'a>(table: &'a [Row], module: &[String]) -> Option<&'a Row> {
    table
        .iter()
        .filter(|row| module.starts_with(&row.module))
        .max_by_key(|row| row.module.len())
}

pub fn check(map: &str, modules: &Modules, complaints: &mut Vec<String>) {
    let table = table(map);
    for module in modules.paths() {
        if !is_free(module) && row_of(&table, module).is_none() {
            complaints.push(format!("{}: in no layer", module.join("::")));
        }
    }
    for reference in modules.references() {
        // What a module hands on of its own parts is no arrow.
        if is_free(&reference.from) || reference.named.starts_with(&reference.home) {
            continue;
        }
        let Some(own) = row_of(&table, &reference.from) else {
            continue;
        };
        // Both the path that is written and the place where the definition is.
        for target in [&reference.named, &reference.to] {
            let Some(other) = row_of(&table, target) else {
                continue;
            };
            let is_allowed = other.module == own.module
                || other.layer < own.layer
                || (other.layer == own.layer && own.siblings.contains(&other.module));
            if !is_allowed {
                complaints.push(format!(
                    "{}:{}: {} (layer {}) may not know {} (layer {})",
                    reference.from_file.display(),
                    reference.line,
                    own.module.join("::"),
                    own.layer,
                    other.module.join("::"),
                    other.layer,
                ));
                break;
            }
        }
    }
}

/// The root declares and re-exports, macros name public paths.
fn is_free(module: &[String]) -> bool {
    module.first().is_none_or(|first| first == "macros")
}
