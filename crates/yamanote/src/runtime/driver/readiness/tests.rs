//! The readiness set against real descriptors.
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::*;

const NOW: Option<Duration> = Some(Duration::ZERO);

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn pair() -> (mio::net::UnixStream, UnixStream) {
    let (ours, theirs) = mio::net::UnixStream::pair().unwrap();
    (ours, std::os::fd::OwnedFd::from(theirs).into())
}

fn drain(readiness: &Readiness) -> usize {
    readiness.drain(NOW, &mut WakeList::new()).unwrap()
}

/// A limited look leaves the rest, says so, and loses none of it.
#[test]
fn a_busy_look_takes_some() {
    let readiness = Readiness::new(16).unwrap().limit_busy(1);
    let mut pairs: Vec<_> = (0..3).map(|_| pair()).collect();
    let registrations: Vec<_> = pairs
        .iter_mut()
        .map(|(ours, _)| Registration::new(&readiness, ours, Interest::WRITABLE).unwrap())
        .collect();
    let mut wakers = WakeList::new();
    assert_eq!(readiness.drain_some(&mut wakers).unwrap(), 1);
    assert!(readiness.has_left_some());
    assert_eq!(readiness.drain_some(&mut wakers).unwrap(), 1);
    assert_eq!(
        drain(&readiness),
        1,
        "a worker without tasks takes what is left"
    );
    assert!(!readiness.has_left_some());
    assert_eq!(readiness.drain_some(&mut wakers).unwrap(), 0);
    drop(registrations);
}

#[test]
fn read_waits_wakes_and_waits_again() {
    let readiness = Readiness::new(16).unwrap();
    let (mut ours, mut theirs) = pair();
    let registration = Registration::new(
        &readiness,
        &mut ours,
        Interest::READABLE | Interest::WRITABLE,
    )
    .unwrap();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let mut buffer = [0; 8];

    assert_eq!(drain(&readiness), 1, "writable from the start");
    assert!(registration.poll_write_ready(&mut cx).is_ready());
    let read = |cx: &mut Context<'_>, buffer: &mut [u8]| {
        registration.poll_read_io(cx, || (&ours).read(buffer))
    };
    assert!(read(&mut cx, &mut buffer).is_pending());
    assert_eq!(drain(&readiness), 0);
    theirs.write_all(b"abc").unwrap();
    assert_eq!(drain(&readiness), 1);
    assert_eq!(count.get(), 1);
    assert!(matches!(read(&mut cx, &mut buffer), Poll::Ready(Ok(3))));
    assert!(read(&mut cx, &mut buffer).is_pending());
    drop(theirs);
    assert_eq!(drain(&readiness), 1);
    assert_eq!(count.get(), 2);
    for _ in 0..3 {
        assert!(
            matches!(read(&mut cx, &mut buffer), Poll::Ready(Ok(0))),
            "the end of the stream stays"
        );
    }
    registration.deregister(&mut ours).unwrap();
    drop(registration);
    assert_eq!(readiness.live(), 0);
}

#[test]
fn any_number_may_wait_and_leave() {
    let readiness = Readiness::new(16).unwrap();
    let (mut ours, mut theirs) = pair();
    let registration = Registration::new(&readiness, &mut ours, Interest::READABLE).unwrap();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);

    let mut waits: Vec<_> = (0..100)
        .map(|_| Box::pin(registration.readiness(Interest::READABLE)))
        .collect();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }
    let mut waits: Vec<_> = waits.into_iter().step_by(2).collect();
    theirs.write_all(b"x").unwrap();
    drain(&readiness);
    assert_eq!(count.get(), 50);
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut cx).is_ready());
    }
    drop(waits);
    assert_eq!(Arc::strong_count(&count), 2, "no waker is left behind");
}

#[test]
fn an_event_of_a_former_registration_does_nothing() {
    let readiness = Readiness::new(16).unwrap();
    let (mut first, mut to_first) = pair();
    let (mut second, _to_second) = pair();
    let registration = Registration::new(&readiness, &mut first, Interest::READABLE).unwrap();
    // The descriptor stays in the epoll set; only our side ends.
    drop(registration);
    let registration = Registration::new(&readiness, &mut second, Interest::READABLE).unwrap();
    to_first.write_all(b"x").unwrap();
    assert_eq!(drain(&readiness), 0);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(registration.poll_read_ready(&mut cx).is_pending());
}

