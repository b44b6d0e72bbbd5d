//! Pipes in memory: what is read is what was written, nobody waits in vain, and nobody is woken for
//! nothing.

mod mem_support;

use std::future::Future;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;

use futures::executor::block_on;
use mem_support::Counter;
use yamanote::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf,
    SimplexStream, WriteHalf, duplex, simplex,
};

/// The waker of the last poll is woken, the earlier ones are forgotten.
#[test]
fn the_last_waker_counts() {
    let (mut writer, mut reader) = duplex(1);
    let [first, second]: [Arc<Counter>; 2] = Default::default();
    let mut memory = [0; 1];
    for counter in [&first, &second, &first, &first, &second] {
        let waker = Waker::from(counter.clone());
        let mut cx = Context::from_waker(&waker);
        let mut buf = ReadBuf::new(&mut memory);
        assert!(
            Pin::new(&mut reader)
                .poll_read(&mut cx, &mut buf)
                .is_pending()
        );
    }
    block_on(writer.write_all(b"x")).unwrap();
    assert_eq!((first.count(), second.count()), (0, 1));

    for counter in [&first, &second, &second, &first] {
        let waker = Waker::from(counter.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut writer).poll_write(&mut cx, b"y").is_pending());
    }
    block_on(reader.read_u8()).unwrap();
    assert_eq!((first.count(), second.count()), (1, 1));
    // Forgotten wakers are freed: only the test holds them.
    assert_eq!(Arc::strong_count(&first), 1);
    assert_eq!(Arc::strong_count(&second), 1);
}

/// An abandoned read or write leaves nothing behind but its waker.
#[test]
fn dropped_between_polls_nothing_is_lost() {
    let (mut writer, mut reader) = duplex(3);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(reader.read(&mut [0; 8])).poll(&mut cx).is_pending());
    assert_eq!(block_on(writer.write(b"abcd")).unwrap(), 3);
    assert!(pin!(writer.write(b"lost")).poll(&mut cx).is_pending());
    drop(reader.read(&mut [0; 8]));
    let mut buf = [0; 8];
    assert_eq!(block_on(reader.read(&mut buf)).unwrap(), 3);
    assert_eq!(&buf[..3], b"abc");
    block_on(writer.write_all(b"d")).unwrap();
    drop(writer);
    assert_eq!(block_on(reader.read(&mut buf)).unwrap(), 1);
    assert_eq!(buf[0], b'd');
    assert_eq!(block_on(reader.read(&mut buf)).unwrap(), 0);
    assert_eq!(block_on(reader.read(&mut buf)).unwrap(), 0);
}

