//! [`OpenOptions`]: how a file is opened.
#![forbid(unsafe_code)]

use std::fs::OpenOptions as StdOpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::in_memory;
use super::look_up::{self, Inline, Refusal};
use super::{File, pool};
use crate::runtime::punts::FileOperation;

/// How a file is opened: the options of [`std::fs::OpenOptions`].
///
/// # Examples
///
/// ```no_run
/// use yamanote::fs::OpenOptions;
///
/// # async fn example() -> std::io::Result<()> {
/// let log = OpenOptions::new().append(true).create(true).open("/var/log/service").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OpenOptions {
    std: StdOpenOptions,
    /// What was set, for the inline open; `None`: the options came from `std`, which does not tell.
    settings: Option<Settings>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Settings {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: Option<u32>,
    custom: i32,
}

impl Settings {
    /// Flags that an inline open understands; others have effects of their own at the opening.
    const PLAIN_CUSTOM_FLAGS: i32 = libc::O_DIRECT
        | libc::O_DSYNC
        | libc::O_SYNC
        | libc::O_NOATIME
        | libc::O_NOFOLLOW
        | libc::O_DIRECTORY
        | libc::O_CLOEXEC;

    /// The flags of open(2), if opening neither creates nor truncates anything and `std` accepts
    /// the combination.
    fn plain_flags(&self) -> Option<i32> {
        match self.truncate || self.create || self.create_new {
            true => None,
            false => self.access_flags(),
        }
    }

    /// The flags of open(2), if opening creates or truncates something and `std` accepts the
    /// combination.
    fn changing_flags(&self) -> Option<i32> {
        if self.custom & libc::O_DIRECTORY != 0 {
            return None;
        }
        let (can_create, can_truncate) = (self.write || self.append, self.write && !self.append);
        let change = match (self.create, self.truncate, self.create_new) {
            (false, false, false) => return None,
            (_, _, true) if can_create => libc::O_CREAT | libc::O_EXCL,
            (true, false, false) if can_create => libc::O_CREAT,
            (false, true, false) if can_truncate => libc::O_TRUNC,
            (true, true, false) if can_truncate => libc::O_CREAT | libc::O_TRUNC,
            _ => return None,
        };
        Some(self.access_flags()? | change)
    }

    fn access_flags(&self) -> Option<i32> {
        let access = match (self.read, self.write, self.append) {
            (true, false, false) => libc::O_RDONLY,
            (false, true, false) => libc::O_WRONLY,
            (true, true, false) => libc::O_RDWR,
            (false, _, true) => libc::O_WRONLY | libc::O_APPEND,
            (true, _, true) => libc::O_RDWR | libc::O_APPEND,
            (false, false, false) => return None,
        };
        (self.custom & !Settings::PLAIN_CUSTOM_FLAGS == 0).then_some(access | self.custom)
    }
}

impl Settings {
    /// Creates or truncates the file at once, if it is in memory.
    fn open_in_memory(&self, path: &Path) -> Inline<look_up::FoundFile> {
        match self.changing_flags() {
            Some(flags) => in_memory::open(path, flags, self.mode.unwrap_or(0o666)),
            None => Inline::Refused(Refusal::MayWait),
        }
    }
}

impl OpenOptions {
    /// Everything off.
    pub fn new() -> OpenOptions {
        OpenOptions {
            std: StdOpenOptions::new(),
            settings: Some(Settings::default()),
        }
    }

    fn record(&mut self, note: impl FnOnce(&mut Settings)) -> &mut OpenOptions {
        if let Some(settings) = &mut self.settings {
            note(settings);
        }
        self
    }

