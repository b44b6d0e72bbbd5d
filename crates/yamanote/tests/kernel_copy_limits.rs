//! What copies by the kernel cost and risk: nothing is lost, no pipe is left open, others get their
//! turn, and what is refused is done without.

mod kernel_copy_support;
mod tcp_support;

use std::future::poll_fn;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use kernel_copy_support::{
    KIB, Kind, MIB, assert_stream, copy_to_end, moved, pass, sink, source, stream,
};
use tcp_support::pair;
use yamanote::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional};
use yamanote::net::{TcpStream, UnixStream};
use yamanote::runtime::Handle;
use yamanote::sync::oneshot;
use yamanote::task::JoinSet;
use yamanote::time::sleep;
use yamanote_test::{Scarcity, Setup, Snapshot, builder, deny_syscall, raise_descriptor_limit};

/// Lets what was begun fill its buffers.
async fn far_enough() {
    for _ in 0..50 {
        yamanote::task::yield_now().await;
    }
}

/// What was dropped may take a moment to be closed.
async fn assert_descriptors(expected: usize) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let now = Snapshot::take();
        if now.descriptor_count() == expected {
            return;
        }
        assert!(Instant::now() < deadline, "not {expected}: {now:#?}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Makes `stream` refuse more while it has not sent so many bytes (`TCP_NOTSENT_LOWAT`).
fn limit_unsent(stream: &TcpStream, bytes: libc::c_int) {
    // SAFETY: the value is an integer of the size that is passed beside it.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const bytes).cast(),
            size_of_val(&bytes) as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
}

yamanote_test::matrix! {
    async fn a_dropped_copy_has_lost_no_more_than_a_buffer() {
        // How far the reader at the end gets before it stops, and polls before the drop.
        for (taken, polls) in [(0, 1), (0, 9), (1, 30), (100_000, 3), (400_000, 40), (MIB, 200)] {
            for (from, to) in [(Kind::Tcp, Kind::Tcp), (Kind::Unix, Kind::Tcp), (Kind::Tcp, Kind::Pipe)] {
                let (mut far, mut near) = source(from).await;
                let (mut out, mut end) = sink(to).await;
                let sending = yamanote::spawn(async move {
                    far.write_all(stream(6 * MIB)).await.unwrap();
                    far.shutdown().await.unwrap();
                });
                let mut received = vec![0; taken];
                {
                    let mut copying = pin!(copy(&mut near, &mut out));
                    let mut reading = pin!(end.read_exact(&mut received));
                    let (mut copied, mut read) = (false, false);
                    let mut turns = 0;
                    while turns < polls || !read {
                        copied = copied || copying.as_mut().now_or_never().is_some();
                        read = read || reading.as_mut().now_or_never().is_some();
                        yamanote::task::yield_now().await;
                        turns += 1;
                    }
                }
                out.shutdown().await.unwrap();
                drop(out);
                end.read_to_end(&mut received).await.unwrap();
                assert_stream(0, &received);
                let mut rest = Vec::new();
                near.read_to_end(&mut rest).await.unwrap();
                sending.await.unwrap();
                assert_stream(6 * MIB - rest.len(), &rest);
                let lost = 6 * MIB - rest.len() - received.len();
                assert!(lost <= 8 * KIB, "{from:?} to {to:?}, {taken}, {polls}: {lost} bytes");
            }
        }
    }

    /// What a socket with a limit on what it has not sent takes is less than its room.
    alone fn a_sink_that_takes_less_than_it_has_room_for_gets_everything(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async {
            let (mut far, mut near) = pair().await;
            let (mut out, mut end) = pair().await;
            let sending = yamanote::spawn(async move {
                far.write_all(stream(8 * MIB)).await.unwrap();
            });
            far_enough().await;
            limit_unsent(&out, 20_000);
            let copying = yamanote::spawn(async move {
                let copied = copy(&mut near, &mut out).await.unwrap();
                assert_eq!(copied, 8 * MIB as u64);
            });
            let mut received = Vec::new();
            while end.read_buf(&mut received).await.unwrap() > 0 {
                yamanote::task::yield_now().await;
            }
            assert_stream(0, &received);
            assert_eq!(received.len(), 8 * MIB);
            copying.await.unwrap();
            sending.await.unwrap();
            assert!(moved() > 0);

            // Dropped while a pipe holds bytes: these are lost, the pipe is not kept.
            let snapshot = Snapshot::take();
            for polls in 0..20 {
                let (mut far, mut near) = pair().await;
                let (mut out, mut end) = pair().await;
                limit_unsent(&out, 20_000);
                let sending = yamanote::spawn(async move {
                    let _ = far.write_all(stream(8 * MIB)).await;
                });
                far_enough().await;
                {
                    let mut copying = pin!(copy(&mut near, &mut out));
                    for _ in 0..polls {
                        assert!(copying.as_mut().now_or_never().is_none());
                        yamanote::task::yield_now().await;
                    }
                }
                drop(out);
                let mut received = Vec::new();
                end.read_to_end(&mut received).await.unwrap();
                assert_stream(0, &received);
                drop(near);
                sending.await.unwrap();
            }
            snapshot.assert_restored();
        });
    }

    alone fn no_descriptor_is_left(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async {
            drop(pair().await);
            // Threads of the runtime may still be starting.
            let before = Snapshot::take().descriptor_count();
            let (far, near) = pair().await;
            let (out, end) = pair().await;
            pass(Box::new(far), MIB, copy_to_end(near, out), Box::new(end)).await;
            for polls in 0..30 {
                let (mut far, mut near) = pair().await;
                let (mut out, mut end) = pair().await;
                let sending = yamanote::spawn(async move {
                    let _ = far.write_all(stream(4 * MIB)).await;
                });
                let reading = yamanote::spawn(async move {
                    let _ = end.read_exact(&mut vec![0; 2 * MIB]).await;
                });
                {
                    let mut copying = pin!(copy_bidirectional(&mut near, &mut out));
                    for _ in 0..polls {
                        if copying.as_mut().now_or_never().is_some() {
                            break;
                        }
                        yamanote::task::yield_now().await;
                    }
                }
                drop((near, out));
                sending.await.unwrap();
                reading.await.unwrap();
            }
            assert_descriptors(before).await;
        });
    }

    alone fn a_thousand_relays_need_few_descriptors(setup: Setup) {
        const BYTES: usize = 128 * KIB;
        // A thousand, with four descriptors each, if so many are allowed.
        let relays = (raise_descriptor_limit() as usize).min(4_200) / 4 - 50;
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async {
            let mut ends = Vec::new();
            for _ in 0..relays {
                ends.push((UnixStream::pair().unwrap(), UnixStream::pair().unwrap()));
            }
            let _scarcity = Scarcity::leave(64);
            let before = moved();
            let mut tasks = JoinSet::new();
            for ((mut far, mut near), (mut out, mut end)) in ends {
                tasks.spawn(async move {
                    let (from_far, from_end) = copy_bidirectional(&mut near, &mut out).await.unwrap();
                    assert_eq!((from_far, from_end), (BYTES as u64, 3));
                });
                tasks.spawn(async move {
                    far.write_all(stream(BYTES)).await.unwrap();
                    far.shutdown().await.unwrap();
                    let mut answer = String::new();
                    far.read_to_string(&mut answer).await.unwrap();
                    assert_eq!(answer, "yes");
                });
                tasks.spawn(async move {
                    let mut received = Vec::new();
                    end.read_to_end(&mut received).await.unwrap();
                    assert!(received == stream(BYTES));
                    end.write_all(b"yes").await.unwrap();
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
            assert!(moved() > before);
        });
    }

    alone fn a_call_that_is_denied_is_done_without(setup: Setup) {
        // One thread, so that the filters hold for all of it.
        if setup.workers.is_some() {
            return;
        }
        let runtime = builder!(setup).build().unwrap();
        let pass_one = |moves: bool| {
            runtime.block_on(async {
                for kind in [Kind::Tcp, Kind::Pipe] {
                    let (far, near) = source(kind).await;
                    let (out, end) = pair().await;
                    let before = moved();
                    pass(far, MIB, copy_to_end(near, out), Box::new(end)).await;
                    assert_eq!(moved() > before, moves, "{kind:?}");
                }
            });
        };
        pass_one(true);
        // In the middle of a copy: between two sockets, so that a pipe is in use.
        runtime.block_on(async {
            let (far, near) = pair().await;
            let (out, mut end) = pair().await;
            let copying = yamanote::spawn(copy_to_end(near, out));
            let sending = yamanote::spawn(async move {
                let mut far = far;
                far.write_all(stream(4 * MIB)).await.unwrap();
            });
            let mut received = vec![0; 2 * MIB];
            end.read_exact(&mut received).await.unwrap();
            deny_syscall(libc::SYS_splice, libc::EINVAL);
            let before = moved();
            end.read_to_end(&mut received).await.unwrap();
            assert_eq!(moved(), before);
            assert_stream(0, &received);
            assert_eq!(received.len(), 4 * MIB);
            assert_eq!(copying.await.unwrap().unwrap(), 4 * MIB as u64);
            sending.await.unwrap();
        });
        pass_one(false);
        deny_syscall(libc::SYS_pipe2, libc::EMFILE);
        deny_syscall(libc::SYS_getsockopt, libc::EPERM);
        deny_syscall(libc::SYS_splice, libc::ENOSYS);
        runtime.block_on(async {
            let (a, b) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
            let copying = copy_to_end(a.1, b.0);
            pass(Box::new(a.0), MIB, copying, Box::new(b.1)).await;
        });
    }

    alone fn without_a_pipe_it_is_done_without(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async {
            let (far, near) = pair().await;
            let (out, end) = pair().await;
            let _scarcity = Scarcity::leave(0);
            pass(Box::new(far), 2 * MIB, copy_to_end(near, out), Box::new(end)).await;
            assert_eq!(moved(), 0);
        });
    }

    alone fn a_peer_that_is_gone_is_an_error_also_where_sigpipe_kills(setup: Setup) {
        // SAFETY: the default action instead of the one that Rust sets at the start.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async {
            let (far, near) = UnixStream::pair().unwrap();
            let (out, mut end) = UnixStream::pair().unwrap();
            let (go_on, is_gone) = oneshot::channel();
            let sending = yamanote::spawn(async move {
                let mut far = far;
                far.write_all(stream(MIB)).await.unwrap();
                is_gone.await.unwrap();
                while far.write_all(stream(MIB)).await.is_ok() {}
            });
            let copying = yamanote::spawn(copy_to_end(near, out));
            // The copy has nothing left to write, so what comes next would be the kernel's.
            end.read_exact(&mut vec![0; MIB]).await.unwrap();
            drop(end);
            go_on.send(()).unwrap();
            assert_eq!(copying.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            sending.await.unwrap();
        });
    }

    fn it_can_be_turned_off(setup: Setup) {
        let runtime = builder!(setup).kernel_copies(false).build().unwrap();
        runtime.block_on(async {
            let (far, near) = pair().await;
            let (out, end) = pair().await;
            pass(Box::new(far), MIB, copy_to_end(near, out), Box::new(end)).await;
            assert_eq!(moved(), 0);
        });
    }

    /// Both peers are threads of their own, which never make the relay wait for long. However fast
    /// they are, a task that is ready runs as often as the relay, and one poll moves what its
    /// budget allows.
    fn a_relay_of_fast_peers_lets_others_run(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async { yamanote::spawn(relay_between_threads()).await.unwrap() });
    }
}

