//! Foreign descriptors in the runtime: pipes, socket pairs, eventfds.

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use yamanote::io::unix::AsyncFd;
use yamanote::io::{Interest, Ready};
use yamanote::task::yield_now;
use yamanote::time::timeout;
use yamanote_test::{CountingWaker, Setup, Snapshot, builder, in_own_process};

fn register<T: AsRawFd>(inner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: every type used here owns one descriptor and keeps it.
    unsafe { AsyncFd::register_with_interest(inner, interest) }.map_err(io::Error::from)
}

fn socket_pair() -> (AsyncFd<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let ours = register(ours, Interest::READABLE | Interest::WRITABLE).unwrap();
    (ours, theirs)
}

/// Fills `socket` until it blocks.
fn fill(mut socket: &UnixStream) {
    while socket.write(&[0; 4096]).is_ok() {}
}

/// Reads until `socket` blocks.
fn empty(mut socket: &UnixStream) {
    while socket.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
}

/// Lets the driver look: a few turns at least.
async fn settle() {
    yamanote::time::sleep(Duration::from_millis(2)).await;
}

yamanote_test::matrix! {
    // A guard clears what it saw, and nothing that came later.
    async fn clearing_is_for_what_was_seen() {
        let (ours, mut theirs) = socket_pair();
        theirs.write_all(b"a").unwrap();
        let mut guard = ours.readable().await.unwrap();
        assert!(guard.ready().is_readable());
        // Still there: nobody cleared it.
        drop(ours.readable().await.unwrap());

        guard.get_inner().read_exact(&mut [0]).unwrap();
        assert!(guard.try_io(|fd| fd.get_ref().read(&mut [0])).is_err(), "cleared");
        assert!(guard.ready().is_empty());
        let mut readable = pin!(ours.readable());
        assert!(timeout(Duration::from_millis(5), readable.as_mut()).await.is_err());

        theirs.write_all(b"b").unwrap();
        let mut guard = readable.await.unwrap();
        guard.get_inner().read_exact(&mut [0]).unwrap();
        // An event comes between the look and the clearing: it survives.
        theirs.write_all(b"c").unwrap();
        settle().await;
        guard.clear_ready();
        let mut guard = timeout(Duration::from_secs(5), ours.readable()).await.unwrap().unwrap();
        let read = guard.try_io(|fd| fd.get_ref().read(&mut [0; 8])).unwrap();
        assert_eq!(read.unwrap(), 1);
    }

    // Each direction on its own, and the closed state that stays.
    async fn both_directions_and_the_end() {
        let (ours, theirs) = socket_pair();
        let both = Interest::READABLE | Interest::WRITABLE;
        let mut guard = ours.ready(both).await.unwrap();
        assert_eq!(guard.ready(), Ready::WRITABLE);
        fill(guard.get_inner());
        guard.clear_ready_matching(Ready::WRITABLE);
        assert!(timeout(Duration::from_millis(5), ours.writable()).await.is_err());
        empty(&theirs);
        drop(ours.writable().await.unwrap());

        drop(theirs);
        let mut guard = ours.ready(Interest::READABLE).await.unwrap();
        assert!(guard.ready().is_read_closed());
        guard.clear_ready();
        let guard = ours.readable().await.unwrap();
        assert!(guard.ready().is_read_closed(), "a closed half stays closed");
    }

    // `async_io` waits as often as it must, also with `&mut self`, and beside others.
    async fn async_io_repeats() {
        let (mut ours, mut theirs) = socket_pair();
        let writer = std::thread::spawn(move || {
            for byte in 0..50 {
                std::thread::sleep(Duration::from_micros(200));
                theirs.write_all(&[byte]).unwrap();
            }
            theirs
        });
        for byte in 0..50 {
            let mut buf = [0];
            let read = if byte % 2 == 0 {
                ours.async_io(Interest::READABLE, |mut inner| inner.read(&mut buf)).await
            } else {
                ours.async_io_mut(Interest::READABLE, |inner| inner.read(&mut buf)).await
            };
            assert_eq!((read.unwrap(), buf), (1, [byte]));
        }
        drop(writer.join().unwrap());
        let end = ours.async_io(Interest::READABLE, |mut inner| inner.read(&mut [0])).await;
        assert_eq!(end.unwrap(), 0);
    }

    // `try_io` calls the operation only if the descriptor is believed to be ready.
    async fn try_io_believes() {
        let (mut ours, mut theirs) = socket_pair();
        settle().await;
        let error = ours
            .try_io(Interest::READABLE, |_| -> io::Result<()> { panic!("not ready") })
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        theirs.write_all(b"x").unwrap();
        drop(ours.readable_mut().await.unwrap());
        ours.try_io_mut(Interest::READABLE, |inner| inner.read_exact(&mut [0])).unwrap();
        let result = ours.try_io(Interest::READABLE, |mut inner| inner.read(&mut [0]));
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        ours.try_io(Interest::READABLE, |_| -> io::Result<()> { panic!("cleared") }).unwrap_err();
    }

    // The poll functions remember one task for each direction; any number of futures may wait.
    async fn who_is_woken() {
        let (ours, mut theirs) = socket_pair();
        let (first, second, listed) = (CountingWaker::new(), CountingWaker::new(), CountingWaker::new());
        let poll = |waker: &CountingWaker| {
            ours.poll_read_ready(&mut Context::from_waker(&waker.waker())).is_ready()
        };
        assert!(!poll(&first) && !poll(&second));
        let mut waits: Vec<_> = (0..20).map(|_| Box::pin(ours.readable())).collect();
        for wait in &mut waits {
            assert!(wait.as_mut().poll(&mut Context::from_waker(&listed.waker())).is_pending());
        }
        waits.truncate(15);
        theirs.write_all(b"x").unwrap();
        drop(ours.readable().await.unwrap());
        // Readiness is set before the last waker is called.
        timeout(Duration::from_secs(20), async {
            while second.wakes() + listed.wakes() < 16 {
                settle().await;
            }
        })
        .await
        .unwrap();
        assert_eq!((first.wakes(), second.wakes(), listed.wakes()), (0, 1, 15));
        for wait in waits {
            drop(wait.await.unwrap());
        }
    }

    // Pipes have one direction, and regular files none: the owner comes back with the error.
    async fn pipes_and_files() {
        let (read, mut write) = yamanote_test::pipe();
        // The read end is the only one that is awaited; a byte is there before each read.
        let read = register(read, Interest::READABLE).unwrap();
        write.write_all(b"pipe").unwrap();
        let mut buf = [0; 4];
        read.async_io(Interest::READABLE, |mut file| file.read_exact(&mut buf)).await.unwrap();
        assert_eq!(&buf, b"pipe");
        drop(write);
        let mut guard = read.readable().await.unwrap();
        while !guard.ready().is_read_closed() {
            yield_now().await;
            guard = read.readable().await.unwrap();
        }

        let file = File::open("/proc/self/exe").unwrap();
        let number = file.as_raw_fd();
        // SAFETY: a `File` owns one descriptor and keeps it.
        let error = unsafe { AsyncFd::register(file) }.unwrap_err();
        let (file, cause) = error.into_parts();
        assert_eq!(cause.raw_os_error(), Some(libc::EPERM));
        assert_eq!(file.as_raw_fd(), number);
    }

    // Out-of-band data is priority readiness; a read wait does not see it as such.
    async fn priority() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        client.set_nonblocking(true).unwrap();
        let client = register(client, Interest::PRIORITY).unwrap();
        let mut urgent = pin!(client.ready(Interest::PRIORITY));
        assert!(timeout(Duration::from_millis(5), urgent.as_mut()).await.is_err());
        socket2::SockRef::from(&server).send_out_of_band(b"!").unwrap();
        assert!(urgent.await.unwrap().ready().is_priority());
    }

    // A descriptor that is taken back is intact; registered again, it starts anew.
    async fn into_inner_and_again() {
        let (ours, mut theirs) = socket_pair();
        theirs.write_all(b"x").unwrap();
        drop(ours.readable().await.unwrap());
        let inner = ours.into_inner();
        let ours = register(inner, Interest::READABLE).unwrap();
        let mut guard = ours.readable().await.unwrap();
        assert_eq!(guard.try_io(|fd| fd.get_ref().read(&mut [0; 4])).unwrap().unwrap(), 1);
        // A second registration of the same descriptor is refused while the first lives.
        let error = register(ours.as_raw_fd(), Interest::READABLE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        theirs.write_all(b"y").unwrap();
        drop(ours.readable().await.unwrap());
    }

    // Many tasks, two descriptors, every wake arrives: four tasks share each end of a pair and pass
    // a token through it.
    async fn shared_by_many_tasks() {
        const ROUNDS: usize = 500;
        let (a, b) = UnixStream::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        b.set_nonblocking(true).unwrap();
        let both = Interest::READABLE | Interest::WRITABLE;
        let ends = [a, b].map(|end| Arc::new(register(end, both).unwrap()));
        let players: Vec<_> = (0..8)
            .map(|number| {
                let end = ends[number % 2].clone();
                yamanote::spawn(async move {
                    for _ in 0..ROUNDS {
                        end.async_io(Interest::READABLE, |mut end| end.read_exact(&mut [0])).await.unwrap();
                        end.async_io(Interest::WRITABLE, |mut end| end.write_all(&[0])).await.unwrap();
                    }
                })
            })
            .collect();
        // One token for each side; every player gets its rounds, in whatever order.
        for end in &ends {
            end.get_ref().write_all(&[0]).unwrap();
        }
        for player in players {
            timeout(Duration::from_secs(60), player).await.expect("a lost wake-up").unwrap();
        }
    }

    // Shutting the runtime down ends every wait, and what is left can be dropped.
    fn after_the_runtime(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let (ours, _theirs) = runtime.block_on(async { socket_pair() });
        let waker = CountingWaker::new();
        let task = waker.waker();
        let mut cx = Context::from_waker(&task);
        let mut wait = Box::pin(ours.readable());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        assert!(ours.poll_read_ready(&mut cx).is_pending());
        drop(runtime);
        assert_eq!(waker.wakes(), 2);
        let Poll::Ready(Err(error)) = wait.as_mut().poll(&mut cx) else {
            panic!("the wait has no end");
        };
        assert!(yamanote::runtime::is_rt_shutdown_err(&error));
        assert!(matches!(ours.poll_write_ready(&mut cx), Poll::Ready(Err(_))));
    }
}

/// Registering and dropping leaves no descriptor, also when a duplicate keeps the file open; its
/// events must then not reach the next registration.
#[test]
fn duplicates_and_descriptors() {
    in_own_process(module_path!(), "duplicates_and_descriptors", || {
        let before = Snapshot::take();
        let runtime = yamanote::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (first, mut to_first) = socket_pair();
            let duplicate = first.get_ref().try_clone().unwrap();
            drop(first);
            let (second, _to_second) = socket_pair();
            to_first.write_all(b"x").unwrap();
            settle().await;
            let pending = poll_fn(|cx| Poll::Ready(second.poll_read_ready(cx).is_pending())).await;
            assert!(pending);
            drop(duplicate);
        });
        drop(runtime);
        before.assert_restored();
    });
}
