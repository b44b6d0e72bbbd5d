//! What a child is given and what it gives back: every option, and every byte of its streams.

mod process_support;

use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::process::Stdio;

use process_support::sh;
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::process::{ChildStdin, Command};
use yamanote_test::matrix;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + (i >> 8)) as u8).collect()
}

matrix! {
    /// Both pipes full at once, in both directions; every byte comes back.
    async fn a_megabyte_through_cat() {
        let bytes = pattern(1 << 20);
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let sent = bytes.clone();
        let writer = yamanote::spawn(async move { stdin.write_all(&sent).await });
        let mut received = Vec::new();
        stdout.read_to_end(&mut received).await.unwrap();
        writer.await.unwrap().unwrap();
        assert!(received == bytes);
        assert!(child.wait().await.unwrap().success());
    }

    /// More on both streams than the pipes hold, while the exit is awaited.
    async fn all_the_output() {
        let script = "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2; exit 3";
        let output = sh(script).output().await.unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 200_000));
        let output = sh("echo a").spawn().unwrap().wait_with_output().await.unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0), "nothing was piped");
    }

    /// A grandchild holds the pipe: its words count as output, though the exit is known before
    /// them.
    async fn output_of_a_grandchild() {
        let script = "echo early; (sleep 0.3; echo late) &";
        let output = sh(script).output().await.unwrap();
        assert_eq!(output.stdout, b"early\nlate\n");
    }

    /// A wait closes stdin, so a child that reads to the end ends.
    async fn a_wait_closes_stdin() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        assert!(child.stdin.is_some());
        assert!(child.wait().await.unwrap().success());
        assert!(child.stdin.is_none());
    }

    /// Writing to a child that no longer reads is an error, not the end of this process.
    async fn broken_pipe() {
        let mut child = sh("exec <&-; exec sleep 1000")
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let error = loop {
            if let Err(error) = stdin.write_all(&[0; 4096]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }

    /// Vectored writes, flush and shutdown.
    async fn stdin_as_a_writer() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin: ChildStdin = child.stdin.take().unwrap();
        assert!(yamanote::io::AsyncWrite::is_write_vectored(&stdin));
        let parts = [std::io::IoSlice::new(b"one "), std::io::IoSlice::new(b"two")];
        assert_eq!(stdin.write_vectored(&parts).await.unwrap(), 7);
        stdin.flush().await.unwrap();
        // Closes nothing.
        stdin.shutdown().await.unwrap();
        stdin.write_all(b" three").await.unwrap();
        drop(stdin);
        assert_eq!(child.wait_with_output().await.unwrap().stdout, b"one two three");
    }

    /// The output of one child is the input of the next, and the pipe blocks as programs expect.
    async fn a_pipeline() {
        let mut first = sh("echo hello").stdout(Stdio::piped()).spawn().unwrap();
        let between: Stdio = first.stdout.take().unwrap().try_into().unwrap();
        let second = Command::new("tr").args(["a-z", "A-Z"]).stdin(between).output();
        assert_eq!(second.await.unwrap().stdout, b"HELLO\n");
        assert!(first.wait().await.unwrap().success());

        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let flags = |fd: i32| {
            // SAFETY: F_GETFL takes no argument.
            unsafe { libc::fcntl(fd, libc::F_GETFL) }
        };
        assert_ne!(flags(child.stdout.as_ref().unwrap().as_raw_fd()) & libc::O_NONBLOCK, 0);
        let stdin = child.stdin.take().unwrap().into_owned_fd().unwrap();
        let stdout = child.stdout.take().unwrap().into_owned_fd().unwrap();
        for fd in [&stdin, &stdout] {
            assert_eq!(flags(fd.as_raw_fd()) & libc::O_NONBLOCK, 0);
        }
        drop(stdin);
        child.wait().await.unwrap();
    }

    /// The streams of a child that std has started.
    async fn streams_from_std() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "cat; echo err >&2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = ChildStdin::from_std(child.stdin.take().unwrap()).unwrap();
        let mut stdout = yamanote::process::ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let mut stderr = yamanote::process::ChildStderr::from_std(child.stderr.take().unwrap()).unwrap();
        stdin.write_all(b"in").await.unwrap();
        drop(stdin);
        let (mut out, mut err) = (String::new(), String::new());
        stdout.read_to_string(&mut out).await.unwrap();
        stderr.read_to_string(&mut err).await.unwrap();
        assert_eq!((&*out, &*err), ("in", "err\n"));
        child.wait().unwrap();
    }

    /// What the child gets is what was asked for.
    async fn every_option() {
        let mut command = sh("echo $0 $A $B $C; pwd; ps -o pgid= -p $$ | tr -d ' '; echo $$");
        command
            .arg0("renamed")
            .arg("zero")
            .env("A", "1")
            .envs([("B", "2"), ("C", "3")])
            .env_remove("C")
            .current_dir("/")
            .process_group(0);
        let text = String::from_utf8(command.output().await.unwrap().stdout).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["zero 1 2", "/"]);
        if lines.len() == 4 {
            assert_eq!(lines[2], lines[3], "leads a group of its own");
        }
        let output = Command::new("/usr/bin/env").env_clear().env("ONLY", "this").output().await;
        assert_eq!(output.unwrap().stdout, b"ONLY=this\n");
        assert_eq!(command.as_std().get_program(), "sh");
        command.as_std_mut().arg("last");
        let std = command.into_std();
        assert_eq!(std.get_args().last().unwrap(), "last");
        assert!(!Command::from(std).get_kill_on_drop());
    }
}
