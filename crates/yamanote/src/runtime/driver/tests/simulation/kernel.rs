//! A kernel that does to a ring what a real one may do, in an order its seed chooses.

use std::cell::UnsafeCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::world::World;
use crate::runtime::driver::op::BROKEN_OFF;
use crate::sys::uring::Kernel;
use crate::sys::uring::abi::{Cqe, SQ_CQ_OVERFLOW};
use crate::sys::uring::queues::{Layout, Queues};
use crate::sys::uring::sqe::{Sqe, op};
use crate::util::rng::FastRand;

/// How unkind the kernel is; all off means that everything succeeds, in order, at the next step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// One in this many enters fails with a passing error; 0 is never.
    pub(super) enter_fails: u32,
    /// One in this many enters takes only a part.
    pub(super) takes_part: u32,
    /// Requests complete in any order, some late.
    pub(super) permutes: bool,
    /// One in this many operations fails.
    pub(super) op_fails: u32,
    /// One in this many transfers is short.
    pub(super) short: u32,
    /// One in this many cancellations finds nothing, or is too late.
    pub(super) cancel_misses: u32,
    /// Nothing completes unless cancelled.
    pub(super) stalls: bool,
    /// This many completions are lost, and counted as the kernel would.
    pub(super) loses: u32,
}

/// The memory both sides share.
struct Shared {
    /// sq head, sq tail, sq flags, cq head, cq tail, cq overflow.
    words: [AtomicU32; 6],
    sqes: Box<[UnsafeCell<Sqe>]>,
    cqes: Box<[UnsafeCell<Cqe>]>,
}

// SAFETY: entries are handed over by the indices, as between a program and its kernel.
unsafe impl Sync for Shared {}
// SAFETY: plain memory.
unsafe impl Send for Shared {}

pub(super) struct SimulatedKernel {
    shared: Arc<Shared>,
    pub(super) world: Arc<World>,
    inside: Mutex<Inside>,
}

/// A request the kernel has taken.
#[derive(Debug, Clone, Copy)]
struct Request {
    sqe: Sqe,
    /// Somebody asked for its end.
    cancelled: bool,
}

struct Inside {
    rng: FastRand,
    faults: Faults,
    requests: Vec<Request>,
    /// Completions the queue had no room for.
    backlog: VecDeque<Cqe>,
    /// User data of finished requests, to be replayed.
    finished: Vec<u64>,
    /// What was answered for the buffer at this address.
    answers: HashMap<u64, i32>,
    enters: u64,
    completed: u64,
}

/// `IOSQE_CQE_SKIP_SUCCESS`.
const SKIP_SUCCESS: u8 = 1 << 6;

/// What every written buffer holds.
pub(super) const WRITTEN: u8 = 0x77;

/// Byte the kernel fills a read buffer with: depends on which buffer it is.
pub(super) fn pattern(address: u64) -> u8 {
    (address >> 4) as u8 ^ 0x5A
}

impl SimulatedKernel {
    pub(super) fn new(seed: u64, sq_entries: u32, cq_entries: u32) -> Arc<Self> {
        let shared = Shared {
            words: Default::default(),
            sqes: (0..sq_entries).map(|_| UnsafeCell::default()).collect(),
            cqes: (0..cq_entries).map(|_| UnsafeCell::default()).collect(),
        };
        // The indices wrap early in every test.
        for index in [0, 1, 3, 4] {
            shared.words[index].store(u32::MAX - 5, Ordering::Relaxed);
        }
        Arc::new(SimulatedKernel {
            shared: Arc::new(shared),
            world: Arc::default(),
            inside: Mutex::new(Inside {
                rng: FastRand::new(seed),
                faults: Faults::default(),
                requests: Vec::new(),
                backlog: VecDeque::new(),
                finished: Vec::new(),
                answers: HashMap::new(),
                enters: 0,
                completed: 0,
            }),
        })
    }

    pub(super) fn queues(&self) -> Queues {
        let word = |index: usize| NonNull::from(&self.shared.words[index]);
        let layout = Layout {
            sq_head: word(0),
            sq_tail: word(1),
            sq_flags: word(2),
            sq_array: None,
            // Of the whole: a pointer to the first cell would have a right to that one only.
            sqes: NonNull::from(&*self.shared.sqes).cast(),
            sq_entries: self.shared.sqes.len() as u32,
            cq_head: word(3),
            cq_tail: word(4),
            cq_overflow: word(5),
            cqes: NonNull::from(&*self.shared.cqes).cast(),
            cq_entries: self.shared.cqes.len() as u32,
        };
        // SAFETY: the pointers lead into memory that the `Arc` given along keeps; entries are
        // handed over by the indices on both sides.
        unsafe { Queues::from_parts(layout, Box::new(self.shared.clone())) }
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.inside().faults = faults;
    }

