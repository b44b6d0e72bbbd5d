//! [`Command::pre_exec`].

use std::io;
use std::os::unix::process::CommandExt;

use super::Command;

impl Command {
    /// Runs `f` in the child, after the fork and before the program takes over.
    ///
    /// An error of `f` is reported by the spawn. Several closures run in the order they were given,
    /// until one fails.
    ///
    /// # Safety
    ///
    /// `f` runs in a copy of this process that has one thread, the one that forked. Until the
    /// program takes over
    ///
    /// - it may call only what is async-signal-safe: no allocation, no locks, no `println!`; any
    ///   other thread may have held the allocator's lock at the time of the fork, and
    /// - it must not touch this process's runtime: its threads do not exist in the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut command = Command::new("true");
    /// // SAFETY: setsid(2) is async-signal-safe.
    /// unsafe {
    ///     command.pre_exec(|| match libc::setsid() {
    ///         -1 => Err(std::io::Error::last_os_error()),
    ///         _session => Ok(()),
    ///     });
    /// }
    /// assert!(command.status().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: std asks of `f` what we ask of our caller.
        unsafe { self.as_std_mut().pre_exec(f) };
        self
    }
}
