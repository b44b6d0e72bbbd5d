//! The Rust sources of the workspace, as tidy sees them.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

/// One file.
pub struct Source {
    /// Relative to the workspace.
    pub path: PathBuf,
    pub text: String,
}

impl Source {
    /// All `.rs` files below `dirs`, sorted by path.
    pub fn all(root: &Path, dirs: &[&str]) -> Vec<Source> {
        let mut found = Vec::new();
        let mut todo: Vec<PathBuf> = dirs.iter().map(|dir| root.join(dir)).collect();
        while let Some(dir) = todo.pop() {
            let Ok(entries) = std::fs::read_dir(&dir) else {
                continue;
            };
            for entry in entries.flatten() {
                let path = entry.path();
                if path.is_dir() {
                    if path.file_name().is_none_or(|name| name != "target") {
                        todo.push(path);
                    }
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
                    let path = path.strip_prefix(root).expect("found below it").to_owned();
                    found.push(Source { path, text });
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// The lines of code outside tests and comments, numbered from one.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut lines = self.text.lines().enumerate().peekable();
        std::iter::from_fn(move || {
            let (index, line) = lines.next()?;
            // Models stand at the end; before that, the same gate chooses between std and loom.
            let next_is_module = lines
                .peek()
                .is_some_and(|(_, next)| next.starts_with("mod "));
            let is_end = line.trim() == "#[cfg(test)]"
                || (line == "#[cfg(all(test, loom))]" && next_is_module);
            (!is_end).then_some((index, line))
        })
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| {
            (
                number,
                line.split_once(" // ").map_or(line, |(code, _)| code),
            )
        })
    }

    /// The module path below the crate, for a file of a `src` folder: `runtime/driver/op.rs` is
    /// `["runtime", "driver", "op"]`.
    pub fn module(&self, src: &Path) -> Option<Vec<String>> {
        let inner = self.path.strip_prefix(src).ok()?.with_extension("");
        let mut module: Vec<String> = inner
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        Some(module)
    }
}
