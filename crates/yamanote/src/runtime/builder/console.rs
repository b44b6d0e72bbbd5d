//! Whether the runtime can be looked into from outside.
#![forbid(unsafe_code)]

use super::Builder;
use crate::runtime::console::Address;
use std::path::PathBuf;

impl Builder {
    /// Whether the program opens its console: a Unix socket at which it tells what the runtime
    /// does, read by `yamanote top`. Off by default; then there is neither socket nor thread.
    ///
    /// The socket is `yamanote-PID.sock` in `$XDG_RUNTIME_DIR`, or where that is not set in
    /// `/tmp/yamanote-UID`, a directory of mode 0700. It has mode 0600, and answers to the user of
    /// this process and to root. All runtimes of the process that ask for a console share one; it
    /// is removed when the last of them ends. A thread of its own answers, so that it does also
    /// when every worker is stuck.
    ///
    /// The environment variable `YAMANOTE_CONSOLE` overrides this for every runtime of the process:
    /// `1` or `on` opens a console, a path with a `/` opens it there, `0` or `off` opens none. An
    /// empty variable counts as unset.
    ///
    /// # Errors
    ///
    /// [`build`](Self::build) fails if the socket or the thread cannot be had. Where only the
    /// variable asks for a console, the runtime goes on without, and says so on the standard error.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_multi_thread().console(true).enable_all().build().unwrap();
    /// println!("see {:?}", rt.handle().console_path());
    /// ```
    pub fn console(&mut self, on: bool) -> &mut Self {
        self.console = on.then_some(Address::Usual);
        self
    }

    /// As [`console`](Self::console), with the socket at `path`. A socket that nobody listens at
    /// any more is replaced; a file of another kind is not.
    ///
    /// All consoles of a process are one, so [`build`](Self::build) fails with
    /// [`AddrInUse`](std::io::ErrorKind::AddrInUse) if another runtime has it elsewhere.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_current_thread()
    ///     .console_at("/run/my-service/console.sock")
    ///     .enable_all()
    ///     .build()
    ///     .unwrap();
    /// # drop(rt);
    /// ```
    pub fn console_at(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.console = Some(Address::At(path.into()));
        self
    }
}
