//! Which public types and futures are `Send`, `Sync`, `Unpin` and unwind safe: what may cross to
//! another thread, sit in a shared structure or move after its first poll. Auto traits follow the
//! fields without being written down anywhere, so a private change can take one away; here it fails
//! to compile instead.
//!
//! The answers are Tokio's, except where a comment says otherwise.
//!
//! More than 500 lines, because it is one list.
#![forbid(unsafe_code)]
#![allow(unreachable_code, unused_variables, clippy::diverging_sub_expression)]

use std::cell::Cell;
use std::future::Future;
use std::io::SeekFrom;
use std::net::SocketAddr;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use yamanote::net::TcpStream;

/// What a type says about one trait. A type that has the trait answers by an inherent constant,
/// which takes precedence over the constant of [`Absent`], the answer of all others.
macro_rules! question {
    ($name:ident: $bound:path) => {
        struct $name<T: ?Sized>(std::marker::PhantomData<T>);
        impl<T: ?Sized + $bound> $name<T> {
            const ANSWER: bool = true;
        }
        impl<T: ?Sized> Absent for $name<T> {}
    };
}
trait Absent {
    const ANSWER: bool = false;
}
question!(IsSend: Send);
question!(IsSync: Sync);
question!(IsUnpin: Unpin);
question!(IsUnwindSafe: UnwindSafe);
question!(IsRefUnwindSafe: RefUnwindSafe);

/// `Type: Send Sync Unpin;` asserts that the type has exactly these of the three.
macro_rules! types {
    ($($t:ty: $($has:ident)*;)*) => {
        $(
            const _: () = {
                let expected = expected(&[$(stringify!($has)),*]);
                assert!(IsSend::<$t>::ANSWER == expected.0, concat!(stringify!($t), ": Send?"));
                assert!(IsSync::<$t>::ANSWER == expected.1, concat!(stringify!($t), ": Sync?"));
                assert!(IsUnpin::<$t>::ANSWER == expected.2, concat!(stringify!($t), ": Unpin?"));
            };
        )*
    };
}

/// `names => (Send, Sync, Unpin)`.
const fn expected(names: &[&str]) -> (bool, bool, bool) {
    let mut has = (false, false, false);
    let mut i = 0;
    while i < names.len() {
        match names[i].as_bytes() {
            b"Send" => has.0 = true,
            b"Sync" => has.1 = true,
            b"Unpin" => has.2 = true,
            _ => panic!("not one of the three"),
        }
        i += 1;
    }
    has
}

/// The same for the future that a call returns, which is never `Unpin`. The closure is compiled and
/// never called. Such a type has no name, so the absence of a trait is asserted by an ambiguity
/// that the trait would cause.
macro_rules! futures {
    ($($call:expr => $($has:ident)*;)*) => {
        $(
            const _: fn() = || {
                let future = $call;
                require_future(&future);
                futures!(@send future $($has)*);
            };
        )*
    };
    (@send $f:ident Send $($rest:ident)*) => { require_send(&$f); futures!(@sync $f $($rest)*); };
    (@send $f:ident $($rest:ident)*) => { AmbiguousIfSend::check(&$f); futures!(@sync $f $($rest)*); };
    (@sync $f:ident Sync $($rest:ident)*) => { require_sync(&$f); futures!(@unpin $f $($rest)*); };
    (@sync $f:ident $($rest:ident)*) => { AmbiguousIfSync::check(&$f); futures!(@unpin $f $($rest)*); };
    (@unpin $f:ident) => { AmbiguousIfUnpin::check(&$f); };
}

fn require_future<F: Future>(_: &F) {}
fn require_send<T: Send>(_: &T) {}
fn require_sync<T: Sync>(_: &T) {}

struct HasIt;
macro_rules! ambiguous {
    ($name:ident: $bound:path) => {
        #[allow(dead_code)]
        trait $name<A> {
            fn check(&self) {}
        }
        impl<T: ?Sized> $name<()> for T {}
        impl<T: ?Sized + $bound> $name<HasIt> for T {}
    };
}
ambiguous!(AmbiguousIfSend: Send);
ambiguous!(AmbiguousIfSync: Sync);
ambiguous!(AmbiguousIfUnpin: Unpin);

/// A value of any type, for calls that are never made.
fn any<T>() -> T {
    unreachable!("only compiled")
}

