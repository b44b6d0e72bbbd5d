//! An idle program does not sleep in a ring, where the machine's figures would have it wait for a disk.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use yamanote::buf::IoBuf;
use yamanote::fs::File;
use yamanote_test::{Capability, Setup, TempDir, require};

const PAGE: usize = 4096;

/// Threads of this process that are in `io_uring_enter`. `None` if the kernel does not tell.
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

yamanote_test::matrix! {
    alone fn after_operations_through_rings(setup: Setup) {
        if !require(Capability::Ext4) || threads_in_rings().is_none() {
            return;
        }
        let directory = TempDir::on_ext4();
        let path = directory.path().join("direct");
        fs::write(&path, [7; PAGE]).unwrap();
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let reads: Vec<_> = (0..8).map(|_| {
            let path = path.clone();
            runtime.spawn(async move {
                let mut options = fs::File::options();
                options.read(true).custom_flags(libc::O_DIRECT);
                let file = File::from_std(options.open(path).unwrap());
                let bytes = vec![0; 2 * PAGE];
                let start = bytes.as_ptr().align_offset(PAGE);
                let (n, _) = file.read_at(bytes.slice(start..start + PAGE), 0).await;
                assert_eq!(n.unwrap(), PAGE);
            })
        }).collect();
        runtime.block_on(async {
            for read in reads {
                read.await.unwrap();
            }
        });
        let through_rings = runtime.handle().metrics().ops_submitted();
        assert_eq!(through_rings > 0, setup.driver == yamanote_test::Driver::Uring);
        let watcher = std::thread::spawn(|| {
            let (start, mut quiet) = (Instant::now(), 0);
            // Once all have gone to sleep none of them is to be found there.
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
}
