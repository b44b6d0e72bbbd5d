//! Operations dropped in every state, and what is left of them: no descriptor, no byte lost to the
//! next reader, no memory touched after it was freed.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use yamanote_test::{Capability, Snapshot, TempDir, in_own_process, require};

use super::new_descriptor::{accept, open};
use super::{Rig, config, pipe, poll_once};
use crate::runtime::driver::op::Operation;
use crate::runtime::driver::ops::read::Read;
use crate::runtime::driver::ops::write::Write;
use crate::runtime::driver::tests::simulation::world::World;
use crate::runtime::driver::{Driver, Op, Role};
use crate::util::rng::FastRand;

#[derive(Debug, Clone, Copy, PartialEq)]
enum DropAt {
    /// Pushed, not submitted.
    Pushed,
    /// Taken by the kernel.
    Submitted,
    /// And polled again.
    Waiting,
}

const STATES: [DropAt; 3] = [DropAt::Pushed, DropAt::Submitted, DropAt::Waiting];

fn bring_to<T: Operation>(rig: &Rig, op: &mut Op<T>, state: DropAt) {
    assert!(poll_once(op).is_pending());
    if state != DropAt::Pushed {
        rig.turn();
    }
    if state == DropAt::Waiting {
        assert!(poll_once(op).is_pending());
    }
}

fn eventfd() -> (OwnedFd, OwnedFd) {
    // SAFETY: no pointers; the descriptors are fresh and ours.
    let one = unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) };
    let two = one.try_clone().unwrap();
    (one, two)
}

fn fifo() -> (OwnedFd, OwnedFd) {
    let dir = TempDir::new();
    let path = dir.path().join("fifo");
    let c_path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a NUL-terminated path.
    assert_eq!(unsafe { libc::mkfifo(c_path.as_ptr(), 0o600) }, 0);
    // Read and write: opening does not wait for the other end.
    let reader = File::options().read(true).write(true).open(&path).unwrap();
    let writer = File::options().write(true).open(&path).unwrap();
    (reader.into(), writer.into())
}

fn socket_pair() -> (OwnedFd, OwnedFd) {
    let (one, two) = UnixStream::pair().unwrap();
    (one.into(), two.into())
}

/// O3: the read is dropped, its memory freed as far as the program can tell, and then there is
/// something to read. Not a byte goes into the old buffer, and the next reader gets them all.
#[test]
fn a_dropped_reads_memory_is_not_written_to_and_the_next_read_gets_the_bytes() {
    let Some(rig) = Rig::new(8) else { return };
    for make in [pipe, eventfd, fifo, socket_pair] {
        for state in STATES {
            for wait_for_the_cancel in [true, false] {
                let world = Arc::<World>::default();
                let (reader, writer) = make();
                let reader = Arc::new(reader);
                let buf = world.buffer(8, 0);
                let mut op = rig.op(Read::new(reader.clone(), buf, 0));
                bring_to(&rig, &mut op, state);
                drop(op);
                assert_eq!(world.live_buffers(), 1, "freed under the kernel's hands");
                if wait_for_the_cancel {
                    rig.drain();
                    assert_eq!(world.live_buffers(), 0);
                }
                // An eventfd takes exactly eight bytes.
                File::from(writer).write_all(&1u64.to_ne_bytes()).unwrap();
                if wait_for_the_cancel {
                    let (n, buf) = rig.run(Read::new(reader, vec![0; 8], 0));
                    assert_eq!((n.unwrap(), &buf[..]), (8, &1u64.to_ne_bytes()[..]));
                }
                rig.drain();
                assert_eq!(world.live_buffers(), 0);
                world.check_canaries();
            }
        }
    }
}

/// O3 for sockets.
#[test]
fn dropped_reads_of_sockets_and_accepts_leave_the_next_caller_everything() {
    let Some(rig) = Rig::new(8) else { return };
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    for state in STATES {
        let mut accepting = rig.op(accept(listener.clone()));
        bring_to(&rig, &mut accepting, state);
        drop(accepting);
        rig.drain();
        let mut client = TcpStream::connect(address).unwrap();
        let server = rig.run(accept(listener.clone())).unwrap();
        let server = Arc::new(server);

        let world = Arc::<World>::default();
        let mut read = rig.op(Read::new(server.clone(), world.buffer(64, 0), 0));
        bring_to(&rig, &mut read, state);
        drop(read);
        rig.drain();
        client.write_all(b"hello").unwrap();
        let (n, buf) = rig.run(Read::new(server, vec![0; 64], 0));
        assert_eq!((n.unwrap(), &buf[..5]), (5, &b"hello"[..]));
        assert_eq!(world.live_buffers(), 0);
        world.check_canaries();
    }
}

