//! How a FIFO is opened: [`OpenOptions`].
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Receiver, Sender, is_pipe, not_a_pipe};

/// How to open a FIFO, a pipe with a path.
///
/// # Examples
///
/// ```no_run
/// use yamanote::net::unix::pipe;
///
/// # async fn example() -> std::io::Result<()> {
/// let receiver = pipe::OpenOptions::new().open_receiver("/run/commands")?;
/// # drop(receiver); Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// Nothing set.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Opens the FIFO for reading and writing at once (default: no). Linux allows that. A receiver
    /// then never reads the end of the stream, because it is a sender itself, and a sender need not
    /// wait for a receiver to come.
    pub fn read_write(&mut self, value: bool) -> &mut Self {
        self.read_write = value;
        self
    }

    /// Skips the check that the file is a FIFO (default: no). That saves a system call; but the
    /// ends of other files behave in ways not described here, or the kernel refuses them.
    pub fn unchecked(&mut self, value: bool) -> &mut Self {
        self.unchecked = value;
        self
    }

    /// Opens the end to read from, at once, whether there is a sender or not.
    ///
    /// # Errors
    ///
    /// Those of open(2); `InvalidInput` if it is not a FIFO.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn open_receiver<P: AsRef<Path>>(&self, path: P) -> io::Result<Receiver> {
        let mut options = fs::OpenOptions::new();
        Receiver::from_file_unchecked(self.open(path.as_ref(), options.read(true))?)
    }

    /// Opens the end to write to, at once.
    ///
    /// # Errors
    ///
    /// Those of open(2): ENXIO if there is no receiver, unless
    /// [`read_write`](OpenOptions::read_write) is set; try again later. `InvalidInput` if it is not
    /// a FIFO.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn open_sender<P: AsRef<Path>>(&self, path: P) -> io::Result<Sender> {
        let mut options = fs::OpenOptions::new();
        Sender::from_file_unchecked(self.open(path.as_ref(), options.write(true))?)
    }

    fn open(&self, path: &Path, options: &mut fs::OpenOptions) -> io::Result<File> {
        if self.read_write {
            options.read(true).write(true);
        }
        let file = options.custom_flags(libc::O_NONBLOCK).open(path)?;
        if !self.unchecked && !is_pipe(&file)? {
            return Err(not_a_pipe());
        }
        Ok(file)
    }
}
