//! Where files are read inline, found by trying.
#![forbid(unsafe_code)]

use crate::mounts::file_system;
use serde_json::{Value, json};
use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;
use yamanote::fs;

/// A directory, and how its files are read.
pub struct Place {
    path: PathBuf,
    /// The type of the file system, as `mount` prints it.
    file_system: Option<String>,
    /// Whether data in the page cache is read inline.
    inline: bool,
}

/// The directory for temporary files, into which the trial has written `file`, and the working
/// directory, if there is a small file in it.
pub async fn look(file: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    let here = PathBuf::from(".");
    let files = [Some(file.to_owned()), a_small_file(&here)];
    for file in files.into_iter().flatten() {
        let Some(directory) = file.parent().and_then(|path| path.canonicalize().ok()) else {
            continue;
        };
        places.push(Place {
            file_system: file_system(&directory),
            inline: is_read_inline(&file).await,
            path: directory,
        });
    }
    places.dedup_by(|a, b| a.path == b.path);
    places
}

/// The runtime makes the first reads of a file system on the pool, to see how long they take. Its
/// pool has one thread, which is kept busy here: a read that ends all the same was inline.
async fn is_read_inline(file: &Path) -> bool {
    for _ in 0..20 {
        let (release, released) = mpsc::channel::<()>();
        let busy = yamanote::task::spawn_blocking(move || released.recv());
        let is_done = {
            let mut read = pin!(fs::read(file));
            poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_ready())).await
        };
        drop(release);
        let _ = busy.await;
        if is_done || fs::read(file).await.is_err() {
            return is_done;
        }
    }
    false
}

/// A file so small that it would be read inline anywhere.
fn a_small_file(directory: &Path) -> Option<PathBuf> {
    const LARGEST: u64 = 64 * 1024;
    let entries = std::fs::read_dir(directory).ok()?;
    entries.flatten().take(1000).find_map(|entry| {
        let metadata = entry.metadata().ok()?;
        let path = entry.path();
        let fits = metadata.is_file() && (1..=LARGEST).contains(&metadata.len());
        (fits && std::fs::File::open(&path).is_ok()).then_some(path)
    })
}

impl Place {
    /// The line to print.
    pub fn sentence(&self) -> String {
        let kind = self.file_system.as_deref().unwrap_or("unknown");
        let how = match (self.inline, kind) {
            (true, _) => "what is cached is read inline",
            (false, "overlay") => {
                "every operation takes a thread of the pool, for overlay file systems refuse reads \
                 that must not wait (RWF_NOWAIT); files on a volume need not"
            }
            (false, _) => "every read takes a thread of the pool",
        };
        format!("  {} ({kind}): {how}", self.path.display())
    }

    pub fn as_json(&self) -> Value {
        json!({
            "path": self.path.to_string_lossy(),
            "file_system": self.file_system,
            "inline_reads": self.inline,
        })
    }
}

/// The environment's word on inline files.
pub fn override_value() -> Option<String> {
    std::env::var("YAMANOTE_INLINE_FILES").ok()
}