/// Neither `Send` nor `Sync`.
type Local = Rc<u8>;
/// `Send`, not `Sync`.
type SendOnly = Cell<u8>;

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;
type BoxedSend<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type BoxedSync<T> = Pin<Box<dyn Future<Output = T> + Send + Sync>>;

/// A descriptor that comes with a value.
struct Fd<T>(#[allow(dead_code)] T);
impl<T> std::os::fd::AsRawFd for Fd<T> {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        unreachable!("only compiled")
    }
}

mod runtime {
    use super::*;
    use yamanote::runtime::*;
    types! {
        Builder: Send Sync Unpin;
        DriverChoice: Send Sync Unpin;
        DriverKind: Send Sync Unpin;
        // It restores this thread's context, so it must end on this thread.
        EnterGuard<'static>: Sync Unpin;
        Handle: Send Sync Unpin;
        Id: Send Sync Unpin;
        // Their tasks stay on their thread, and so do they themselves.
        LocalOptions: Unpin;
        LocalRuntime: Unpin;
        Runtime: Send Sync Unpin;
        RuntimeFlavor: Send Sync Unpin;
        RuntimeMetrics: Send Sync Unpin;
        TryCurrentError: Send Sync Unpin;
    }
}

mod task {
    use super::*;
    use yamanote::task::coop::{Coop, RestoreOnPending, Unconstrained};
    use yamanote::task::futures::TaskLocalFuture;
    use yamanote::task::*;
    types! {
        AbortHandle: Send Sync Unpin;
        Id: Send Sync Unpin;
        JoinError: Send Sync Unpin;
        // The handle moves the output, it never lends it: `Sync` asks for no more than `Send`.
        JoinHandle<u8>: Send Sync Unpin;
        JoinHandle<SendOnly>: Send Sync Unpin;
        JoinHandle<Local>: Unpin;
        JoinSet<u8>: Send Sync Unpin;
        JoinSet<SendOnly>: Send Sync Unpin;
        JoinSet<Local>: Unpin;
        LocalEnterGuard: Unpin;
        LocalSet: Unpin;
        LocalKey<u8>: Send Sync Unpin;
        LocalKey<SendOnly>: Send Sync Unpin;
        LocalKey<Local>: Send Sync Unpin;
        TaskLocalFuture<u8, BoxedSync<()>>: Send Sync;
        TaskLocalFuture<u8, BoxedSend<()>>: Send;
        TaskLocalFuture<u8, Boxed<()>>: ;
        TaskLocalFuture<Local, BoxedSync<()>>: ;
        Unconstrained<BoxedSync<()>>: Send Sync Unpin;
        Unconstrained<BoxedSend<()>>: Send Unpin;
        Unconstrained<Boxed<()>>: Unpin;
        Coop<BoxedSync<()>>: Send Sync Unpin;
        Coop<BoxedSend<()>>: Send Unpin;
        Coop<Boxed<()>>: Unpin;
        // The budget is the thread's.
        RestoreOnPending: Unpin;
    }
    futures! {
        yield_now() => Send Sync;
        coop::consume_budget() => Send Sync;
        any::<&LocalKey<u8>>().scope(any(), any::<BoxedSync<()>>()) => Send Sync;
        any::<&LocalKey<SendOnly>>().scope(any(), any::<BoxedSync<()>>()) => Send;
        any::<&LocalKey<Local>>().scope(any(), any::<BoxedSync<()>>()) =>;
    }
}

/// `Mutex`, `RwLock`, `Semaphore`, `OnceCell` and their guards.
mod locks {
    use super::*;
    use std::sync::Arc;
    use yamanote::sync::*;

    /// `Sync`, not `Send`.
    type SyncOnly = std::sync::MutexGuard<'static, u8>;

