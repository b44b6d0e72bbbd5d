//! A pipe of ours whose bytes are on their way to a file.
#![forbid(unsafe_code)]

use std::fs::File as StdFile;
use std::io::{self, Write};
use std::os::fd::AsFd;

use crate::io::splice::{PipePool, uninterrupted};
use crate::sys::splice::{Pipe, splice};

/// The buffer for what the kernel does not move from the pipe to the file.
const BUFFER: usize = 64 * 1024;

/// A pipe and how many bytes are in it.
#[derive(Debug)]
pub(super) struct FilledPipe {
    pub(super) pipe: Pipe,
    pub(super) count: usize,
}

impl FilledPipe {
    /// Writes all of it at the cursor of `file`, on a thread that may wait.
    pub(super) fn write(mut self, file: &StdFile) -> io::Result<()> {
        let pipes = PipePool::new();
        while self.count > 0 {
            match uninterrupted(|| splice(self.pipe.output(), file.as_fd(), self.count)) {
                Ok(count) if count > 0 => self.count -= count,
                // A write finds out what is wrong, if anything is.
                _ => self.write_by_buffer(file)?,
            }
        }
        pipes.give_back(self.pipe);
        Ok(())
    }

    fn write_by_buffer(&mut self, mut file: &StdFile) -> io::Result<()> {
        let mut buffer = vec![0; self.count.min(BUFFER)];
        let read = uninterrupted(|| self.pipe.read(&mut buffer))?;
        self.count -= read;
        match read {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => file.write_all(&buffer[..read]),
        }
    }
}