    pub(super) fn enters(&self) -> u64 {
        self.inside().enters
    }

    /// Nothing in flight but the ring's own polls.
    pub(super) fn is_idle(&self) -> bool {
        let inside = self.inside();
        inside.backlog.is_empty() && inside.requests.iter().all(|r| r.is_poll())
    }

    pub(super) fn in_flight(&self) -> usize {
        let inside = self.inside();
        inside.requests.iter().filter(|r| !r.is_poll()).count()
    }

    /// The youngest request's.
    pub(super) fn last_user_data(&self) -> u64 {
        self.inside().requests.last().unwrap().sqe.user_data
    }

    /// What was answered for the buffer at `address`.
    pub(super) fn answer_for(&self, address: *const u8) -> Option<i32> {
        self.inside().answers.get(&(address as u64)).copied()
    }

    /// Lets some time pass: some requests complete.
    pub(super) fn step(&self) {
        let mut inside = self.inside();
        let mut index = 0;
        while index < inside.requests.len() {
            let late = inside.faults.permutes && inside.rng.below(3) != 0;
            let request = inside.requests[index];
            let cancels = request.sqe.opcode == op::ASYNC_CANCEL;
            let stalled = inside.faults.stalls && !request.cancelled && !cancels;
            if inside.requests[index].is_poll() || stalled || late {
                index += 1;
                continue;
            }
            self.finish(&mut inside, index);
        }
        if inside.faults.permutes && inside.requests.len() > 1 {
            let len = inside.requests.len() as u32;
            let (a, b) = (inside.rng.below(len), inside.rng.below(len));
            inside.requests.swap(a as usize, b as usize);
        }
    }

    /// Completes one request, the `index`th in flight, with this result.
    pub(super) fn complete_nth(&self, index: usize, res: i32) {
        let mut inside = self.inside();
        let position = inside
            .requests
            .iter()
            .enumerate()
            .filter(|(_, request)| !request.is_poll())
            .nth(index)
            .expect("a request in flight")
            .0;
        let sqe = inside.requests.remove(position).sqe;
        inside.note_finished(&sqe, res);
        if res > 0 && sqe.opcode == op::READ {
            self.fill(&sqe, res as usize);
        }
        inside.answers.insert(sqe.addr, res);
        self.post(&mut inside, sqe.user_data, res, 0);
    }

    /// Posts a completion nobody asked for.
    pub(super) fn post_stray(&self, user_data: u64, res: i32, flags: u32) {
        self.post(&mut self.inside(), user_data, res, flags);
    }

    /// A finished request's user data, any of them.
    pub(super) fn any_finished(&self) -> Option<u64> {
        let mut inside = self.inside();
        let len = inside.finished.len() as u32;
        (len > 0).then(|| {
            let index = inside.rng.below(len) as usize;
            inside.finished[index]
        })
    }

    fn finish(&self, inside: &mut Inside, index: usize) {
        let Request { sqe, cancelled } = inside.requests.remove(index);
        if sqe.opcode == op::ASYNC_CANCEL {
            let res = self.cancel(inside, &sqe);
            if res < 0 || sqe.flags & SKIP_SUCCESS == 0 {
                self.post(inside, sqe.user_data, res, 0);
            }
            return;
        }
        self.world.assert_open(sqe.fd);
        let res = self.answer(inside, &sqe, cancelled);
        inside.answers.insert(sqe.addr, res);
        inside.note_finished(&sqe, res);
        self.post(inside, sqe.user_data, res, 0);
    }

    /// Carries a request out and says what it comes to.
    fn answer(&self, inside: &mut Inside, sqe: &Sqe, cancelled: bool) -> i32 {
        // A cancelled request may still have been carried out.
        if cancelled && inside.rng.below(4) != 0 {
            return -[libc::ECANCELED, libc::EINTR][inside.rng.below(2) as usize];
        }
        if chance(&mut inside.rng, inside.faults.op_fails) {
            return -[libc::EIO, libc::ENOSPC, libc::ECONNRESET, libc::EINTR]
                [inside.rng.below(4) as usize];
        }
        let mut len = sqe.len as usize;
        if len > 0 && chance(&mut inside.rng, inside.faults.short) {
            len = inside.rng.below(sqe.len) as usize;
        }
        match sqe.opcode {
            op::READ => self.fill(sqe, len),
            op::WRITE => self.check_untouched(sqe, sqe.len as usize),
            _ => {}
        }
        len as i32
    }

    fn fill(&self, sqe: &Sqe, len: usize) {
        self.world.assert_live(sqe.addr as usize, sqe.len as usize);
        let bytes = sqe.addr as *mut u8;
        // SAFETY: the world says that the buffer lives.
        unsafe { bytes.write_bytes(pattern(sqe.addr), len) };
    }

