//! What a parent leaves behind: signals that are ignored or blocked when the program starts.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::process::{Child, Command};
use yamanote::signal::unix::{SignalKind, signal};
use yamanote::time::{sleep, timeout};
use yamanote_test::{
    Setup, Snapshot, TempDir, block_signals, builder, deny_syscall, ignore_signals, matrix,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null());
    command
}

fn ignore(signal: libc::c_int) {
    // SAFETY: ignoring calls no code of ours.
    let before = unsafe { libc::signal(signal, libc::SIG_IGN) };
    assert_ne!(before, libc::SIG_ERR);
}

fn send(signal: libc::c_int) {
    // SAFETY: to our own process, which listens to it.
    let result = unsafe { libc::kill(libc::getpid(), signal) };
    assert_eq!(result, 0);
}

/// Sockets, files, the pool, timers.
async fn a_bit_of_everything() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = yamanote::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = [0; 5];
    stream.read_exact(&mut bytes).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(&client.await.unwrap(), b"hello");

    let temp = TempDir::new();
    let path = temp.path().join("file");
    let mut file = yamanote::fs::File::create(&path).await.unwrap();
    file.write_all(&[7; 100_000]).await.unwrap();
    file.sync_all().await.unwrap();
    assert_eq!(yamanote::fs::read(&path).await.unwrap(), [7; 100_000]);
    assert_eq!(yamanote::task::spawn_blocking(|| 5).await.unwrap(), 5);
    sleep(Duration::from_millis(5)).await;

    // A socket whose reader is gone: an error, and no signal.
    drop(stream);
    let (mut end, other) = yamanote::net::UnixStream::pair().unwrap();
    drop(other);
    let error = end.write_all(b"x").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

async fn ended(child: &mut Child) -> std::io::Result<std::process::ExitStatus> {
    timeout(PATIENCE, child.wait())
        .await
        .expect("it waits for ever")
}

/// With the exit noticed by pidfd.
async fn children_are_waited_for() {
    for code in [0, 3] {
        let mut child = sh(&format!("exit {code}")).spawn().unwrap();
        assert_eq!(ended(&mut child).await.unwrap().code(), Some(code));
    }
    let mut child = sh("exec sleep 1000").spawn().unwrap();
    child.start_kill().unwrap();
    let status = ended(&mut child).await.unwrap();
    assert_eq!(status.signal(), Some(libc::SIGKILL));
}

matrix! {
    alone fn everything_blocked(setup: Setup) {
        block_signals();
        builder!(setup).build().unwrap().block_on(async {
            a_bit_of_everything().await;
            children_are_waited_for().await;
            // What we have blocked does not concern a child.
            let output = sh("grep SigBlk: /proc/self/status").output().await.unwrap();
            assert_eq!(output.stdout, b"SigBlk:\t0000000000000000\n");
        });
    }

    alone fn everything_ignored(setup: Setup) {
        ignore_signals();
        builder!(setup).build().unwrap().block_on(a_bit_of_everything());
    }

    alone fn everything_ignored_but_sigchld(setup: Setup) {
        ignore_signals();
        // SAFETY: restores the default action.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        builder!(setup).build().unwrap().block_on(children_are_waited_for());
    }

    /// The kernel reaps by itself and tells nobody how the child ended: an error, as with std and
    /// Tokio, once the child has ended and no earlier.
    alone fn sigchld_ignored(setup: Setup) {
        ignore(libc::SIGCHLD);
        builder!(setup).build().unwrap().block_on(async {
            for _ in 0..3 {
                let started = Instant::now();
                let mut child = sh("sleep 0.2").spawn().unwrap();
                let error = ended(&mut child).await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
                assert!(started.elapsed() >= Duration::from_millis(200));
            }
            // What it writes arrives all the same.
            let mut child = sh("echo out; sleep 0.2").stdout(Stdio::piped()).spawn().unwrap();
            let mut text = String::new();
            child.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "out\n");
            ended(&mut child).await.unwrap_err();
        });
    }

    /// A child may be gone before it can be watched. Waiting ends all the same, and the descriptors
    /// of dropped children are closed.
    alone fn sigchld_ignored_and_children_that_end_at_once(setup: Setup) {
        ignore(libc::SIGCHLD);
        let rt = builder!(setup).build().unwrap();
        let mut most = 0;
        for round in 0..4 {
            rt.block_on(async {
                for _ in 0..10 {
                    let mut child = sh("exit 3").spawn().unwrap();
                    match ended(&mut child).await {
                        Ok(status) => assert_eq!(status.code(), Some(3)),
                        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ECHILD)),
                    }
                    drop(sh("exit 0").spawn().unwrap());
                    drop(sh("exec sleep 1000").kill_on_drop(true).spawn().unwrap());
                }
            });
            // The first round makes what stays: the bells.
            if round == 0 {
                rt.block_on(async { sleep(Duration::from_millis(500)).await });
                most = Snapshot::take().descriptor_count() + 2;
            }
        }
        let deadline = Instant::now() + PATIENCE;
        while Snapshot::take().descriptor_count() > most {
            assert!(Instant::now() < deadline, "{:?}", Snapshot::take());
            rt.block_on(async { sleep(Duration::from_millis(10)).await });
        }
    }

    /// Without pidfds the runtime listens to SIGCHLD, so the signal is no longer ignored once a
    /// child is being watched.
    alone fn sigchld_ignored_and_no_pidfds(setup: Setup) {
        deny_syscall(libc::SYS_pidfd_open, libc::ENOSYS);
        ignore(libc::SIGCHLD);
        builder!(setup).build().unwrap().block_on(async {
            let mut child = sh("sleep 0.5; exit 3").spawn().unwrap();
            assert_eq!(ended(&mut child).await.unwrap().code(), Some(3));
            children_are_waited_for().await;
        });
    }

    /// A listener wants to hear the signal, whatever the parent wanted.
    alone fn ignored_signals_are_heard(setup: Setup) {
        ignore_signals();
        builder!(setup).build().unwrap().block_on(async {
            for number in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGCHLD] {
                let mut listener = signal(SignalKind::from_raw(number)).unwrap();
                send(number);
                timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
            }
        });
    }
}