    types! {
        Semaphore: Send Sync Unpin;
        SemaphorePermit<'static>: Send Sync Unpin;
        OwnedSemaphorePermit: Send Sync Unpin;
        AcquireError: Send Sync Unpin;
        TryAcquireError: Send Sync Unpin;
        TryLockError: Send Sync Unpin;
        // Only one at a time has access to the value: what may be sent may be locked from anywhere.
        Mutex<u8>: Send Sync Unpin;
        Mutex<SendOnly>: Send Sync Unpin;
        Mutex<SyncOnly>: Unpin;
        MutexGuard<'static, u8>: Send Sync Unpin;
        MutexGuard<'static, SendOnly>: Send Unpin;
        MutexGuard<'static, SyncOnly>: Unpin;
        OwnedMutexGuard<SendOnly>: Send Unpin;
        OwnedMutexGuard<SyncOnly>: Unpin;
        MappedMutexGuard<'static, SendOnly>: Send Unpin;
        MappedMutexGuard<'static, SyncOnly>: Sync Unpin;
        OwnedMappedMutexGuard<u8, u8>: Send Sync Unpin;
        OwnedMappedMutexGuard<u8, SendOnly>: Send Unpin;
        OwnedMappedMutexGuard<SendOnly, u8>: Send Unpin;
        OwnedMappedMutexGuard<u8, SyncOnly>: Unpin;
        OwnedMappedMutexGuard<SyncOnly, u8>: Unpin;
        RwLock<u8>: Send Sync Unpin;
        RwLock<SendOnly>: Send Unpin;
        RwLock<SyncOnly>: Unpin;
        RwLockReadGuard<'static, u8>: Send Sync Unpin;
        RwLockReadGuard<'static, SendOnly>: Unpin;
        RwLockReadGuard<'static, SyncOnly>: Send Unpin;
        RwLockWriteGuard<'static, u8>: Send Sync Unpin;
        RwLockWriteGuard<'static, SendOnly>: Unpin;
        RwLockWriteGuard<'static, SyncOnly>: Unpin;
        RwLockMappedWriteGuard<'static, SendOnly>: Unpin;
        RwLockMappedWriteGuard<'static, SyncOnly>: Unpin;
        OwnedRwLockReadGuard<u8, u8>: Send Sync Unpin;
        OwnedRwLockReadGuard<u8, SendOnly>: Unpin;
        OwnedRwLockReadGuard<u8, SyncOnly>: Send Unpin;
        OwnedRwLockReadGuard<SendOnly, u8>: Unpin;
        OwnedRwLockWriteGuard<u8>: Send Sync Unpin;
        OwnedRwLockWriteGuard<SendOnly>: Unpin;
        OwnedRwLockMappedWriteGuard<u8, u8>: Send Sync Unpin;
        OwnedRwLockMappedWriteGuard<u8, SendOnly>: Unpin;
        OwnedRwLockMappedWriteGuard<SyncOnly, u8>: Unpin;
        OnceCell<u8>: Send Sync Unpin;
        OnceCell<SendOnly>: Send Unpin;
        OnceCell<Local>: Unpin;
        SetError<u8>: Send Sync Unpin;
    }
    futures! {
        any::<&Semaphore>().acquire() => Send Sync;
        any::<Arc<Semaphore>>().acquire_many_owned(2) => Send Sync;
        any::<&Mutex<SendOnly>>().lock() => Send Sync;
        any::<Arc<Mutex<SendOnly>>>().lock_owned() => Send Sync;
        any::<&Mutex<Local>>().lock() =>;
        any::<&RwLock<u8>>().read() => Send Sync;
        any::<&RwLock<u8>>().write() => Send Sync;
        any::<&RwLock<SendOnly>>().read() =>;
        any::<Arc<RwLock<u8>>>().write_owned() => Send Sync;
        any::<&OnceCell<u8>>().get_or_init(any::<fn() -> BoxedSync<u8>>()) => Send Sync;
        any::<&OnceCell<u8>>().get_or_init(any::<fn() -> BoxedSend<u8>>()) => Send;
        any::<&OnceCell<SendOnly>>().get_or_init(any::<fn() -> BoxedSync<SendOnly>>()) =>;
    }

