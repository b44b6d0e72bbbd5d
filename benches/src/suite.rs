//! Included twice: once with `rt` meaning Tokio, once with `rt` meaning Yamanote.

use super::rt;
use crate::measure::{Flavor, Job};
use rt::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

pub(super) fn runtime(job: &Job) -> rt::runtime::Runtime {
    match job.flavor {
        Flavor::CurrentThread => rt::runtime::Builder::new_current_thread(),
        Flavor::MultiThread => rt::runtime::Builder::new_multi_thread(),
    }
    .enable_all()
    .worker_threads(2)
    .build()
    .expect("the runtime starts")
}

/// Runs `work` as a spawned task, as a server's work would.
pub(super) fn run<F>(job: &Job, work: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = runtime(job);
    runtime
        .block_on(async { rt::spawn(work).await })
        .expect("the work does not panic");
}

/// Reads the same 4 KiB from the page cache over and over, through the Tokio API.
pub fn hot_read(job: &Job) {
    let (ops, path) = (job.ops, job.files.hot.clone());
    run(job, async move {
        let mut file = rt::fs::File::open(path).await.expect("the file is there");
        let mut buffer = vec![0; 4096];
        for _ in 0..ops {
            file.rewind().await.expect("a file can be rewound");
            file.read_exact(&mut buffer).await.expect("4 KiB are there");
            assert_eq!(buffer[4095], 0xA5);
        }
    });
}

/// Opens, reads and closes a small file.
pub fn small_file(job: &Job) {
    let (ops, path) = (job.ops, job.files.small.clone());
    run(job, async move {
        for _ in 0..ops {
            let bytes = rt::fs::read(&path).await.expect("the file is there");
            assert_eq!(bytes.len(), 1024);
        }
    });
}

/// Reads a file that is far larger than what is copied at once.
pub fn large_file(job: &Job) {
    let (ops, path) = (job.ops, job.files.large.clone());
    run(job, async move {
        for _ in 0..ops {
            let bytes = rt::fs::read(&path).await.expect("the file is there");
            assert_eq!(bytes.len(), 4 << 20);
        }
    });
}

pub fn metadata(job: &Job) {
    let (ops, path) = (job.ops, job.files.small.clone());
    run(job, async move {
        for _ in 0..ops {
            let metadata = rt::fs::metadata(&path).await.expect("the file is there");
            assert_eq!(metadata.len(), 1024);
        }
    });
}

pub fn open_drop(job: &Job) {
    let (ops, path) = (job.ops, job.files.small.clone());
    run(job, async move {
        for _ in 0..ops {
            drop(rt::fs::File::open(&path).await.expect("the file is there"));
        }
    });
}

/// Opens with `O_CREAT|O_TRUNC` a file that exists from the second time on.
pub fn create_drop(job: &Job) {
    let (ops, path) = (job.ops, job.files.scratch.clone());
    run(job, async move {
        for _ in 0..ops {
            drop(
                rt::fs::File::create(&path)
                    .await
                    .expect("it can be created"),
            );
        }
    });
}

/// There and back again.
pub fn rename(job: &Job) {
    let (ops, here) = (job.ops, job.files.scratch.clone());
    let there = here.with_extension("there");
    run(job, async move {
        rt::fs::write(&here, b"x").await.expect("it can be written");
        for _ in 0..ops / 2 {
            rt::fs::rename(&here, &there).await.expect("it is here");
            rt::fs::rename(&there, &here).await.expect("it is there");
        }
    });
}

/// Replaces the contents of a small file.
pub fn write_small(job: &Job) {
    let (ops, path) = (job.ops, job.files.scratch.clone());
    run(job, async move {
        for _ in 0..ops {
            rt::fs::write(&path, [0x5A; 1024])
                .await
                .expect("it can be written");
        }
    });
}

