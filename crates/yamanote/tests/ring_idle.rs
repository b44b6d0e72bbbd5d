//! What rings do to a program that does not use them at the moment: an idle one does not sleep in a
//! ring, where the machine's statistics would show it as waiting for a disk, and its own blocking
//! calls are left alone.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use yamanote::buf::IoBuf;
use yamanote::fs::OpenOptions;
use yamanote_test::{Capability, Setup, TempDir, require};

const PAGE: usize = 4096;

/// Threads of this process that are in `io_uring_enter`. `None` if the kernel does not say.
fn threads_in_rings() -> Option<usize> {
    let mut number = 0;
    for thread in fs::read_dir("/proc/self/task").unwrap().flatten() {
        // "running", or the number of the system call and its arguments.
        let call = fs::read_to_string(thread.path().join("syscall")).ok()?;
        let call = call
            .split(' ')
            .next()
            .and_then(|call| call.trim().parse().ok());
        number += usize::from(call == Some(libc::SYS_io_uring_enter));
    }
    Some(number)
}

async fn read_directly(path: PathBuf) {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_DIRECT);
    let file = options.open(path).await.unwrap();
    let bytes = vec![0; 2 * PAGE];
    let start = bytes.as_ptr().align_offset(PAGE);
    let (n, _) = file.read_at(bytes.slice(start..start + PAGE), 0).await;
    assert_eq!(n.unwrap(), PAGE);
}

yamanote_test::matrix! {
    alone fn after_operations_through_rings(setup: Setup) {
        if !require(Capability::Ext4) || threads_in_rings().is_none() {
            return;
        }
        let directory = TempDir::on_ext4();
        let path = directory.path().join("direct");
        fs::write(&path, [7; PAGE]).unwrap();
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let metrics = runtime.handle().metrics();
        let start = Instant::now();
        loop {
            let reads: Vec<_> = (0..8).map(|_| runtime.spawn(read_directly(path.clone()))).collect();
            runtime.block_on(async {
                for read in reads {
                    read.await.unwrap();
                }
            });
            // A machine so busy that a call looked stuck gives the ring nothing for a while.
            let is_ready = metrics.ops_submitted() > 0 || setup.driver == yamanote_test::Driver::Epoll;
            if is_ready {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "nothing goes through a ring");
            std::thread::sleep(Duration::from_millis(50));
        }
        let watcher = std::thread::spawn(|| {
            let (start, mut quiet) = (Instant::now(), 0);
            // Once all have gone to sleep, none of them is to be found there.
            while quiet < 20 {
                assert!(start.elapsed() < Duration::from_secs(60), "somebody sleeps in a ring");
                quiet = match threads_in_rings() {
                    Some(0) => quiet + 1,
                    _ => 0,
                };
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        runtime.block_on(async {
            while !watcher.is_finished() {
                yamanote::time::sleep(Duration::from_millis(100)).await;
            }
        });
        watcher.join().unwrap();
    }
    // Alone, because of the rings that are tried before a process has its first runtime.
    alone fn a_blocking_call_after_the_start(setup: Setup) {
        let (mut reader, _writer) = UnixStream::pair().unwrap();
        reader.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        // Another thread than the one that found out whether there are rings for these tests.
        let builds = move || {
            for _ in 0..3 {
                let runtime = yamanote_test::builder!(setup).build().unwrap();
                let error = reader.read(&mut [0]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                drop(runtime);
            }
        };
        std::thread::spawn(builds).join().unwrap();
    }
}
