//! Thousands of operations created, polled, dropped and forgotten in every state, while the kernel
//! does its worst; then everything is counted.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::kernel::{Faults, WRITTEN, pattern};
use super::world::TrackedBuf;
use super::{Simulation, WakeCount};
use crate::buf::{BufResult, IoBuf};
use crate::runtime::driver::op::{Op, Operation};
use crate::runtime::driver::ops::read::Read;
use crate::runtime::driver::ops::write::Write;
use crate::util::rng::FastRand;

type Output = BufResult<usize, TrackedBuf>;

/// An operation of any kind.
trait AnyOp: Future<Output = Output> + Send {
    fn is_started(&self) -> bool;
}

impl<T: Operation<Output = Output>> AnyOp for Op<T, Simulation> {
    fn is_started(&self) -> bool {
        Op::is_started(self)
    }
}

struct Task {
    future: Pin<Box<dyn AnyOp>>,
    wakes: Arc<WakeCount>,
    /// Wakes by the present waker already acted upon.
    heard: usize,
    polled: bool,
    reads: bool,
}

impl Task {
    fn new(simulation: &Arc<Simulation>, rng: &mut FastRand) -> Self {
        let world = &simulation.kernel.world;
        let len = 1 + rng.below(200) as usize;
        let fd = world.descriptor();
        let reads = rng.below(2) == 0;
        let rings = simulation.clone();
        let future: Pin<Box<dyn AnyOp>> = match reads {
            true => Box::pin(Op::new(rings, Read::new(fd, world.buffer(len, 0), 0))),
            false => Box::pin(Op::new(
                rings,
                Write::new(fd, world.buffer(len, WRITTEN), 0),
            )),
        };
        Task {
            future,
            wakes: Arc::default(),
            heard: 0,
            polled: false,
            reads,
        }
    }

    fn poll(&mut self, simulation: &Simulation, rng: &mut FastRand) -> Poll<()> {
        if rng.below(3) == 0 {
            // The future migrates: the old waker must not be needed any more.
            self.wakes = Arc::default();
        }
        self.heard = self.wakes.get();
        self.polled = true;
        let waker = Waker::from(self.wakes.clone());
        let Poll::Ready((result, buf)) =
            self.future.as_mut().poll(&mut Context::from_waker(&waker))
        else {
            return Poll::Pending;
        };
        // The answer is the one the kernel gave for this very buffer.
        let answer = simulation.kernel.answer_for(buf.stable_ptr()).unwrap();
        match result {
            Ok(n) => {
                assert_eq!(n as i32, answer);
                if self.reads {
                    let byte = pattern(buf.stable_ptr() as u64);
                    assert!(buf.bytes()[..n].iter().all(|&b| b == byte));
                    assert!(buf.bytes()[n..].iter().all(|&b| b == 0));
                }
            }
            Err(error) => assert_eq!(error.raw_os_error(), Some(-answer)),
        }
        Poll::Ready(())
    }
}

fn storm(seed: u64, sq_entries: u32, cq_entries: u32, steps: u32) {
    let simulation = Simulation::new(seed, sq_entries, cq_entries);
    let kernel = &simulation.kernel;
    let mut rng = FastRand::new(seed ^ 0x9E37_79B9);
    let mut tasks: Vec<Task> = Vec::new();
    let mut forgotten = Vec::new();
    let mut strays = 0;
    kernel.set_faults(Faults {
        enter_fails: 4,
        takes_part: 3,
        permutes: true,
        op_fails: 5,
        short: 4,
        cancel_misses: 3,
        stalls: false,
        loses: 0,
    });
    for _ in 0..steps {
        let any = |rng: &mut FastRand, tasks: &Vec<Task>| {
            (!tasks.is_empty()).then(|| rng.below(tasks.len() as u32) as usize)
        };
        match rng.below(12) {
            0..=3 => tasks.push(Task::new(&simulation, &mut rng)),
            4..=6 => {
                if let Some(index) = any(&mut rng, &tasks)
                    && tasks[index].poll(&simulation, &mut rng).is_ready()
                {
                    tasks.swap_remove(index);
                }
            }
            7 => {
                if let Some(index) = any(&mut rng, &tasks) {
                    drop(tasks.swap_remove(index));
                }
            }
            8 if rng.below(8) == 0 => {
                if let Some(index) = any(&mut rng, &tasks)
                    && tasks[index].future.is_started()
                {
                    // As good as `mem::forget`, but for leak checkers.
                    forgotten.push(tasks.swap_remove(index).future);
                }
            }
            9 if rng.below(4) == 0 => {
                // A duplicate of an old completion, or one that was never asked for.
                let flags = rng.below(16);
                match kernel.any_finished() {
                    Some(old) if rng.below(2) == 0 => kernel.post_stray(old, 64, flags),
                    _ => kernel.post_stray(u64::from(rng.next_u32()) << 40 | 7, -1, flags),
                }
                strays += 1;
            }
            9 | 10 => kernel.step(),
            _ => {
                let mut batch = crate::runtime::driver::batch::Batch::default();
                let mut ring = simulation.lock();
                if rng.below(2) == 0 {
                    ring.flush();
                }
                ring.reap(&mut batch, 1 + rng.below(20) as usize);
                drop(ring);
                batch.finish();
            }
        }
    }

    // The faults end. Every task that was polled must be woken, by the last waker it left.
    kernel.set_faults(Faults {
        permutes: true,
        ..Faults::default()
    });
    for _ in 0..10_000 {
        simulation.settle();
        let mut index = 0;
        let mut moved = false;
        while index < tasks.len() {
            let task = &mut tasks[index];
            if task.polled && task.wakes.get() == task.heard {
                index += 1;
                continue;
            }
            moved = true;
            if task.poll(&simulation, &mut rng).is_ready() {
                tasks.swap_remove(index);
            } else {
                index += 1;
            }
        }
        if tasks.is_empty() {
            break;
        }
        assert!(moved, "{} operations wait for ever", tasks.len());
    }
    assert!(tasks.is_empty());
    simulation.settle();
    let ring = simulation.lock();
    assert_eq!(ring.live_ops(), 0);
    assert_eq!(kernel.in_flight(), 0);
    assert_eq!(ring.counters().unknown_completions, strays);
    assert_eq!(ring.counters().lost_completions, 0);
    drop(ring);
    let world = &kernel.world;
    assert_eq!(world.live_buffers(), forgotten.len());
    // Only what was forgotten is still in the table, completed; the ring's end frees it.
    let last = Simulation::new(0, 4, 8);
    std::mem::swap(&mut *simulation.lock(), &mut *last.lock());
    drop(last);
    world.check_canaries();
    assert_eq!(world.live_buffers(), 0);
    assert_eq!(world.open_descriptors(), 0);
    drop(forgotten);
}

/// Goal: rows O1-O6, O12, O13, O16-O20, R1, R2 in any order. A failure prints its seed.
#[test]
fn every_operation_ends_once_and_nothing_is_touched_after_its_end() {
    let (seeds, steps) = if cfg!(miri) { (3, 60) } else { (300, 600) };
    let seeds = std::env::var("YAMANOTE_SEEDS").map_or(seeds, |n| n.parse().unwrap());
    for seed in 1..=seeds {
        let sizes = [(4, 8), (8, 8), (64, 128)][seed as usize % 3];
        let run = std::panic::catch_unwind(|| storm(seed, sizes.0, sizes.1, steps));
        if let Err(panic) = run {
            eprintln!("failed with seed {seed}, queues {sizes:?}");
            std::panic::resume_unwind(panic);
        }
    }
}
