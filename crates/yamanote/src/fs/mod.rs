//! Files and directories.
//!
//! The functions and types of Tokio's `fs` module, with the answers of [`std::fs`]: an operation
//! gives the same result and the same error as its twin there. What the kernel can do without
//! waiting (a read from the page cache, a look-up from its cache of names) is done at once on the
//! calling thread; what it can do on its own goes to the io_uring; the rest to the threads of
//! [`spawn_blocking`].
//!
//! For whole files there are [`read`], [`read_to_string`] and [`write`](fn@write); for anything
//! else [`File`].
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! let contents = yamanote::fs::read_to_string("notes.md").await?;
//! println!("{} lines", contents.lines().count());
//! yamanote::fs::write("notes.bak", contents).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Cancellation
//!
//! Dropping a future of this module stops the waiting, not the operation: once polled, a `write`
//! or a `rename` may still happen. Operations of one [`File`] begun later come after it.
//!
//! # Special files
//!
//! This module is meant for files and directories. A pipe, a terminal or a device works, but may
//! take a thread for as long as it waits.
//!
//! # Panics
//!
//! Every operation panics outside a runtime, also one that would not have needed it. No driver has
//! to be enabled.
//!
//! [`spawn_blocking`]: crate::task::spawn_blocking

mod contents;
pub use contents::{read, read_to_string, write};

mod file;
pub use file::File;

mod open_options;
pub use open_options::OpenOptions;

mod file_times;
pub use file_times::FileTimes;

mod metadata;
pub use metadata::{metadata, symlink_metadata, try_exists};

mod read_dir;
pub use read_dir::{DirEntry, ReadDir, read_dir};

mod names;
pub use names::{
    canonicalize, copy, create_dir, create_dir_all, hard_link, read_link, remove_dir,
    remove_dir_all, remove_file, rename, set_permissions, symlink,
};

mod dir_builder;
pub use dir_builder::DirBuilder;

mod strategy;

mod submit;

mod pool;
