//! [`Child`].
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Output};
use std::task::{Context, Poll};

use super::running::Running;
use super::{ChildStderr, ChildStdin, ChildStdout};
use crate::io::{AsyncRead, AsyncReadExt};
use crate::macros::support::{MaybeDone, maybe_done};

/// A child process, started by [`Command::spawn`](super::Command::spawn).
///
/// Dropping it does not end the process, unless [`kill_on_drop`](super::Command::kill_on_drop) was
/// set. A process that exits afterwards is reaped in the background by whatever runtime of this
/// program is driven; see the [module](crate::process).
///
/// It may be awaited in a runtime other than the one it was started in.
#[derive(Debug)]
pub struct Child {
    state: State,

    /// What the child reads, if its standard input is piped. [`wait`](Child::wait) closes it.
    pub stdin: Option<ChildStdin>,

    /// What the child writes, if its standard output is piped.
    pub stdout: Option<ChildStdout>,

    /// What the child writes, if its standard error is piped.
    pub stderr: Option<ChildStderr>,
}

#[derive(Debug)]
enum State {
    Running(Running),
    Exited(ExitStatus),
}

impl Child {
    /// Takes over what std has started. If that fails the process runs on unobserved.
    #[track_caller]
    pub(super) fn new(mut child: std::process::Child, kill_on_drop: bool) -> io::Result<Child> {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // First of all: whatever fails from here on, somebody waits for the process.
        let running = Running::new(child, kill_on_drop)?;
        Ok(Child {
            state: State::Running(running),
            stdin: stdin.map(ChildStdin::from_std).transpose()?,
            stdout: stdout.map(ChildStdout::from_std).transpose()?,
            stderr: stderr.map(ChildStderr::from_std).transpose()?,
        })
    }

    /// The process id, or `None` once the exit of the child is known: from then on the number may
    /// be that of another process.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut child = Command::new("true").spawn()?;
    /// assert!(child.id().is_some());
    /// child.wait().await?;
    /// assert_eq!(child.id(), None, "the number may be another process by now");
    /// # Ok(())
    /// # }
    /// ```
    pub fn id(&self) -> Option<u32> {
        match &self.state {
            State::Running(running) => Some(running.id()),
            State::Exited(_) => None,
        }
    }

    /// Sends SIGKILL, without waiting for its effect.
    ///
    /// The process is a zombie until it is awaited by [`wait`](Child::wait) or
    /// [`try_wait`](Child::try_wait), or until the child is dropped. Killing a child whose exit is
    /// known does nothing and succeeds. For other signals there is `kill(2)` with the
    /// [`id`](Child::id).
    ///
    /// # Errors
    ///
    /// If the kernel refuses, for instance because the child has another user's rights by now.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.start_kill()?;
    /// assert!(!child.wait().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_kill(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Running(running) => running.kill(),
            State::Exited(_) => Ok(()),
        }
    }

    /// Sends SIGKILL and waits for the exit.
    ///
    /// # Errors
    ///
    /// Those of [`start_kill`](Child::start_kill) and [`wait`](Child::wait).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the signal is sent at the first poll, and the exit can be awaited again.
    ///
    /// # Examples
    ///
    /// Give a child a second, then no more:
    ///
    /// ```
    /// use yamanote::process::Command;
    /// use yamanote::time::{Duration, timeout};
    ///
    /// # #[yamanote::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # const SECOND: Duration = Duration::from_millis(10);
    /// let mut child = Command::new("sleep").arg("3600").spawn()?;
    /// if timeout(SECOND, child.wait()).await.is_err() {
    ///     child.kill().await?;
    /// }
    /// assert_eq!(child.id(), None);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await?;
        Ok(())
    }

    /// Waits for the exit and returns its status. Once that is known, every call returns the same.
    ///
    /// [`stdin`](Child::stdin) is closed first, so that a child that reads to the end does not wait
    /// for input from whoever waits for it. Take it out of the child to keep it open. The other
    /// streams are left alone: a child that writes more than a pipe holds (64 KiB as a rule) while
    /// nobody reads never exits. [`wait_with_output`](Child::wait_with_output) reads.
    ///
    /// # Errors
    ///
    /// If somebody else has reaped the child (ECHILD), or the kernel has, because SIGCHLD is
    /// ignored, which may be inherited; if the runtime is shut down.
    ///
    /// # Panics
    ///
    /// If the runtime the child was started in is gone and there is no other one here, or one
    /// without `enable_io`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the status is not lost. Only stdin is closed for good.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn()?;
    /// assert_eq!(child.wait().await?.code(), Some(7));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        let status = match &mut self.state {
            State::Running(running) => poll_fn(|cx| running.poll_wait(cx)).await?,
            State::Exited(status) => *status,
        };
        self.state = State::Exited(status);
        Ok(status)
    }

    /// The exit status if the child has exited, `None` if it runs. Does not wait, closes nothing
    /// and wakes nobody later.
    ///
    /// # Errors
    ///
    /// If somebody else has reaped the child (ECHILD).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Stdio;
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    /// assert!(cat.try_wait()?.is_none(), "it waits for its input");
    /// drop(cat.stdin.take());
    /// assert!(cat.wait().await?.success());
    /// assert!(cat.try_wait()?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = match &mut self.state {
            State::Running(running) => running.try_wait()?,
            State::Exited(status) => Some(*status),
        };
        if let Some(status) = status {
            self.state = State::Exited(status);
        }
        Ok(status)
    }

    /// Waits for the exit while reading all that the child writes to those of its streams that are
    /// piped. Closes stdin first, as [`wait`](Child::wait) does.
    ///
    /// It ends when the child has exited **and** the streams are at their end; a process the child
    /// has started may hold them open for longer.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Child::wait), and of reading.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: what was read is lost, and the child is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Stdio;
    /// use yamanote::process::Command;
    ///
    /// # #[yamanote::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// assert_eq!(child.wait_with_output().await?.stdout, b"hello\n");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        // They stay open until all is over: a child that is still to write its last words must not
        // find a broken pipe because another of the three has failed or ended.
        let (mut stdout_end, mut stderr_end) = (self.stdout.take(), self.stderr.take());
        // As `try_join!`, which is there with the feature `macros` only.
        let mut status = pin!(maybe_done(self.wait()));
        let mut stdout = pin!(maybe_done(read_all(stdout_end.as_mut())));
        let mut stderr = pin!(maybe_done(read_all(stderr_end.as_mut())));
        poll_fn(|cx| {
            let done = [
                advance(status.as_mut(), cx)?,
                advance(stdout.as_mut(), cx)?,
                advance(stderr.as_mut(), cx)?,
            ];
            match done.contains(&false) {
                true => Poll::Pending,
                false => Poll::Ready(io::Result::Ok(())),
            }
        })
        .await?;
        Ok(Output {
            status: status.take_ok(),
            stdout: stdout.take_ok(),
            stderr: stderr.take_ok(),
        })
    }
}

/// Polls a branch, if it still runs, and says whether it is done.
fn advance<T, F>(mut branch: Pin<&mut MaybeDone<F>>, cx: &mut Context<'_>) -> io::Result<bool>
where
    F: Future<Output = io::Result<T>>,
{
    let done = branch.as_mut().poll_done(cx).is_ready();
    match branch.take_error() {
        Some(error) => Err(error),
        None => Ok(done),
    }
}

async fn read_all(stream: Option<&mut (impl AsyncRead + Unpin)>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