    // As in Tokio with std's locks; with those of `parking_lot` it promises less.
    const _: () = {
        assert!(IsUnwindSafe::<Semaphore>::ANSWER && IsRefUnwindSafe::<Semaphore>::ANSWER);
        assert!(IsUnwindSafe::<OwnedSemaphorePermit>::ANSWER);
        assert!(IsUnwindSafe::<Mutex<u8>>::ANSWER && !IsRefUnwindSafe::<Mutex<u8>>::ANSWER);
        assert!(!IsUnwindSafe::<MutexGuard<'static, u8>>::ANSWER);
        assert!(IsUnwindSafe::<RwLock<u8>>::ANSWER && !IsRefUnwindSafe::<RwLock<u8>>::ANSWER);
        assert!(IsRefUnwindSafe::<RwLockReadGuard<'static, u8>>::ANSWER);
        assert!(!IsUnwindSafe::<OwnedRwLockMappedWriteGuard<u8, u8>>::ANSWER);
        assert!(IsUnwindSafe::<OnceCell<u8>>::ANSWER);
    };
}

mod io {
    use super::*;
    use yamanote::io::*;
    types! {
        BufReader<TcpStream>: Send Sync Unpin;
        BufReader<SendOnly>: Send Unpin;
        BufStream<TcpStream>: Send Sync Unpin;
        BufWriter<TcpStream>: Send Sync Unpin;
        Chain<TcpStream, Empty>: Send Sync Unpin;
        DuplexStream: Send Sync Unpin;
        Empty: Send Sync Unpin;
        Interest: Send Sync Unpin;
        Join<TcpStream, Sink>: Send Sync Unpin;
        Lines<TcpStream>: Send Sync Unpin;
        ReadBuf<'static>: Send Sync Unpin;
        ReadHalf<TcpStream>: Send Sync Unpin;
        // `Sync` asks for `Sync`, although a shared half does not lead to the stream.
        ReadHalf<SendOnly>: Send Unpin;
        ReadHalf<Local>: Unpin;
        Ready: Send Sync Unpin;
        Repeat: Send Sync Unpin;
        SimplexStream: Send Sync Unpin;
        Sink: Send Sync Unpin;
        Split<TcpStream>: Send Sync Unpin;
        Stderr: Send Sync Unpin;
        Stdin: Send Sync Unpin;
        Stdout: Send Sync Unpin;
        Take<TcpStream>: Send Sync Unpin;
        WriteHalf<TcpStream>: Send Sync Unpin;
        WriteHalf<SendOnly>: Send Unpin;
        WriteHalf<Local>: Unpin;
    }

    /// Readers and writers that have all three traits.
    type Reader = Pin<Box<dyn AsyncBufRead + Send + Sync>>;
    type Writer = Pin<Box<dyn AsyncWrite + Send + Sync>>;
    type Seeker = Pin<Box<dyn AsyncSeek + Send + Sync>>;

    // None of them may move once polled, so that they are free to refer to themselves one day.
    futures! {
        copy(any::<&mut TcpStream>(), any::<&mut TcpStream>()) => Send Sync;
        copy_buf(any::<&mut BufReader<TcpStream>>(), any::<&mut TcpStream>()) => Send Sync;
        copy_bidirectional(any::<&mut TcpStream>(), any::<&mut TcpStream>()) => Send Sync;
        copy_bidirectional_with_sizes(any::<&mut TcpStream>(), any::<&mut TcpStream>(), 1, 1) => Send Sync;
        any::<&mut Lines<BufReader<TcpStream>>>().next_line() => Send Sync;
        any::<&mut Split<BufReader<TcpStream>>>().next_segment() => Send Sync;
        any::<&mut Reader>().fill_buf() => Send Sync;
        any::<&mut Reader>().read_line(any()) => Send Sync;
        any::<&mut Reader>().read_until(0, any()) => Send Sync;
        any::<&mut Reader>().read(any()) => Send Sync;
        any::<&mut Reader>().read_buf(any::<&mut Vec<u8>>()) => Send Sync;
        any::<&mut Reader>().read_exact(any()) => Send Sync;
        any::<&mut Reader>().read_to_end(any()) => Send Sync;
        any::<&mut Reader>().read_to_string(any()) => Send Sync;
        any::<&mut Reader>().read_u8() => Send Sync;
        any::<&mut Reader>().read_i128_le() => Send Sync;
        any::<&mut Reader>().read_f64() => Send Sync;
        any::<&mut Seeker>().seek(SeekFrom::Start(0)) => Send Sync;
        any::<&mut Seeker>().rewind() => Send Sync;
        any::<&mut Seeker>().stream_position() => Send Sync;
        any::<&mut Writer>().write(any()) => Send Sync;
        any::<&mut Writer>().write_vectored(any()) => Send Sync;
        any::<&mut Writer>().write_buf(any::<&mut &[u8]>()) => Send Sync;
        any::<&mut Writer>().write_all(any()) => Send Sync;
        any::<&mut Writer>().write_all_buf(any::<&mut &[u8]>()) => Send Sync;
        any::<&mut Writer>().write_u8(0) => Send Sync;
        any::<&mut Writer>().write_i128_le(0) => Send Sync;
        any::<&mut Writer>().write_f64(0.0) => Send Sync;
        any::<&mut Writer>().flush() => Send Sync;
        any::<&mut Writer>().shutdown() => Send Sync;
    }
}

mod notify {
    use super::*;
    use yamanote::sync::futures::{Notified, OwnedNotified};
    use yamanote::sync::*;
    types! {
        Barrier: Send Sync Unpin;
        BarrierWaitResult: Send Sync Unpin;
        Notified<'static>: Send Sync;
        Notify: Send Sync Unpin;
        OwnedNotified: Send Sync;
        // Anybody may look at the value, and any thread may bring or take it.
        SetOnce<u8>: Send Sync Unpin;
        SetOnce<SendOnly>: Send Unpin;
        SetOnce<Local>: Unpin;
        SetOnceError<u8>: Send Sync Unpin;
        SetOnceError<Local>: Unpin;
    }
    futures! {
        any::<&Barrier>().wait() => Send Sync;
        any::<&Notify>().notified() => Send Sync;
        any::<&SetOnce<u8>>().wait() => Send Sync;
        any::<&SetOnce<SendOnly>>().wait() =>;
        any::<&SetOnce<Local>>().wait() =>;
    }
}

mod watch {
    use super::*;
    use yamanote::sync::watch::error::*;
    use yamanote::sync::watch::*;
    types! {
        // All look at one value: it must be `Sync` to be shared.
        Receiver<u8>: Send Sync Unpin;
        Receiver<SendOnly>: Unpin;
        Receiver<Local>: Unpin;
        RecvError: Send Sync Unpin;
        // A lock is released by the thread that took it.
        Ref<'static, u8>: Sync Unpin;
        Ref<'static, SendOnly>: Unpin;
        SendError<SendOnly>: Send Unpin;
        Sender<u8>: Send Sync Unpin;
        Sender<SendOnly>: Unpin;
        Sender<Local>: Unpin;
    }
    futures! {
        any::<&mut Receiver<u8>>().changed() => Send Sync;
        any::<&mut Receiver<SendOnly>>().changed() =>;
        any::<&mut Receiver<u8>>().wait_for(|_| true) => Send Sync;
        any::<&Sender<u8>>().closed() => Send Sync;
        any::<&Sender<SendOnly>>().closed() =>;
    }
}

mod broadcast {
    use super::*;
    use yamanote::sync::broadcast::error::*;
    use yamanote::sync::broadcast::*;
    types! {
        // Each gets a clone, made under a lock: `Send` is enough.
        Receiver<u8>: Send Sync Unpin;
        Receiver<SendOnly>: Send Sync Unpin;
        Receiver<Local>: Unpin;
        RecvError: Send Sync Unpin;
        SendError<SendOnly>: Send Unpin;
        Sender<SendOnly>: Send Sync Unpin;
        Sender<Local>: Unpin;
        TryRecvError: Send Sync Unpin;
        WeakSender<SendOnly>: Send Sync Unpin;
        WeakSender<Local>: Unpin;
    }
    futures! {
        any::<&mut Receiver<u8>>().recv() => Send Sync;
        any::<&mut Receiver<SendOnly>>().recv() => Send Sync;
        any::<&mut Receiver<Local>>().recv() =>;
        any::<&Sender<SendOnly>>().closed() => Send Sync;
    }
}

mod async_fd {
    use super::*;
    use yamanote::io::unix::*;
    types! {
        AsyncFd<Fd<u8>>: Send Sync Unpin;
        AsyncFd<Fd<SendOnly>>: Send Unpin;
        AsyncFd<Fd<Local>>: Unpin;
        AsyncFdReadyGuard<'static, Fd<u8>>: Send Sync Unpin;
        AsyncFdReadyGuard<'static, Fd<SendOnly>>: Unpin;
        AsyncFdReadyMutGuard<'static, Fd<u8>>: Send Sync Unpin;
        AsyncFdReadyMutGuard<'static, Fd<SendOnly>>: Send Unpin;
        AsyncFdReadyMutGuard<'static, Fd<Local>>: Unpin;
        AsyncFdRegisterError<Fd<u8>>: Send Sync Unpin;
        AsyncFdRegisterError<Fd<SendOnly>>: Send Unpin;
        TryIoError: Send Sync Unpin;
    }
    futures! {
        any::<&AsyncFd<Fd<u8>>>().readable() => Send Sync;
        any::<&AsyncFd<Fd<u8>>>().writable() => Send Sync;
        any::<&mut AsyncFd<Fd<u8>>>().readable_mut() => Send Sync;
        any::<&mut AsyncFd<Fd<u8>>>().writable_mut() => Send Sync;
        any::<&AsyncFd<Fd<SendOnly>>>().readable() =>;
        any::<&mut AsyncFd<Fd<SendOnly>>>().readable_mut() => Send;
        any::<&mut AsyncFd<Fd<Local>>>().writable_mut() =>;
    }
}

mod net {
    use super::*;
    use yamanote::net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
    use yamanote::net::*;
    types! {
        TcpListener: Send Sync Unpin;
        TcpSocket: Send Sync Unpin;
        TcpStream: Send Sync Unpin;
        OwnedReadHalf: Send Sync Unpin;
        OwnedWriteHalf: Send Sync Unpin;
        ReadHalf<'static>: Send Sync Unpin;
        WriteHalf<'static>: Send Sync Unpin;
        ReuniteError: Send Sync Unpin;
    }
    futures! {
        lookup_host(any::<SocketAddr>()) => Send Sync;
        TcpListener::bind(any::<SocketAddr>()) => Send Sync;
        any::<&TcpListener>().accept() => Send Sync;
        any::<TcpSocket>().connect(any()) => Send Sync;
        TcpStream::connect(any::<SocketAddr>()) => Send Sync;
        any::<&TcpStream>().peek(any()) => Send Sync;
        any::<&TcpStream>().ready(yamanote::io::Interest::READABLE) => Send Sync;
        any::<&TcpStream>().readable() => Send Sync;
        any::<&TcpStream>().writable() => Send Sync;
        any::<&mut ReadHalf<'static>>().peek(any()) => Send Sync;
    }
}

mod datagrams {
    use super::*;
    use yamanote::net::*;
    types! {
        UdpSocket: Send Sync Unpin;
        UnixDatagram: Send Sync Unpin;
    }
    futures! {
        UdpSocket::bind(any::<SocketAddr>()) => Send Sync;
        any::<&UdpSocket>().connect(any::<SocketAddr>()) => Send Sync;
        any::<&UdpSocket>().send(any()) => Send Sync;
        any::<&UdpSocket>().send_to(any(), any::<SocketAddr>()) => Send Sync;
        any::<&UdpSocket>().recv(any()) => Send Sync;
        any::<&UdpSocket>().recv_from(any()) => Send Sync;
        any::<&UdpSocket>().recv_buf(any::<&mut Vec<u8>>()) => Send Sync;
        any::<&UdpSocket>().recv_buf_from(any::<&mut Vec<u8>>()) => Send Sync;
        any::<&UdpSocket>().peek(any()) => Send Sync;
        any::<&UdpSocket>().peek_from(any()) => Send Sync;
        any::<&UdpSocket>().peek_sender() => Send Sync;
        any::<&UnixDatagram>().send(any()) => Send Sync;
        any::<&UnixDatagram>().send_to(any(), "") => Send Sync;
        any::<&UnixDatagram>().recv(any()) => Send Sync;
        any::<&UnixDatagram>().recv_from(any()) => Send Sync;
    }
}

mod unix_streams {
    use super::*;
    use yamanote::net::unix::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError};
    use yamanote::net::unix::{SocketAddr, UCred, WriteHalf, pipe};
    use yamanote::net::*;
    types! {
        UnixListener: Send Sync Unpin;
        UnixSocket: Send Sync Unpin;
        UnixStream: Send Sync Unpin;
        SocketAddr: Send Sync Unpin;
        UCred: Send Sync Unpin;
        OwnedReadHalf: Send Sync Unpin;
        OwnedWriteHalf: Send Sync Unpin;
        ReadHalf<'static>: Send Sync Unpin;
        WriteHalf<'static>: Send Sync Unpin;
        ReuniteError: Send Sync Unpin;
        pipe::OpenOptions: Send Sync Unpin;
        pipe::Sender: Send Sync Unpin;
        pipe::Receiver: Send Sync Unpin;
    }
    futures! {
        any::<&UnixListener>().accept() => Send Sync;
        any::<UnixSocket>().connect("") => Send Sync;
        UnixStream::connect("") => Send Sync;
        any::<&UnixStream>().readable() => Send Sync;
        any::<&UnixStream>().writable() => Send Sync;
        any::<&pipe::Receiver>().readable() => Send Sync;
        any::<&pipe::Sender>().writable() => Send Sync;
    }
}

mod fs {
    use super::*;
    use yamanote::fs::*;
    types! {
        DirBuilder: Send Sync Unpin;
        DirEntry: Send Sync Unpin;
        File: Send Sync Unpin;
        FileTimes: Send Sync Unpin;
        OpenOptions: Send Sync Unpin;
        ReadDir: Send Sync Unpin;
    }
    futures! {
        canonicalize("") => Send Sync;
        copy("", "") => Send Sync;
        create_dir("") => Send Sync;
        create_dir_all("") => Send Sync;
        hard_link("", "") => Send Sync;
        metadata("") => Send Sync;
        read("") => Send Sync;
        read_dir("") => Send Sync;
        read_link("") => Send Sync;
        read_to_string("") => Send Sync;
        remove_dir("") => Send Sync;
        remove_dir_all("") => Send Sync;
        remove_file("") => Send Sync;
        rename("", "") => Send Sync;
        set_permissions("", any()) => Send Sync;
        symlink("", "") => Send Sync;
        symlink_metadata("") => Send Sync;
        try_exists("") => Send Sync;
        write("", any::<Vec<u8>>()) => Send Sync;
        any::<&mut ReadDir>().next_entry() => Send Sync;
        any::<&DirEntry>().metadata() => Send Sync;
        any::<&DirEntry>().file_type() => Send Sync;
        any::<&DirBuilder>().create("") => Send Sync;
        any::<&OpenOptions>().open("") => Send Sync;
        File::open("") => Send Sync;
        File::create("") => Send Sync;
        File::create_new("") => Send Sync;
        any::<&File>().sync_all() => Send Sync;
        any::<&File>().sync_data() => Send Sync;
        any::<&File>().set_len(0) => Send Sync;
        any::<&File>().metadata() => Send Sync;
        any::<&File>().try_clone() => Send Sync;
        any::<File>().into_std() => Send Sync;
        any::<&File>().set_permissions(any()) => Send Sync;
        any::<&File>().set_times(any()) => Send Sync;
        any::<&File>().set_modified(any()) => Send Sync;
        any::<&File>().read_at(any::<Vec<u8>>(), 0) => Send Sync;
        any::<&File>().write_at(any::<Vec<u8>>(), 0) => Send Sync;
    }
}

mod time {
    use super::*;
    use yamanote::time::error::{Elapsed, Error};
    use yamanote::time::*;
    types! {
        Elapsed: Send Sync Unpin;
        Error: Send Sync Unpin;
        Instant: Send Sync Unpin;
        Interval: Send Sync Unpin;
        MissedTickBehavior: Send Sync Unpin;
        Sleep: Send Sync;
        Timeout<BoxedSync<()>>: Send Sync;
        Timeout<BoxedSend<()>>: Send;
        Timeout<Boxed<()>>: ;
    }
    futures! {
        advance(Duration::ZERO) => Send Sync;
        sleep(Duration::ZERO) => Send Sync;
        sleep_until(any()) => Send Sync;
        timeout(Duration::ZERO, any::<BoxedSync<()>>()) => Send Sync;
        timeout(Duration::ZERO, any::<BoxedSend<()>>()) => Send;
        timeout_at(any(), any::<Boxed<()>>()) =>;
        any::<&mut Interval>().tick() => Send Sync;
    }
}

mod macros {
    use super::*;

