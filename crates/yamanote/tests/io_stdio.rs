//! Standard input, output and error, of processes that the tests start for it: this test binary
//! again, with one of the ignored tests.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use yamanote::io::{AsyncReadExt, AsyncWriteExt, stderr, stdin, stdout};
use yamanote::runtime::{Builder, Runtime};

/// The output of the test harness is outside of these.
const BEGIN: &str = "<<<\n";
const END: &str = "\n>>>\n";

fn start(child: &str, stderr: Stdio) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", child, "--ignored", "--nocapture", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap()
}

fn finish(mut child: Child) -> Vec<u8> {
    let mut output = Vec::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut output)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{}", output.escape_ascii());
    between_marks(&output).to_vec()
}

fn between_marks(output: &[u8]) -> &[u8] {
    let find = |mark: &str| {
        output
            .windows(mark.len())
            .position(|window| window == mark.as_bytes())
            .unwrap_or_else(|| panic!("no mark in {}", output.escape_ascii()))
    };
    &output[find(BEGIN) + BEGIN.len()..find(END)]
}

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap(),
    ]
}

/// More than one job's worth comes out as it went in.
#[test]
fn echo() {
    let mut child = start("child_echo", Stdio::inherit());
    let data: Vec<u8> = (0..250).cycle().take(5 << 20).collect();
    let mut input = child.stdin.take().unwrap();
    let sent = data.clone();
    let sending = std::thread::spawn(move || input.write_all(&sent).unwrap());
    assert!(finish(child) == data);
    sending.join().unwrap();
}

#[test]
#[ignore = "started by `echo`"]
fn child_echo() {
    runtimes()[1].block_on(async {
        let mut out = stdout();
        out.write_all(BEGIN.as_bytes()).await.unwrap();
        yamanote::io::copy(&mut stdin(), &mut out).await.unwrap();
        out.write_all(END.as_bytes()).await.unwrap();
        out.flush().await.unwrap();
    });
}

/// What was accepted is written, also without a flush and when the runtime goes.
#[test]
fn accepted_is_written() {
    assert_eq!(finish(start("child_accepts", Stdio::inherit())), b"0\n1");
}

#[test]
#[ignore = "started by `accepted_is_written`"]
fn child_accepts() {
    println!();
    print!("{BEGIN}");
    for (i, runtime) in runtimes().into_iter().enumerate() {
        runtime.block_on(async {
            let text = format!("{i}\n");
            assert_eq!(stdout().write(text.as_bytes()).await.unwrap(), 2);
        });
        drop(runtime);
    }
    print!("{}", &END[1..]);
}

const READ_AND_DROPPED: &str = "read and dropped";

/// An abandoned read gives its bytes to the next one, and a small buffer leaves the rest.
#[test]
fn a_dropped_read_loses_nothing() {
    let mut child = start("child_drops_reads", Stdio::inherit());
    let mut said = Vec::new();
    while !said.ends_with(READ_AND_DROPPED.as_bytes()) {
        let mut byte = [0];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut byte)
            .unwrap();
        said.extend_from_slice(&byte);
    }
    child.stdin.as_mut().unwrap().write_all(b"abcdef").unwrap();
    drop(child.stdin.take());
    assert_eq!(finish(child), b"abcdef");
}

#[test]
#[ignore = "started by `a_dropped_read_loses_nothing`"]
fn child_drops_reads() {
    let [runtime, _] = runtimes();
    runtime.block_on(async {
        let mut input = stdin();
        let read = yamanote::time::timeout(Duration::from_millis(1), async {
            input.read(&mut [0; 100]).await.unwrap()
        });
        assert!(read.await.is_err(), "nothing to read yet");
        println!("{READ_AND_DROPPED}");
        let mut text = Vec::new();
        loop {
            let mut few = [0; 2];
            let n = input.read(&mut few).await.unwrap();
            if n == 0 {
                break;
            }
            text.extend_from_slice(&few[..n]);
        }
        assert_eq!(input.read(&mut []).await.unwrap(), 0);
        let text = format!("{BEGIN}{}{END}", text.escape_ascii());
        let mut out = stdout();
        out.write_all(text.as_bytes()).await.unwrap();
        out.shutdown().await.unwrap();
    });
}

/// A failure is reported once, by the next call after the write; then the handle can be used again.
#[test]
fn errors_come_later() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(finish(start("child_fails", full.into())), b"failed later");
}

#[test]
#[ignore = "started by `errors_come_later`"]
fn child_fails() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let mut err = stderr();
            err.flush().await.unwrap();
            assert_eq!(err.write(b"").await.unwrap(), 0);
            for _ in 0..2 {
                assert_eq!(err.write(b"lost").await.unwrap(), 4);
                let error = err.flush().await.unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
            }
            assert_eq!(err.write(b"lost").await.unwrap(), 4);
            let error = err.write(b"not taken").await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
            err.flush().await.unwrap();
        });
    }
    println!("{BEGIN}failed later{END}");
}

/// Without a runtime there is a panic that says so, and no harm.
#[test]
fn outside_a_runtime() {
    let mut out = stdout();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        futures::executor::block_on(out.write(b"x"))
    }));
    assert!(panic.is_err());
    for runtime in runtimes() {
        runtime.block_on(async { out.flush().await.unwrap() });
    }
}

#[test]
fn descriptors_and_auto_traits() {
    use std::os::fd::{AsFd, AsRawFd};
    fn check<T: Send + Sync + Unpin + AsFd + AsRawFd + std::fmt::Debug>(stream: &T) -> i32 {
        assert_eq!(stream.as_fd().as_raw_fd(), stream.as_raw_fd());
        stream.as_raw_fd()
    }
    assert_eq!(check(&stdin()), 0);
    assert_eq!(check(&stdout()), 1);
    assert_eq!(check(&stderr()), 2);
}
