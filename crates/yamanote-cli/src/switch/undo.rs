//! Changes of files that are taken back unless they are committed.
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

#[derive(Default)]
pub struct Undo {
    /// Each file with what was in it, or `None` if it was not there.
    files: Vec<(PathBuf, Option<String>)>,
    /// Directories that were made.
    directories: Vec<PathBuf>,
}

impl Undo {
    pub fn new() -> Undo {
        Undo::default()
    }

    /// Remembers a file that another program will change.
    pub fn keep(&mut self, file: &Path) -> Result<(), String> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(of(file, &error)),
        };
        if !self.files.iter().any(|it| it.0 == file) {
            self.files.push((file.to_owned(), text));
        }
        Ok(())
    }

    pub fn write(&mut self, file: &Path, text: &str) -> Result<(), String> {
        self.keep(file)?;
        let missing = file.ancestors().skip(1).take_while(|it| !it.exists());
        self.directories.extend(missing.map(Path::to_owned));
        let directory = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::write(file, text))
            .map_err(|error| of(file, &error))
    }

    pub fn remove(&mut self, file: &Path) -> Result<(), String> {
        self.keep(file)?;
        std::fs::remove_file(file).map_err(|error| of(file, &error))
    }

    /// What was in a file that was kept.
    pub fn before(&self, file: &Path) -> Option<&str> {
        let found = self.files.iter().find(|it| it.0 == file)?;
        found.1.as_deref()
    }

    /// Lets everything stay as it is.
    pub fn commit(mut self) {
        self.files.clear();
        self.directories.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for (file, text) in &self.files {
            let undone = match text {
                Some(text) => std::fs::write(file, text),
                None => match std::fs::remove_file(file) {
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                    done => done,
                },
            };
            if let Err(error) = undone {
                let text = format!("yamanote switch: not undone: {}", of(file, &error));
                crate::output::complain(&text);
            }
        }
        // From the inside; one in which there is something else stays.
        self.directories
            .sort_by_key(|it| std::cmp::Reverse(it.components().count()));
        for directory in &self.directories {
            let _ = std::fs::remove_dir(directory);
        }
    }
}

fn of(file: &Path, error: &io::Error) -> String {
    format!("{}: {error}", file.display())
}