    async fn join<A: Future, B: Future>(a: A, b: B) {
        yamanote::join!(a, b);
    }
    async fn try_join<A: Future<Output = Result<(), ()>>>(a: A) -> Result<((),), ()> {
        yamanote::try_join!(a)
    }
    async fn select<A: Future, B: Future>(a: A, b: B) {
        yamanote::select! {
            _ = a => {}
            _ = b => {}
        }
    }
    futures! {
        join(any::<BoxedSync<()>>(), any::<BoxedSync<()>>()) => Send Sync;
        join(any::<BoxedSend<()>>(), any::<BoxedSync<()>>()) => Send;
        join(any::<Boxed<()>>(), any::<BoxedSync<()>>()) =>;
        try_join(any::<BoxedSync<Result<(), ()>>>()) => Send Sync;
        try_join(any::<BoxedSend<Result<(), ()>>>()) => Send;
        select(any::<BoxedSync<()>>(), any::<BoxedSync<()>>()) => Send Sync;
        select(any::<BoxedSync<()>>(), any::<BoxedSend<()>>()) => Send;
    }
}

mod process {
    use super::*;
    use yamanote::process::*;
    types! {
        Child: Send Sync Unpin;
        ChildStderr: Send Sync Unpin;
        ChildStdin: Send Sync Unpin;
        ChildStdout: Send Sync Unpin;
        Command: Send Sync Unpin;
    }
    futures! {
        any::<&mut Child>().kill() => Send Sync;
        any::<&mut Child>().wait() => Send Sync;
        any::<Child>().wait_with_output() => Send Sync;
        any::<&mut Command>().output() => Send Sync;
        any::<&mut Command>().status() => Send Sync;
    }
    const _: () = {
        assert!(!IsUnwindSafe::<Child>::ANSWER && !IsRefUnwindSafe::<Child>::ANSWER);
        assert!(!IsUnwindSafe::<Command>::ANSWER && !IsRefUnwindSafe::<Command>::ANSWER);
    };
}

mod signal {
    use super::*;
    use yamanote::signal::ctrl_c;
    use yamanote::signal::unix::*;
    types! {
        Signal: Send Sync Unpin;
        SignalKind: Send Sync Unpin;
    }
    futures! {
        ctrl_c() => Send Sync;
        any::<&mut Signal>().recv() => Send Sync;
    }
    const _: () = assert!(!IsUnwindSafe::<Signal>::ANSWER && !IsRefUnwindSafe::<Signal>::ANSWER);
}

mod unwinding {
    use super::*;
    use yamanote::{fs, io, net, process, runtime, signal, task, time};

