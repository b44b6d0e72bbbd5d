//! Files and directories.
//!
//! The functions and types of Tokio's `fs` module, with the answers of [`std::fs`]: an operation
//! gives the same result and the same error as its twin there. What takes the kernel microseconds
//! (a read from the page cache, a look-up in its cache of names) is done at once on the calling
//! thread; what it can do on its own (positioned reads and writes past the cache) goes to the
//! io_uring; the rest, including syncs, goes to the threads of [`spawn_blocking`].
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
//! # Inline calls
//!
//! The thread that polls does at once what takes the kernel microseconds. On local disks that is
//! looking up a name in the kernel's cache of names, opening a file found there, and reading what
//! is in the page cache; on file systems in memory it is also writing to small files, and creating,
//! copying, renaming and removing them. What is not
//! in the caches or on other file systems (network, FUSE, overlay), and every write to a disk, goes
//! another way.
//!
//! The kernel does not promise that these calls never wait. They wait where a listener is asked for
//! permission first (fanotify(7): virus scanners, endpoint agents), where a page in memory has been
//! swapped out, and where another writer holds a file in memory. So each call is timed: after one
//! that waited, calls of its kind on that mount go to the pool, for a second at first and for up to
//! a minute if it happens again. Then one is tried on the pool before the next is inline, and so is
//! the first on each mount. One task that waits may thus hold up its worker once, for as long as
//! the call takes, and
//! [`RuntimeMetrics::inline_file_stalls`](crate::runtime::RuntimeMetrics::inline_file_stalls)
//! counts it. A listener that answers in a task of the same program cannot answer while it is held
//! up itself: turn inline calls off there, by
//! [`Builder::inline_files`](crate::runtime::Builder::inline_files) or `YAMANOTE_INLINE_FILES=off`.
//!
//! # Copies
//!
//! [`copy`] copies a whole file by its name. [`io::copy`](crate::io::copy) begins where the cursors
//! are; with a [`File`] at an end it is
//! [left to the kernel](crate::io::copy#copies-by-the-kernel) too.
//!
//! # Cancellation
//!
//! Dropping a future of this module stops the waiting, not the operation: once polled, a `write`
//! or a `rename` may still happen. Operations of one [`File`] begun later come after it.
//!
//! # Special files
//!
//! This module is meant for files and directories. A pipe, a terminal or a device works, and
//! answers as with `std::fs`, but takes a thread for as long as it waits. Such a thread cannot be
//! interrupted: dropping the runtime waits for it too. [`net::unix::pipe`](crate::net::unix::pipe)
//! waits for a pipe without a thread.
//!
//! # Panics
//!
//! Every operation panics outside a runtime, even one that would not have needed it. No driver has
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
    canonicalize, create_dir, create_dir_all, hard_link, read_link, remove_dir, remove_dir_all,
    remove_file, rename, set_permissions, symlink,
};

mod copy;
pub use copy::copy;

mod dir_builder;
pub use dir_builder::DirBuilder;

mod strategy;

mod cached;

mod look_up;

mod in_memory;

mod mount;

mod mount_name;

mod trust;

mod stopwatch;

mod submit;

mod pool;

mod punt;
