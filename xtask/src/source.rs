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
}