/// When one end is dropped, the waiting reader and the waiting writer of the other are both woken,
/// though they wait for different directions.
#[test]
fn a_drop_is_told_in_both_directions() {
    let (mut here, there) = duplex(1);
    let [reads, writes]: [Arc<Counter>; 2] = Default::default();
    block_on(here.write_all(b"x")).unwrap();
    let waker = Waker::from(reads.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(pin!(here.read(&mut [0; 1])).poll(&mut cx).is_pending());
    let waker = Waker::from(writes.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(pin!(here.write(b"y")).poll(&mut cx).is_pending());
    drop(there);
    assert_eq!((reads.count(), writes.count()), (1, 1));
    drop(waker);
    assert_eq!(Arc::strong_count(&writes), 1);
    assert_eq!(block_on(here.read(&mut [0; 1])).unwrap(), 0);
    let error = block_on(here.write(b"y")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

/// An end that is dropped while its own wakers are registered takes them with it: the other end
/// must not keep that task in memory.
#[test]
fn a_drop_forgets_its_own_wakers() {
    let (mut here, _there) = duplex(1);
    let counter = Arc::<Counter>::default();
    let waker = Waker::from(counter.clone());
    let mut cx = Context::from_waker(&waker);
    block_on(here.write_all(b"x")).unwrap();
    assert!(pin!(here.read(&mut [0; 1])).poll(&mut cx).is_pending());
    assert!(pin!(here.write(b"y")).poll(&mut cx).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&counter), 3);
    drop(here);
    assert_eq!(Arc::strong_count(&counter), 1);
    assert_eq!(counter.count(), 0);
}

/// A shutdown ends one direction, once or twice; the other goes on.
#[test]
fn half_closed() {
    let (mut here, mut there) = duplex(8);
    block_on(async {
        here.write_all(b"last").await.unwrap();
        here.shutdown().await.unwrap();
        here.shutdown().await.unwrap();
        assert_eq!(
            here.write(b"more").await.unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
        there.write_all(b"answer").await.unwrap();
        here.flush().await.unwrap();
        let mut text = String::new();
        there.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "last");
        drop(there);
        text.clear();
        here.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");
    });
}

/// Runs a future to its end inside the wake-up it waits for.
fn finish_in_wake(future: impl Future<Output = ()> + Send + 'static) -> Arc<AtomicBool> {
    struct InWake<F> {
        future: Mutex<Pin<Box<F>>>,
        done: Arc<AtomicBool>,
    }
    impl<F: Future<Output = ()> + Send> Wake for InWake<F> {
        fn wake(self: Arc<Self>) {
            let mut cx = Context::from_waker(Waker::noop());
            let result = self.future.lock().unwrap().as_mut().poll(&mut cx);
            assert!(result.is_ready());
            self.done.store(true, Ordering::SeqCst);
        }
    }
    let done = Arc::new(AtomicBool::new(false));
    let task = Arc::new(InWake {
        future: Mutex::new(Box::pin(future)),
        done: Arc::clone(&done),
    });
    let waker = Waker::from(Arc::clone(&task));
    let mut cx = Context::from_waker(&waker);
    assert!(
        task.future
            .lock()
            .unwrap()
            .as_mut()
            .poll(&mut cx)
            .is_pending()
    );
    done
}

/// The pipe can be used from within the wake-up it causes.
#[test]
fn wakers_may_use_the_pipe() {
    type Cause = fn(&mut Option<DuplexStream>);
    let read_causes: [(usize, Cause); 3] = [
        (1, |end| {
            assert_eq!(block_on(end.as_mut().unwrap().write(b"x")).unwrap(), 1);
        }),
        (0, |end| block_on(end.as_mut().unwrap().shutdown()).unwrap()),
        (0, |end| drop(end.take())),
    ];
    for (expected, cause) in read_causes {
        let (writer, mut reader) = duplex(1);
        let done = finish_in_wake(async move {
            assert_eq!(reader.read(&mut [0; 1]).await.unwrap(), expected);
        });
        cause(&mut Some(writer));
        assert!(done.load(Ordering::SeqCst));
    }
    let write_causes: [(bool, Cause); 2] = [
        (true, |end| {
            assert_eq!(block_on(end.as_mut().unwrap().read_u8()).unwrap(), b'x');
        }),
        (false, |end| drop(end.take())),
    ];
    for (expected, cause) in write_causes {
        let (mut writer, reader) = duplex(1);
        let done = finish_in_wake(async move {
            assert_eq!(writer.write_all(b"xy").await.is_ok(), expected);
        });
        let mut reader = Some(reader);
        cause(&mut reader);
        assert!(done.load(Ordering::SeqCst));
    }
}

/// A waker that is replaced may own the other end, and close the pipe when it is dropped.
#[test]
fn a_replaced_waker_may_close_the_pipe() {
    struct Owner {
        _end: DuplexStream,
    }
    impl Wake for Owner {
        fn wake(self: Arc<Self>) {}
    }
    fn check(owned: DuplexStream, future: impl Future<Output = ()>) {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Owner { _end: owned }));
        let mut cx = Context::from_waker(&waker);
        assert!(future.as_mut().poll(&mut cx).is_pending());
        drop(waker);
        let mut cx = Context::from_waker(Waker::noop());
        // The owner is dropped when its waker is replaced, which is when this poll has registered
        // its own.
        assert!(future.as_mut().poll(&mut cx).is_pending());
        assert!(future.as_mut().poll(&mut cx).is_ready());
    }
    let (mut here, there) = duplex(1);
    check(there, async {
        assert_eq!(here.read(&mut [0; 1]).await.unwrap(), 0);
    });
    let (mut here, there) = duplex(1);
    check(there, async {
        here.write_all(b"xy").await.unwrap_err();
    });
}

/// Two threads, a small pipe, a lot of data: every byte, in order.
#[test]
fn one_gibibyte_through_64_kib_between_threads() {
    const TOTAL: usize = 1 << 30;
    let pattern: Arc<Vec<u8>> = Arc::new((0..251_u8).cycle().take(251 * 400).collect());
    let (mut writer, mut reader) = duplex(64 * 1024);
    let sending = thread::spawn({
        let pattern = Arc::clone(&pattern);
        move || {
            block_on(async {
                let mut sent = 0;
                while sent < TOTAL {
                    let at = sent % 251;
                    let len = (TOTAL - sent).min(pattern.len() - at);
                    sent += writer.write(&pattern[at..at + len]).await.unwrap();
                }
            });
        }
    });
    let mut buf = vec![0; 70_000];
    let received = block_on(async {
        let mut received = 0;
        loop {
            let n = reader.read(&mut buf).await.unwrap();
            if n == 0 {
                return received;
            }
            let at = received % 251;
            assert!(
                buf[..n] == pattern[at..at + n],
                "wrong bytes near {received}"
            );
            received += n;
        }
    });
    assert_eq!(received, TOTAL);
    sending.join().unwrap();
}

/// Two threads and a pipe of one byte: each byte is a hand-over, each hand-over a wake-up not lost.
#[test]
fn capacity_one_between_threads() {
    let (mut here, mut there) = duplex(1);
    let echo = thread::spawn(move || {
        block_on(async {
            while let Ok(byte) = there.read_u8().await {
                there.write_u8(byte ^ 0xff).await.unwrap();
            }
        });
    });
    block_on(async {
        for i in 0..20_000_u32 {
            here.write_u8(i as u8).await.unwrap();
            assert_eq!(here.read_u8().await.unwrap(), i as u8 ^ 0xff);
        }
    });
    drop(here);
    echo.join().unwrap();
}

/// A writer whose reader goes away at a random moment gets an error, and does not hang.
#[test]
fn a_reader_that_goes_away_ends_its_writer() {
    for reads in 0..300 {
        let (mut writer, mut reader) = duplex(2);
        let writing = thread::spawn(move || {
            block_on(async {
                loop {
                    if let Err(error) = writer.write_all(b"abc").await {
                        return error.kind();
                    }
                }
            })
        });
        for _ in 0..reads {
            block_on(reader.read_u8()).unwrap();
        }
        drop(reader);
        assert_eq!(writing.join().unwrap(), io::ErrorKind::BrokenPipe);
    }
}

yamanote_test::matrix! {
    /// The ends in two tasks, on whatever workers these run: a small pipe and a large one, both
    /// directions at once.
    async fn between_tasks() {
        for capacity in [1, 100, 64 * 1024] {
            let total = 300 * capacity.min(1000);
            let ends: [DuplexStream; 2] = duplex(capacity).into();
            let tasks = ends.map(|end| {
                let (mut reader, mut writer) = yamanote::io::split(end);
                let writing = yamanote::spawn(async move {
                    let data: Vec<u8> = (0..251).cycle().take(total).collect();
                    writer.write_all(&data).await.unwrap();
                    writer.shutdown().await.unwrap();
                });
                let reading = yamanote::spawn(async move {
                    let mut data = Vec::new();
                    reader.read_to_end(&mut data).await.unwrap();
                    assert!((0..251).cycle().take(total).eq(data));
                });
                [writing, reading]
            });
            for task in tasks.into_iter().flatten() {
                task.await.unwrap();
            }
        }
    }

    /// A task that always finds room and data still lets its siblings run.
    async fn is_cooperative() {
        let (mut writer, mut reader) = duplex(8 * 1024);
        let greedy = yamanote::spawn(async move {
            let mut buf = [3; 4096];
            loop {
                writer.write_all(&buf).await.unwrap();
                reader.read_exact(&mut buf).await.unwrap();
            }
        });
        for _ in 0..10 {
            yamanote::task::yield_now().await;
        }
        greedy.abort();
        assert!(greedy.await.unwrap_err().is_cancelled());
    }
}

/// A bound is a bound, not a reservation.
#[test]
fn a_large_bound_costs_nothing() {
    let pipes: Vec<_> = (0..10_000).map(|_| duplex(usize::MAX)).collect();
    for (mut writer, mut reader) in pipes {
        block_on(writer.write_all(b"hello")).unwrap();
        assert_eq!(block_on(reader.read_u8()).unwrap(), b'h');
    }
}

#[test]
fn simplex_halves_go_together_again() {
    let (reader, mut writer) = simplex(8);
    block_on(writer.write_all(b"kept")).unwrap();
    let (other, _) = simplex(8);
    assert!(reader.is_pair_of(&writer) && !other.is_pair_of(&writer));
    let mut both = reader.unsplit(writer);
    block_on(both.write_all(b"!")).unwrap();
    let mut buf = [0; 5];
    block_on(both.read_exact(&mut buf)).unwrap();
    assert_eq!(&buf, b"kept!");
}

#[test]
#[should_panic = "`max_buf_size` must be greater than 0"]
fn a_pipe_without_room_is_refused() {
    duplex(0);
}

#[test]
fn auto_traits() {
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + std::fmt::Debug>() {}
    check::<DuplexStream>();
    check::<SimplexStream>();
    check::<ReadHalf<SimplexStream>>();
    check::<WriteHalf<SimplexStream>>();
}