    /// A write reads the bytes its future was given, never later ones.
    fn check_untouched(&self, sqe: &Sqe, len: usize) {
        self.world.assert_live(sqe.addr as usize, len);
        // SAFETY: the world says that the buffer lives.
        let bytes = unsafe { std::slice::from_raw_parts(sqe.addr as *const u8, len) };
        assert!(bytes.iter().all(|&byte| byte == WRITTEN));
    }

    fn cancel(&self, inside: &mut Inside, sqe: &Sqe) -> i32 {
        if chance(&mut inside.rng, inside.faults.cancel_misses) {
            return -[libc::ENOENT, libc::EALREADY][inside.rng.below(2) as usize];
        }
        let target = sqe.addr;
        let Some(index) = inside
            .requests
            .iter()
            .position(|r| r.sqe.user_data == target)
        else {
            return -libc::ENOENT;
        };
        inside.requests[index].cancelled = true;
        if inside.requests[index].is_poll() {
            let poll = inside.requests.remove(index);
            self.post(inside, poll.sqe.user_data, -libc::ECANCELED, 0);
        }
        0
    }

    fn post(&self, inside: &mut Inside, user_data: u64, res: i32, flags: u32) {
        if inside.faults.loses > 0 {
            inside.faults.loses -= 1;
            self.shared.words[5].fetch_add(1, Ordering::Relaxed);
            return;
        }
        inside.completed += 1;
        inside.backlog.push_back(Cqe {
            user_data,
            res,
            flags,
        });
        if inside.backlog.len() == 1 {
            self.deliver(inside);
        } else {
            self.shared.words[2].fetch_or(SQ_CQ_OVERFLOW, Ordering::Relaxed);
        }
    }

    /// Moves the backlog into the queue as far as there is room.
    fn deliver(&self, inside: &mut Inside) {
        let entries = self.shared.cqes.len() as u32;
        while let Some(&cqe) = inside.backlog.front() {
            let head = self.shared.words[3].load(Ordering::Acquire);
            let tail = self.shared.words[4].load(Ordering::Relaxed);
            if tail.wrapping_sub(head) == entries {
                self.shared.words[2].fetch_or(SQ_CQ_OVERFLOW, Ordering::Relaxed);
                return;
            }
            let place = self.shared.cqes[(tail & (entries - 1)) as usize].get();
            // SAFETY: the place is free (the head is past it) and ours until the tail says so.
            unsafe { place.write(cqe) };
            self.shared.words[4].store(tail.wrapping_add(1), Ordering::Release);
            inside.backlog.pop_front();
        }
        self.shared.words[2].fetch_and(!SQ_CQ_OVERFLOW, Ordering::Relaxed);
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Inside {
    /// What was broken off comes again under the same name, so it is no name of the past.
    fn note_finished(&mut self, sqe: &Sqe, res: i32) {
        if sqe.opcode == op::ASYNC_CANCEL || !BROKEN_OFF.contains(&-res) {
            self.finished.push(sqe.user_data);
        }
    }
}

impl Request {
    fn is_poll(&self) -> bool {
        self.sqe.opcode == op::POLL_ADD
    }
}

fn chance(rng: &mut FastRand, one_in: u32) -> bool {
    one_in > 0 && rng.below(one_in) == 0
}

impl Kernel for Arc<SimulatedKernel> {
    fn enter(&self, to_submit: u32, get_events: bool) -> io::Result<u32> {
        let mut inside = self.inside();
        inside.enters += 1;
        let fails = inside.faults.enter_fails;
        if chance(&mut inside.rng, fails) {
            let errnos = [libc::EAGAIN, libc::EINTR, libc::EBUSY, libc::ENOMEM];
            let errno = errnos[inside.rng.below(4) as usize];
            return Err(io::Error::from_raw_os_error(errno));
        }
        if get_events {
            self.deliver(&mut inside);
        }
        let head = self.shared.words[0].load(Ordering::Relaxed);
        let tail = self.shared.words[1].load(Ordering::Acquire);
        let mut take = to_submit.min(tail.wrapping_sub(head));
        let part = inside.faults.takes_part;
        if take > 1 && chance(&mut inside.rng, part) {
            take = inside.rng.below(take);
        }
        let entries = self.shared.sqes.len() as u32;
        for index in 0..take {
            let place = head.wrapping_add(index) & (entries - 1);
            // SAFETY: published by the tail, and ours until the head is past it.
            let sqe = unsafe { self.shared.sqes[place as usize].get().read() };
            inside.requests.push(Request {
                sqe,
                cancelled: false,
            });
        }
        self.shared.words[0].store(head.wrapping_add(take), Ordering::Release);
        Ok(take)
    }
}
