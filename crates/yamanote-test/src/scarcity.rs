//! A process that is short of descriptors.

use std::fs::File;
use std::os::fd::AsRawFd;

use crate::process::{descriptor_limit, set_descriptor_limit};

/// Limits how many descriptors can be opened while it lives. For tests that run alone in a process.
#[derive(Debug)]
pub struct Scarcity {
    soft: u64,
    /// They fill the gaps between the open descriptors.
    _fillers: Vec<File>,
}

impl Scarcity {
    /// Lets `count` more descriptors be opened at a time, and no more.
    pub fn leave(count: u64) -> Scarcity {
        let (soft, _) = descriptor_limit();
        let highest = std::fs::read_dir("/proc/self/fd")
            .expect("/proc is mounted")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .max()
            .expect("this directory is open");
        let mut fillers = Vec::new();
        loop {
            let file = File::open("/dev/null").expect("there are descriptors still");
            let number = file.as_raw_fd();
            if number >= highest {
                drop(file);
                set_descriptor_limit(number as u64 + count);
                return Scarcity {
                    soft,
                    _fillers: fillers,
                };
            }
            fillers.push(file);
        }
    }
}

impl Drop for Scarcity {
    fn drop(&mut self) {
        set_descriptor_limit(self.soft);
    }
}