    /// For reading.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.std.read(read);
        self.record(|settings| settings.read = read)
    }

    /// For writing. Existing contents stay where they are not overwritten.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.std.write(write);
        self.record(|settings| settings.write = write)
    }

    /// For writing. Each write goes to the end of the file, wherever that is by then.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.std.append(append);
        self.record(|settings| settings.append = append)
    }

    /// Empties the file. Needs write access.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.std.truncate(truncate);
        self.record(|settings| settings.truncate = truncate)
    }

    /// Creates the file if it does not exist. Needs write or append access.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.std.create(create);
        self.record(|settings| settings.create = create)
    }

    /// Creates the file and fails if the name exists, even as a dangling symbolic link; in one
    /// step, so that nobody else can have created it. `create` and `truncate` then have no effect.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.std.create_new(create_new);
        self.record(|settings| settings.create_new = create_new)
    }

    /// The permissions of a file that is created, less those in the umask (0o666 by default).
    pub fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.std.mode(mode);
        self.record(|settings| settings.mode = Some(mode))
    }

    /// Further flags of open(2), such as `O_DIRECT` or `O_NOFOLLOW`; they replace those of an
    /// earlier call. The access mode cannot be changed by them.
    ///
    /// With `O_DIRECT`, buffers, lengths and offsets must be multiples of what the device asks for
    /// (512 or 4096 bytes). [`AsyncRead`](crate::io::AsyncRead) cannot promise that; use
    /// [`File::read_at`] and [`File::write_at`].
    pub fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.std.custom_flags(flags);
        self.record(|settings| settings.custom = flags & !libc::O_ACCMODE)
    }

    /// Opens the file.
    ///
    /// # Errors
    ///
    /// As [`std::fs::OpenOptions::open`]: `NotFound`, `PermissionDenied`, `AlreadyExists` (for
    /// `create_new`), `InvalidInput` for options that exclude each other, and others of open(2).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the file, if it was opened. It may have been created or truncated
    /// by then.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        pool::begin().await?;
        let plain_flags = self.settings.as_ref().and_then(Settings::plain_flags);
        let opened = match (&self.settings, plain_flags) {
            (Some(_), Some(flags)) => look_up::open_inline(path, flags),
            (Some(settings), None) => settings.open_in_memory(path),
            (None, _) => Inline::Refused(Refusal::MayWait),
        };
        let why = match opened {
            Inline::Done(found) => {
                let found = found?;
                return Ok(File::from_opened(found.file, Some(found.facts)));
            }
            Inline::Refused(why) => why,
        };
        let is_trial = why.asks_for_trial();
        let options = self.std.clone();
        let plain_flags = plain_flags.filter(|_| is_trial);
        let open = move |path: &Path| {
            let tried = plain_flags.and_then(|flags| look_up::try_out_open(path, flags));
            match tried {
                Some(found) => found.map(|found| (found.file, Some(found.facts))),
                None => {
                    let file = options.open(path)?;
                    if is_trial && plain_flags.is_none() {
                        look_up::try_out_opens(path);
                    }
                    Ok((file, None))
                }
            }
        };
        let (file, facts) = pool::look_up(FileOperation::Open, path, why, open).await?;
        Ok(File::from_opened(file, facts))
    }
}

impl From<StdOpenOptions> for OpenOptions {
    fn from(std: StdOpenOptions) -> OpenOptions {
        OpenOptions {
            std,
            settings: None,
        }
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(set: impl FnOnce(&mut OpenOptions)) -> Option<i32> {
        let mut options = OpenOptions::new();
        set(&mut options);
        options.settings.unwrap().plain_flags()
    }

    #[test]
    fn only_opens_that_change_nothing_may_be_inline() {
        assert_eq!(flags(|_| ()), None);
        assert_eq!(
            flags(|o| {
                o.read(true);
            }),
            Some(libc::O_RDONLY)
        );
        assert_eq!(
            flags(|o| {
                o.append(true).write(true);
            }),
            Some(libc::O_WRONLY | libc::O_APPEND)
        );
        assert_eq!(
            flags(|o| {
                o.read(true).custom_flags(libc::O_DIRECT | libc::O_WRONLY);
            }),
            Some(libc::O_DIRECT)
        );
        assert_eq!(
            flags(|o| {
                o.write(true).create(true);
            }),
            None
        );
        assert_eq!(
            flags(|o| {
                o.write(true).truncate(true);
            }),
            None
        );
        assert_eq!(
            flags(|o| {
                o.write(true).create_new(true);
            }),
            None
        );
        assert_eq!(
            flags(|o| {
                o.read(true).custom_flags(libc::O_TMPFILE);
            }),
            None
        );
        assert_eq!(
            flags(|o| {
                o.read(true).custom_flags(libc::O_NONBLOCK);
            }),
            None
        );
    }
}
