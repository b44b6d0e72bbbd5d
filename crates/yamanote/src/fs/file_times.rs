//! [`FileTimes`]: the time stamps a file is to get.
#![forbid(unsafe_code)]

use std::time::SystemTime;

/// Time stamps for [`File::set_times`](super::File::set_times); those not set stay as they are.
///
/// # Examples
///
/// ```no_run
/// use std::time::SystemTime;
/// use yamanote::fs::{File, FileTimes};
///
/// # async fn example() -> std::io::Result<()> {
/// let file = File::options().write(true).open("cache.bin").await?;
/// let now = SystemTime::now();
/// file.set_times(FileTimes::new().set_accessed(now).set_modified(now)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "must be applied to a file via `File::set_times` to have any effect"]
pub struct FileTimes {
    accessed: Option<SystemTime>,
    modified: Option<SystemTime>,
}

impl FileTimes {
    /// Sets no time stamp.
    pub fn new() -> Self {
        FileTimes::default()
    }

    /// The time of the last access.
    pub fn set_accessed(mut self, time: SystemTime) -> Self {
        self.accessed = Some(time);
        self
    }

    /// The time of the last modification.
    pub fn set_modified(mut self, time: SystemTime) -> Self {
        self.modified = Some(time);
        self
    }

    pub(super) fn into_std(self) -> std::fs::FileTimes {
        let mut times = std::fs::FileTimes::new();
        if let Some(time) = self.accessed {
            times = times.set_accessed(time);
        }
        if let Some(time) = self.modified {
            times = times.set_modified(time);
        }
        times
    }
}