/// Creates a file and writes 256 KiB to it, piece by piece.
pub fn write_many(job: &Job) {
    let (ops, path) = (job.ops, job.files.scratch.clone());
    run(job, async move {
        for _ in 0..ops {
            let mut file = rt::fs::File::create(&path)
                .await
                .expect("it can be created");
            for _ in 0..64 {
                file.write_all(&[0x5A; 4096]).await.expect("there is space");
            }
            file.flush().await.expect("there is space");
        }
        let written = rt::fs::metadata(&path).await.expect("it was created");
        assert_eq!(written.len(), 64 * 4096);
    });
}

pub fn echo_64(job: &Job) {
    echo(job, 64);
}

pub fn echo_1000(job: &Job) {
    echo(job, 1000);
}

/// Clients and the server share the runtime; each connection has one message under way.
fn echo(job: &Job, connections: u64) {
    let each = job.ops / connections;
    run(job, async move {
        let listener = rt::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let server = rt::spawn(async move {
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("a TCP option");
                rt::spawn(async move {
                    let mut buffer = [0; 64];
                    while stream.read_exact(&mut buffer).await.is_ok() {
                        stream.write_all(&buffer).await.expect("the client reads");
                    }
                });
            }
        });
        let mut clients = Vec::new();
        for id in 0..connections {
            let mut stream = rt::net::TcpStream::connect(address)
                .await
                .expect("connects");
            stream.set_nodelay(true).expect("a TCP option");
            clients.push(rt::spawn(async move {
                let mut buffer = [0; 64];
                for round in 0..each {
                    let message = [(id ^ round) as u8; 64];
                    stream.write_all(&message).await.expect("the server reads");
                    stream.read_exact(&mut buffer).await.expect("the echo");
                    assert_eq!(buffer, message);
                }
            }));
        }
        for client in clients {
            client.await.expect("the client does not panic");
        }
        server.await.expect("the server does not panic");
    });
}

pub fn empty_block_on(job: &Job) {
    let runtime = runtime(job);
    for i in 0..job.ops {
        assert_eq!(runtime.block_on(async { std::hint::black_box(i) }), i);
    }
}

pub fn spawn_join(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for i in 0..ops {
            assert_eq!(rt::spawn(async move { i }).await.expect("no panic"), i);
        }
    });
}

pub fn lone_yield(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for _ in 0..ops {
            rt::task::yield_now().await;
        }
    });
}

/// A timeout that is made and never waited for.
pub fn sleep_create_drop(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for _ in 0..ops {
            drop(std::hint::black_box(rt::time::sleep(
                std::time::Duration::from_secs(1),
            )));
        }
    });
}

/// A timeout around something that is ready at the second poll: the usual case in a server.
pub fn sleep_register_drop(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for round in 0..ops {
            {
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                let mut sleep = std::pin::pin!(rt::time::sleep(std::time::Duration::from_secs(1)));
                assert!(sleep.as_mut().poll(&mut cx).is_pending());
            }
            // The polls above spend the task's budget.
            if round % 100 == 99 {
                rt::task::yield_now().await;
            }
        }
    });
}

pub fn duplex_64(job: &Job) {
    duplex(job, 64);
}

pub fn duplex_64k(job: &Job) {
    duplex(job, 64 * 1024);
}

/// One task writes, another reads, through a pipe of 64 KiB.
fn duplex(job: &Job, size: usize) {
    let ops = job.ops;
    run(job, async move {
        let (mut near, mut far) = rt::io::duplex(64 * 1024);
        let writer = rt::spawn(async move {
            let message = vec![0x5A; size];
            for _ in 0..ops {
                near.write_all(&message).await.expect("the reader reads");
            }
        });
        let mut buffer = vec![0; size];
        for _ in 0..ops {
            far.read_exact(&mut buffer)
                .await
                .expect("the writer writes");
        }
        assert_eq!(buffer[size - 1], 0x5A);
        writer.await.expect("the writer does not panic");
    });
}
