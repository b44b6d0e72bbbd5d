//! After a runtime is dropped nothing of it is left: descriptors, threads, heap, wakers,
//! operations.

use std::io::ErrorKind;
use std::time::{Duration, Instant};
use yamanote::fs::{File, OpenOptions};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote_test::{Capability, CountingAlloc, CountingWaker, Setup, Snapshot, TempDir, require};

#[global_allocator]
static HEAP: CountingAlloc = CountingAlloc::new();

yamanote_test::matrix! {
    alone fn nothing_is_left_of_a_runtime_that_did_everything(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        let directory = TempDir::on_ext4();
        let life = || {
            let path = directory.path().to_owned();
            // In a thread of its own, so that thread-locals go with it.
            let ops = std::thread::spawn(move || one_life(setup, &path));
            ops.join().expect("the workload does not panic")
        };
        // What a process makes only once (tables of file systems, a probe's answer) is made here.
        for _ in 0..3 {
            life();
        }
        let snapshot = Snapshot::take();
        let heap = HEAP.live_bytes();
        for _ in 0..5 {
            let ops_submitted = life();
            match setup.driver {
                yamanote_test::Driver::Uring => assert!(ops_submitted > 0),
                yamanote_test::Driver::Epoll => assert_eq!(ops_submitted, 0),
            }
        }
        snapshot.assert_restored();
        // The last thread may still be freeing its stack's bookkeeping.
        let deadline = Instant::now() + Duration::from_secs(5);
        while HEAP.live_bytes() > heap && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(HEAP.live_bytes(), heap, "heap left behind");
    }
}

/// Builds a runtime, leaves every kind of thing unfinished in it, and drops it. Returns the number
/// of operations that went through its rings.
fn one_life(setup: Setup, directory: &std::path::Path) -> u64 {
    let runtime = yamanote_test::builder!(setup)
        .build()
        .expect("the runtime starts");
    let handle = runtime.handle().clone();
    let counting = CountingWaker::new();
    runtime.block_on(async {
        sockets().await;
        // By the future of `block_on`, and by a task, which may have a ring.
        files(directory.to_owned()).await;
        yamanote::spawn(files(directory.to_owned())).await.unwrap();
        timers_and_jobs(&counting).await;
    });
    drop(runtime);
    let metrics = handle.metrics();
    assert_eq!((metrics.live_ops(), metrics.leaked_ops()), (0, 0));
    assert_eq!(counting.alive(), 0, "wakers left in the runtime");
    metrics.ops_submitted()
}

async fn sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    yamanote::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                return;
            };
            yamanote::spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..n]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    for round in 0..20u8 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&[round; 1000]).await.unwrap();
        let mut echo = [0; 1000];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, [round; 1000]);
        // Half of the clients stay connected, waiting, until the runtime goes.
        if round % 2 == 0 {
            yamanote::spawn(async move {
                let mut byte = [0];
                // Ends only if the server's side is dropped first.
                let _ = stream.read(&mut byte).await;
            });
        }
    }
}

async fn files(directory: std::path::PathBuf) {
    let path = directory.join("file");
    let mut file = File::create(&path).await.unwrap();
    file.write_all(&[7; 100_000]).await.unwrap();
    file.sync_all().await.unwrap();
    assert_eq!(yamanote::fs::read(&path).await.unwrap(), [7; 100_000]);
    assert_eq!(
        File::open(directory.join("missing"))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );

    // Operations on the device, dropped in every state: before the first poll, while the kernel
    // has them, and after a neighbour has completed.
    let direct = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(&path)
        .await
        .unwrap();
    for _ in 0..20 {
        drop(direct.read_at(Vec::with_capacity(4096), 0));
        yamanote::select! {
            biased;
            _ = direct.read_at(Vec::with_capacity(65_536), 0) => {}
            () = std::future::ready(()) => {}
        }
        yamanote::select! {
            _ = direct.read_at(Vec::with_capacity(4096), 0) => {}
            _ = file.sync_data() => {}
        }
    }
    // One is under way when the runtime goes.
    yamanote::spawn(async move {
        // Fails only once the runtime is shutting down.
        while file.sync_data().await.is_ok() {
            let (_result, _buffer) = direct.read_at(Vec::with_capacity(65_536), 0).await;
        }
    });
}

async fn timers_and_jobs(counting: &CountingWaker) {
    let waker = counting.waker();
    let mut cx = std::task::Context::from_waker(&waker);
    // Left in the wheel by a future that is leaked, and by one that is dropped.
    for leak in [true, false] {
        let mut sleep = Box::pin(yamanote::time::sleep(Duration::from_secs(3600)));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        if leak {
            // Boxed in a task that never ends, so that the runtime's end drops it.
            yamanote::spawn(async move {
                std::future::pending::<()>().await;
                drop(sleep);
            });
        }
    }
    let (mut near, far) = yamanote::io::duplex(16);
    yamanote::spawn(async move {
        let _far = far;
        std::future::pending::<()>().await;
    });
    near.write_all(&[1; 16]).await.unwrap();
    let mut write = Box::pin(async move { near.write_all(&[2; 16]).await });
    assert!(write.as_mut().poll(&mut cx).is_pending());
    drop(write);
    assert_eq!(yamanote::task::spawn_blocking(|| 5).await.unwrap(), 5);
    for _ in 0..100 {
        yamanote::spawn(std::future::pending::<()>());
    }
    yamanote::task::yield_now().await;
}