async fn relay_between_threads() {
    const TOTAL: usize = 128 * MIB;
    let (far, mut near) = pair().await;
    let (mut out, end) = pair().await;
    let [mut far, mut end] = [far, end].map(|stream| stream.into_std().unwrap());
    let sending = std::thread::spawn(move || {
        far.set_nonblocking(false).unwrap();
        let block = vec![7; MIB];
        for _ in 0..TOTAL / MIB {
            far.write_all(&block).unwrap();
        }
    });
    let reading = std::thread::spawn(move || {
        end.set_nonblocking(false).unwrap();
        io::copy(&mut end, &mut io::sink()).unwrap()
    });
    let others = Arc::new(AtomicU64::new(0));
    let other = yamanote::spawn({
        let others = others.clone();
        async move {
            loop {
                // Relaxed: on one thread it counts in order, and elsewhere nobody compares.
                others.fetch_add(1, Ordering::Relaxed);
                yamanote::task::yield_now().await;
            }
        }
    });
    // The first poll of the other one has begun its count.
    yamanote::task::yield_now().await;
    let has_one_thread = Handle::current().metrics().num_workers() == 1;
    let (mut most, mut seen, mut in_a_row, mut most_in_a_row) = (0, 0, 0, 0);
    {
        let mut copying = pin!(yamanote::io::copy(&mut near, &mut out));
        let copied = poll_fn(|cx| {
            let now = others.load(Ordering::Relaxed);
            in_a_row = if now == seen { in_a_row + 1 } else { 1 };
            (seen, most_in_a_row) = (now, most_in_a_row.max(in_a_row));
            let before = moved();
            let polled = copying.as_mut().poll(cx);
            most = most.max(moved() - before);
            polled
        });
        assert_eq!(copied.await.unwrap(), TOTAL as u64);
    }
    drop(out);
    other.abort();
    sending.join().unwrap();
    assert_eq!(reading.join().unwrap(), TOTAL as u64);
    // 128 units of 16 KiB, and what one move may exceed them by.
    assert!(most <= 3 * MIB as u64, "{most} bytes in one poll");
    // Who yielded last is first after the next turn: this one, the other, the other, this one.
    assert!(
        !has_one_thread || most_in_a_row <= 2,
        "{most_in_a_row} polls in a row"
    );
}