    /// These may be shared with a `catch_unwind`. Only what Tokio also promises is asserted; where
    /// more of ours are unwind safe, that is no promise.
    macro_rules! unwind_safe {
        ($($t:ty;)*) => {
            $(
                const _: () = assert!(
                    IsUnwindSafe::<$t>::ANSWER && IsRefUnwindSafe::<$t>::ANSWER,
                    concat!(stringify!($t), " is not unwind safe")
                );
            )*
        };
    }
    unwind_safe! {
        fs::DirBuilder;
        process::ChildStderr;
        process::ChildStdin;
        process::ChildStdout;
        signal::unix::SignalKind;
        fs::FileTimes;
        fs::OpenOptions;
        io::Empty;
        io::Interest;
        io::ReadHalf<Local>;
        io::Ready;
        io::Repeat;
        io::Sink;
        io::WriteHalf<Local>;
        net::TcpListener;
        net::UdpSocket;
        net::UnixDatagram;
        net::UnixListener;
        net::UnixSocket;
        net::UnixStream;
        net::unix::SocketAddr;
        net::unix::UCred;
        net::unix::OwnedReadHalf;
        net::unix::OwnedWriteHalf;
        net::unix::pipe::Receiver;
        net::unix::pipe::Sender;
        net::TcpSocket;
        net::TcpStream;
        net::tcp::OwnedReadHalf;
        net::tcp::OwnedWriteHalf;
        net::tcp::ReadHalf<'static>;
        net::tcp::WriteHalf<'static>;
        runtime::Handle;
        runtime::Id;
        runtime::LocalOptions;
        runtime::LocalRuntime;
        runtime::Runtime;
        runtime::RuntimeFlavor;
        runtime::TryCurrentError;
        task::AbortHandle;
        task::Id;
        task::JoinHandle<u8>;
        // Whatever the output is: a handle holds none.
        task::JoinHandle<Local>;
        task::LocalKey<u8>;
        time::Instant;
        time::MissedTickBehavior;
        time::error::Elapsed;
        time::error::Error;
    }
}