#[test]
fn a_batch_larger_than_the_buffer_is_taken_whole() {
    let readiness = Readiness::new(4).unwrap();
    let mut pairs: Vec<_> = (0..30).map(|_| pair()).collect();
    let _registrations: Vec<_> = pairs
        .iter_mut()
        .map(|(ours, _)| Registration::new(&readiness, ours, Interest::WRITABLE).unwrap())
        .collect();
    assert_eq!(drain(&readiness), 30);
}

#[test]
fn shutdown_ends_every_wait() {
    let readiness = Readiness::new(16).unwrap();
    let (mut ours, _theirs) = pair();
    let registration = Registration::new(&readiness, &mut ours, Interest::READABLE).unwrap();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let mut wait = Box::pin(registration.readiness(Interest::READABLE));
    assert!(registration.poll_read_ready(&mut cx).is_pending());
    assert!(wait.as_mut().poll(&mut cx).is_pending());

    let mut wakers = WakeList::new();
    readiness.shutdown(&mut wakers);
    drop(wakers);
    assert_eq!(count.get(), 2);
    assert!(matches!(wait.as_mut().poll(&mut cx), Poll::Ready(Err(_))));
    assert!(matches!(
        registration.poll_read_ready(&mut cx),
        Poll::Ready(Err(_))
    ));
    let (mut late, _theirs) = pair();
    let error = Registration::new(&readiness, &mut late, Interest::READABLE).unwrap_err();
    assert!(error.to_string().contains("being shutdown"));
}

#[test]
fn wake_ends_a_wait() {
    let readiness = Readiness::new(16).unwrap();
    readiness.wake().unwrap();
    assert_eq!(readiness.drain(None, &mut WakeList::new()).unwrap(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| readiness.drain(None, &mut WakeList::new()).unwrap());
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(drain(&readiness), 0, "does not wait for the other");
        readiness.wake().unwrap();
    });
}

/// Two threads drain, two tasks on other threads pass bytes back and forth: a lost wake-up would
/// leave both parked for good.
#[test]
fn ping_pong_never_loses_a_wake() {
    const ROUNDS: usize = if cfg!(miri) { 100 } else { 20_000 };

    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn play(readiness: &Readiness, mut socket: mio::net::UnixStream, serves: bool) {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registration = Registration::new(readiness, &mut socket, interest).unwrap();
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut cx = Context::from_waker(&waker);
        let wait = |cx: &mut Context<'_>, poll: &mut dyn FnMut(&mut Context<'_>) -> bool| {
            while !poll(cx) {
                std::thread::park();
            }
        };
        for round in 0..ROUNDS {
            let mut byte = [round as u8];
            if serves || round > 0 {
                wait(&mut cx, &mut |cx| {
                    registration
                        .poll_write_ready(cx)
                        .map(|event| assert!(event.unwrap().ready.is_writable()))
                        .is_ready()
                });
                assert_eq!((&socket).write(&byte).unwrap(), 1);
            }
            // Alternate between the two ways of waiting.
            if round % 2 == 0 {
                wait(&mut cx, &mut |cx| {
                    registration
                        .poll_read_io(cx, || (&socket).read(&mut byte))
                        .map(|result| assert_eq!(result.unwrap(), 1))
                        .is_ready()
                });
            } else {
                let mut read = Box::pin(
                    registration.async_io(Interest::READABLE, || (&socket).read(&mut byte)),
                );
                wait(&mut cx, &mut |cx| {
                    read.as_mut()
                        .poll(cx)
                        .map(|result| assert_eq!(result.unwrap(), 1))
                        .is_ready()
                });
            }
        }
        registration.deregister(&mut socket).unwrap();
    }

    let readiness = Readiness::new(16).unwrap();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let mut wakers = WakeList::new();
                    readiness
                        .drain(Some(Duration::from_millis(1)), &mut wakers)
                        .unwrap();
                }
            });
        }
        let (a, b) = mio::net::UnixStream::pair().unwrap();
        let server = scope.spawn(|| play(&readiness, a, true));
        let client = scope.spawn(|| play(&readiness, b, true));
        server.join().unwrap();
        client.join().unwrap();
        over.store(true, Ordering::SeqCst);
    });
    assert_eq!(readiness.live(), 0);
}