/// F9 and O21's mild form: an open that blocks (a FIFO without a writer) is cancelled, and does not
/// hold up the end.
#[test]
fn a_blocked_open_is_cancelled() {
    let Some(rig) = Rig::new(8) else { return };
    let dir = TempDir::new();
    let path = CString::new(dir.path().join("fifo").as_os_str().as_bytes()).unwrap();
    // SAFETY: a NUL-terminated path.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let mut op = rig.op(open(path.clone()));
    assert!(poll_once(&mut op).is_pending());
    rig.turn();
    let until = Instant::now() + Duration::from_millis(30);
    while Instant::now() < until {
        rig.driver
            .park(0, Role::None, Some(Duration::from_millis(10)));
    }
    assert!(poll_once(&mut op).is_pending(), "opened without a writer");
    drop(op);
    let start = Instant::now();
    rig.drain();
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// O5: 10,000 opens and 2,000 accepts, dropped in every state after a random while.
#[test]
fn cancelled_opens_and_accepts_leave_no_descriptor() {
    in_own_process(
        module_path!(),
        "cancelled_opens_and_accepts_leave_no_descriptor",
        || {
            let Some(rig) = Rig::new(32) else { return };
            let seed = 20_260_101;
            let mut rng = FastRand::new(seed);
            let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
            let address = listener.local_addr().unwrap();
            rig.run(open(c"/dev/null".into())).unwrap();
            let before = Snapshot::take();
            for round in 0..10_000 {
                let mut op = rig.op(open(c"/dev/null".into()));
                // I, P, S, W and C in turn; each with a random delay before the drop.
                let state = round % 5;
                if state > 0 {
                    assert!(poll_once(&mut op).is_pending());
                }
                if state > 1 {
                    rig.turn();
                }
                let until = Instant::now() + Duration::from_micros(u64::from(rng.below(200)));
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                if state == 3 {
                    let _ = poll_once(&mut op);
                }
                if state == 4 {
                    rig.drain();
                }
                drop(op);
            }
            for _ in 0..2_000 {
                let mut op = rig.op(accept(listener.clone()));
                assert!(poll_once(&mut op).is_pending());
                rig.turn();
                let client = TcpStream::connect(address).unwrap();
                if rng.below(2) == 0 {
                    rig.turn();
                }
                drop(op);
                drop(client);
            }
            rig.drain();
            // Connections whose accept was cancelled are still in the backlog.
            listener.set_nonblocking(true).unwrap();
            while listener.accept().is_ok() {}
            assert_eq!(
                Snapshot::take().descriptor_count(),
                before.descriptor_count(),
                "seed {seed}"
            );
        },
    );
}

/// O11 for one operation: sequence-numbered bytes, reads dropped at random; what a dropped read may
/// have taken is known, because its bytes come back to whoever owns the resource.
#[test]
fn bytes_taken_by_a_dropped_read_are_handed_on() {
    use crate::buf::BufResult;
    use crate::runtime::driver::op::{Cancellable, Completable, CqeResult, Prepare};
    use crate::sys::uring::sqe::Sqe;
    use std::collections::VecDeque;
    use std::sync::Mutex;

    type Shelf = Arc<Mutex<VecDeque<Vec<u8>>>>;

    /// A read whose bytes, if its future is gone, go to the resource's shelf.
    struct KeptRead {
        read: Read<Arc<OwnedFd>, Vec<u8>>,
        shelf: Shelf,
    }
    impl Completable for KeptRead {
        type Output = BufResult<usize, Vec<u8>>;
        fn complete(self, cqe: CqeResult) -> Self::Output {
            self.read.complete(cqe)
        }
    }
    impl Cancellable for KeptRead {
        fn orphaned(self, cqe: CqeResult) {
            if let (Ok(n @ 1..), buf) = self.read.complete(cqe) {
                self.shelf.lock().unwrap().push_back(buf[..n].to_vec());
            }
        }
    }
    // SAFETY: that of `Read`, to which all is passed on; a `KeptRead` owns it.
    unsafe impl Prepare for KeptRead {
        fn prepare(&mut self) -> Sqe {
            self.read.prepare()
        }
    }
    impl Operation for KeptRead {
        fn run_blocking(self) -> Self::Output {
            self.read.run_blocking()
        }
    }

    let Some(rig) = Rig::new(8) else { return };
    const TOTAL: usize = 4 << 20;
    let (reader, writer) = pipe();
    let reader = Arc::new(reader);
    let byte_at = |index: usize| (index % 251) as u8;
    let feeder = std::thread::spawn(move || {
        let mut writer = File::from(writer);
        let bytes: Vec<u8> = (0..TOTAL).map(byte_at).collect();
        for (index, chunk) in bytes.chunks(1000).enumerate() {
            writer.write_all(chunk).unwrap();
            if index % 64 == 0 {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    });
    let shelf = Shelf::default();
    let mut rng = FastRand::new(11);
    let mut seen = 0;
    let (mut drops, mut handed_on) = (0, 0);
    let mut check = |bytes: &[u8]| {
        for &byte in bytes {
            assert_eq!(byte, byte_at(seen), "at {seen}");
            seen += 1;
        }
    };
    loop {
        while let Some(bytes) = { shelf.lock().unwrap().pop_front() } {
            handed_on += 1;
            check(&bytes);
        }
        let mut op = rig.op(KeptRead {
            read: Read::new(reader.clone(), Vec::with_capacity(700), 0),
            shelf: shelf.clone(),
        });
        if rng.below(2) == 0 {
            assert!(poll_once(&mut op).is_pending());
            let until = Instant::now() + Duration::from_micros(u64::from(rng.below(50)));
            if rng.below(2) == 0 {
                rig.turn();
            }
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            drop(op);
            drops += 1;
            // The next reader waits for the orphan, so that bytes stay in order.
            rig.drain();
            continue;
        }
        let (n, buf) = rig.finish(op);
        if n.unwrap() == 0 {
            break;
        }
        check(&buf);
    }
    feeder.join().unwrap();
    assert_eq!(seen, TOTAL);
    assert!(
        drops > 100 && handed_on > 10,
        "{drops} drops, {handed_on} handed on"
    );
}

/// O6: what a dropped write sends is what it was given.
#[test]
fn a_dropped_write_sends_the_original() {
    let Some(rig) = Rig::new(8) else { return };
    for _ in 0..200 {
        let (mut peer, socket) = UnixStream::pair().unwrap();
        let mut op = rig.op(Write::new(socket, vec![7u8; 64], 0));
        assert!(poll_once(&mut op).is_pending());
        drop(op);
        // Had it been freed, the next to ask for that size would get the same block.
        let others: Vec<Vec<u8>> = (0..64).map(|_| vec![9u8; 64]).collect();
        rig.drain();
        drop(others);
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [7; 64]);
    }
}

/// T4: a process that was stopped while it shut down finds its time gone when it goes
/// on. What is cancelled then still gets the moment it needs to end, on each of its rings.
#[test]
fn operations_are_not_leaked_because_the_time_is_long_past() {
    if !require(Capability::IoUring) {
        return;
    }
    let dir = TempDir::new();
    let path = CString::new(dir.path().join("fifo").as_os_str().as_bytes()).unwrap();
    // SAFETY: a NUL-terminated path.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    // Each blocks a thread of the kernel, which has to notice the cancellation.
    let open_fifo = || open(path.clone());
    let leaked = || {
        let driver = Driver::new(config(32), 3).unwrap();
        let mut ops = Vec::new();
        for slot in 0..3 {
            let _slot = driver.enter_slot(slot);
            let mut here: Vec<_> = (0..16)
                .map(|_| Op::new(driver.clone(), open_fifo()))
                .collect();
            assert!(here.iter_mut().all(|op| poll_once(op).is_pending()));
            for _ in 0..3 {
                driver.park(slot, Role::None, Some(Duration::from_millis(5)));
            }
            assert!(here.iter_mut().all(|op| poll_once(op).is_pending()));
            ops.append(&mut here);
        }
        driver.shutdown(Instant::now() - Duration::from_secs(1));
        driver.leaked_ops()
    };
    // Without that moment most leak; a machine may be too busy for it once or twice.
    let times = (0..12).filter(|_| leaked() > 0).count();
    assert!(times <= 2, "{times} of 12 leaked");
}
