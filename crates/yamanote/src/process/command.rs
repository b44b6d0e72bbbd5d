//! [`Command`].
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use super::Child;
use crate::runtime::context;
use crate::runtime::driver::process_wide::{signals, strays};

/// A process to be started, built like [`std::process::Command`].
///
/// By default the child has no arguments, and inherits the environment, the working directory and
/// the standard streams (with [`output`](Command::output): pipes instead of the latter two). A
/// command can be started any number of times.
///
/// # Examples
///
/// ```
/// use yamanote::process::Command;
///
/// # #[yamanote::main]
/// # async fn main() -> std::io::Result<()> {
/// let output = Command::new("sh")
///     .args(["-c", "echo $GREETING"])
///     .env("GREETING", "hello")
///     .output()
///     .await?;
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Command {
    std: std::process::Command,
    kill_on_drop: bool,
}

impl Command {
    /// A command that runs `program`: a path, or a name to be looked for in `PATH` (in the child's,
    /// if that was set here).
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        Command::from(std::process::Command::new(program))
    }

    /// The command as std sees it.
    pub fn as_std(&self) -> &std::process::Command {
        &self.std
    }

    /// The command as std sees it, for options that std has and this type lacks.
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.std
    }

    /// The command as std sees it. [`kill_on_drop`](Command::kill_on_drop) is lost.
    pub fn into_std(self) -> std::process::Command {
        self.std
    }

    /// Adds one argument, which is passed as it is: no shell splits or expands it.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let output = Command::new("echo").arg("two words").arg("one").output().await?;
    /// assert_eq!(output.stdout, b"two words one\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.std.arg(arg);
        self
    }

    /// Adds several arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.std.args(args);
        self
    }

    /// Sets a variable of the child's environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut shell = Command::new("sh");
    /// let output = shell.args(["-c", "echo $LINE"]).env("LINE", "Yamanote").output().await?;
    /// assert_eq!(output.stdout, b"Yamanote\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Command
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.env(key, val);
        self
    }

    /// Sets several variables of the child's environment.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(vars);
        self
    }

    /// Takes a variable out of the child's environment, an inherited one too.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.std.env_remove(key);
        self
    }

    /// Empties the child's environment: nothing is inherited, and what was set before is gone.
    pub fn env_clear(&mut self) -> &mut Command {
        self.std.env_clear();
        self
    }

    /// Sets the child's working directory.
    ///
    /// Whether a relative `program` is looked for there or here is not defined; give an absolute
    /// one with this.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let output = Command::new("pwd").current_dir("/").output().await?;
    /// assert_eq!(output.stdout, b"/\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.std.current_dir(dir);
        self
    }

    /// Sets what the child reads as its standard input. Default: inherited.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Stdio;
    /// use yamanote::io::{AsyncReadExt, AsyncWriteExt};
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// let mut stdin = child.stdin.take().expect("it is piped");
    /// stdin.write_all(b"round trip").await?;
    /// drop(stdin); // `cat` reads the end
    /// let mut text = String::new();
    /// child.stdout.take().expect("it is piped").read_to_string(&mut text).await?;
    /// assert_eq!(text, "round trip");
    /// assert!(child.wait().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stdin(cfg);
        self
    }

    /// Sets where the child's standard output goes. Default: inherited.
    ///
    /// [`output`](Command::output) makes it a pipe in any case.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Stdio;
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// // Nobody reads what it prints.
    /// let status = Command::new("echo").arg("hello").stdout(Stdio::null()).status().await?;
    /// assert!(status.success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stdout(cfg);
        self
    }

    /// Sets where the child's standard error goes. Default: inherited.
    ///
    /// [`output`](Command::output) makes it a pipe in any case.
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stderr(cfg);
        self
    }

    /// Whether dropping the [`Child`] kills the process, by SIGKILL. Default: false, it runs on.
    ///
    /// The futures of [`status`](Command::status) and [`output`](Command::output) hold a child, and
    /// dropping them before they are ready drops it.
    ///
    /// The killed process is reaped in the background, as every other dropped child is. Await
    /// [`Child::kill`] to be sure that it is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use yamanote::process::Command;
    /// use yamanote::time::timeout;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut sleep = Command::new("sleep");
    /// let status = sleep.arg("1000").kill_on_drop(true).status();
    /// // The future is dropped, and the child with it.
    /// assert!(timeout(Duration::from_millis(10), status).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// Whether [`kill_on_drop`](Command::kill_on_drop) is set.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::process::Command;
    ///
    /// let mut command = Command::new("true");
    /// assert!(!command.get_kill_on_drop());
    /// assert!(command.kill_on_drop(true).get_kill_on_drop());
    /// ```
    pub fn get_kill_on_drop(&self) -> bool {
        self.kill_on_drop
    }

    /// Sets the child's user id. If the child may not take it, spawning fails.
    pub fn uid(&mut self, id: u32) -> &mut Command {
        self.std.uid(id);
        self
    }

    /// Sets the child's group id. If the child may not take it, spawning fails.
    pub fn gid(&mut self, id: u32) -> &mut Command {
        self.std.gid(id);
        self
    }

    /// Sets what the child finds as its own name, `argv[0]`, in the place of the program's.
    pub fn arg0<S>(&mut self, arg: S) -> &mut Command
    where
        S: AsRef<OsStr>,
    {
        self.std.arg0(arg);
        self
    }

    /// Puts the child into the process group `pgroup`; 0 makes a new group with the child's own id.
    ///
    /// A group of its own keeps the child out of reach of the terminal's Ctrl-C, and lets it be
    /// signalled together with its own children.
    pub fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.std.process_group(pgroup);
        self
    }

    /// Starts the process.
    ///
    /// Streams that are piped are in the [`Child`]. The fork itself blocks the thread; it takes
    /// well below a millisecond, more in processes of many gigabytes.
    ///
    /// # Errors
    ///
    /// If the program does not exist or may not be run, an id cannot be taken, a
    /// [`pre_exec`](Command::pre_exec) closure fails, or processes or descriptors are used up.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`; nothing is started then.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut child = Command::new("true").spawn()?;
    /// assert!(child.wait().await?.success());
    ///
    /// let error = Command::new("no such program").spawn().unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.spawn_by(std::process::Command::spawn)
    }

    #[track_caller]
    fn spawn_by(
        &mut self,
        spawn: impl FnOnce(&mut std::process::Command) -> io::Result<std::process::Child>,
    ) -> io::Result<Child> {
        // First, so that neither a mistake nor a shortage leaves a process behind.
        context::with_io(|driver, _| signals::prepare_for_children(driver))?;
        strays::reap();
        Child::new(spawn(&mut self.std)?, self.kill_on_drop)
    }

    /// Starts the process now, and returns a future of its exit status.
    ///
    /// Streams that are piped are closed at the future's first poll.
    ///
    /// # Errors
    ///
    /// From the future: those of [`spawn`](Command::spawn) and [`Child::wait`].
    ///
    /// # Panics
    ///
    /// As [`spawn`](Command::spawn).
    ///
    /// # Cancel safety
    ///
    /// The child has been started when this returns. Dropping the future drops the [`Child`], which
    /// runs on unless [`kill_on_drop`](Command::kill_on_drop) is set.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let status = Command::new("sh").args(["-c", "exit 3"]).status().await?;
    /// assert_eq!(status.code(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async {
            let mut child = child?;
            // A child that reads or writes them must not wait for us while we wait for it.
            (child.stdin, child.stdout, child.stderr) = (None, None, None);
            child.wait().await
        }
    }

    /// Starts the process now, with its output and errors piped, and returns a future of all it
    /// writes and of its exit status.
    ///
    /// Standard input is inherited unless set otherwise; a piped one is closed. It ends as
    /// [`Child::wait_with_output`] does.
    ///
    /// # Errors
    ///
    /// From the future: those of [`spawn`](Command::spawn) and [`Child::wait_with_output`].
    ///
    /// # Panics
    ///
    /// As [`spawn`](Command::spawn).
    ///
    /// # Cancel safety
    ///
    /// The child has been started when this returns. Dropping the future drops the [`Child`], which
    /// runs on unless [`kill_on_drop`](Command::kill_on_drop) is set, and what it wrote is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let output = Command::new("sh").args(["-c", "echo out; echo err >&2"]).output().await?;
    /// assert_eq!((&*output.stdout, &*output.stderr), (&b"out\n"[..], &b"err\n"[..]));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        self.std.stdout(Stdio::piped());
        self.std.stderr(Stdio::piped());
        let child = self.spawn();
        async { child?.wait_with_output().await }
    }
}

unstable! {
    impl Command {
        /// Starts the process by `with`, where std's own way has to be changed.
        ///
        /// # Errors
        ///
        /// Those of `with`, and those of [`spawn`](Command::spawn) that have to do with waiting for
        /// the child.
        ///
        /// # Panics
        ///
        /// As [`spawn`](Command::spawn).
        ///
        /// # Examples
        ///
        /// ```
        /// use yamanote::process::Command;
        ///
        /// # #[yamanote::main]
        /// # async fn main() -> std::io::Result<()> {
        /// let mut child = Command::new("true").spawn_with(|std| {
        ///     println!("to be started: {:?}", std.get_program());
        ///     std.spawn()
        /// })?;
        /// assert!(child.wait().await?.success());
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        pub fn spawn_with(
            &mut self,
            with: impl FnOnce(&mut std::process::Command) -> io::Result<std::process::Child>,
        ) -> io::Result<Child> {
            self.spawn_by(with)
        }
    }
}

impl From<std::process::Command> for Command {
    fn from(std: std::process::Command) -> Command {
        Command {
            std,
            kill_on_drop: false,
        }
    }
}
