//! Every order of what can be done to a task, against a model of a dozen lines.
//!
//! The goal: whatever the order, the future and the output are dropped exactly once, the handle
//! sees the result the model predicts, the joiner is woken exactly when it has to be, and at the
//! end nothing holds the task any more.
#![forbid(unsafe_code)]

use super::{AnyScheduler, Dropped, WakeCount, poll};
use crate::runtime::task::census::Census;
use crate::runtime::task::{AbortHandle, JoinHandle};
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// What is done to the task from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// The scheduler runs the next `Notified`, if there is one.
    Run,
    /// A clone of the task's waker is woken by reference.
    WakeByRef,
    /// ... and by value; there is none afterwards until the next poll leaves one.
    WakeByValue,
    Abort,
    /// The join handle is polled with one waker,
    Join,
    /// ... and with another.
    JoinElsewhere,
    DropHandle,
    Shutdown,
    /// The living tasks are counted, and those that wait are marked.
    Look,
}

const STEPS: [Step; 9] = [
    Step::Run,
    Step::WakeByRef,
    Step::WakeByValue,
    Step::Abort,
    Step::Join,
    Step::JoinElsewhere,
    Step::DropHandle,
    Step::Shutdown,
    Step::Look,
];

/// What one poll of the future does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Pending,
    WakeSelf,
    AbortSelf,
    /// Drops the join handle, in the task itself.
    DropHandle,
    Ready,
    Panic,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    /// The first polls; those after them are `Ready`.
    acts: &'static [Act],
    future_drop_panics: bool,
    output_drop_panics: bool,
}

const ACTS: [&[Act]; 10] = [
    &[],
    &[Act::Panic],
    &[Act::Pending],
    &[Act::Pending, Act::Pending],
    &[Act::Pending, Act::Panic],
    &[Act::WakeSelf],
    &[Act::AbortSelf],
    &[Act::DropHandle],
    &[Act::WakeSelf, Act::AbortSelf],
    &[Act::DropHandle, Act::WakeSelf, Act::Panic],
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Value,
    Cancelled,
    Panicked,
}

/// What the future and the test share.
#[derive(Default)]
struct Props {
    waker: Mutex<Option<Waker>>,
    abort: Mutex<Option<AbortHandle>>,
    handle: Mutex<Option<JoinHandle<Dropped>>>,
    outputs_made: AtomicUsize,
}

struct Planned {
    plan: Plan,
    polls: usize,
    props: Arc<Props>,
    outputs: Arc<AtomicUsize>,
    _dropped: Dropped,
}

impl Future for Planned {
    type Output = Dropped;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Dropped> {
        let act = *self.plan.acts.get(self.polls).unwrap_or(&Act::Ready);
        self.polls += 1;
        let old = self.props.waker.lock().unwrap().replace(cx.waker().clone());
        drop(old);
        match act {
            Act::Pending => {}
            Act::WakeSelf => cx.waker().wake_by_ref(),
            Act::AbortSelf => self.props.abort.lock().unwrap().as_ref().unwrap().abort(),
            Act::DropHandle => drop(self.props.handle.lock().unwrap().take()),
            Act::Ready => {
                self.props.outputs_made.fetch_add(1, SeqCst);
                return Poll::Ready(Dropped::new(&self.outputs, self.plan.output_drop_panics));
            }
            Act::Panic => resume_unwind(Box::new("poll")),
        }
        Poll::Pending
    }
}

/// The dumb version of a task.
struct Model {
    plan: Plan,
    polls: usize,
    queued: bool,
    cancelled: bool,
    outcome: Option<Outcome>,
    has_waker: bool,
    has_handle: bool,
    taken: bool,
    /// Which of the two wakers is registered.
    joiner: Option<usize>,
    woken: [usize; 2],
    closed: bool,
}

impl Model {
    fn new(plan: Plan) -> Model {
        Model {
            plan,
            polls: 0,
            queued: true,
            cancelled: false,
            outcome: None,
            has_waker: false,
            has_handle: true,
            taken: false,
            joiner: None,
            woken: [0; 2],
            closed: false,
        }
    }

    fn complete(&mut self, outcome: Outcome) {
        // The future is dropped on the way, whatever the outcome; the first panic wins.
        let panicked = self.plan.future_drop_panics;
        self.outcome = Some(if panicked { Outcome::Panicked } else { outcome });
        if let Some(joiner) = self.joiner.take() {
            self.woken[joiner] += 1;
        }
    }

    fn drop_handle(&mut self) {
        self.has_handle = false;
        self.joiner = None;
    }

    fn wake(&mut self) {
        if self.outcome.is_none() {
            self.queued = true;
        }
    }

    fn run(&mut self) {
        if !std::mem::take(&mut self.queued) || self.outcome.is_some() {
            return;
        }
        if self.cancelled {
            return self.complete(Outcome::Cancelled);
        }
        let act = *self.plan.acts.get(self.polls).unwrap_or(&Act::Ready);
        self.polls += 1;
        self.has_waker = true;
        match act {
            Act::Pending => {}
            Act::WakeSelf => self.queued = true,
            Act::AbortSelf => self.complete(Outcome::Cancelled),
            Act::DropHandle => self.drop_handle(),
            Act::Ready => self.complete(Outcome::Value),
            Act::Panic => self.complete(Outcome::Panicked),
        }
    }

    fn step(&mut self, step: Step) -> Option<Poll<Outcome>> {
        match step {
            Step::Run => self.run(),
            Step::WakeByRef if self.has_waker => self.wake(),
            Step::WakeByValue if self.has_waker => {
                self.has_waker = false;
                self.wake();
            }
            Step::WakeByRef | Step::WakeByValue => {}
            Step::Abort => {
                self.cancelled = true;
                self.wake();
            }
            Step::Join | Step::JoinElsewhere => {
                if !self.has_handle || self.taken {
                    return None;
                }
                let Some(outcome) = self.outcome else {
                    self.joiner = Some(usize::from(step == Step::JoinElsewhere));
                    return Some(Poll::Pending);
                };
                self.taken = true;
                return Some(Poll::Ready(outcome));
            }
            Step::DropHandle => self.drop_handle(),
            Step::Shutdown => {
                self.closed = true;
                self.queued = false;
                if self.outcome.is_none() {
                    self.complete(Outcome::Cancelled);
                }
            }
            Step::Look => {}
        }
        None
    }

    fn is_waiting(&self) -> bool {
        self.outcome.is_none() && !self.queued
    }
}

/// Since when looks have seen the task wait.
struct Looks {
    last_poll: Instant,
    since: Option<Instant>,
}

impl Looks {
    fn look<const BIASED: bool>(&mut self, scheduler: &AnyScheduler<BIASED>, model: &Model) {
        let mut census = Census::of_at_most(1);
        scheduler.0.owned.count(&mut census);
        let counts = census.into_counts();
        assert_eq!(counts.len(), usize::from(model.outcome.is_none()));
        let seen = counts.first().and_then(|count| count.waits_since);
        assert_eq!(seen.is_some(), model.is_waiting());
        if let Some(seen) = seen {
            match self.since {
                Some(since) => assert_eq!(seen, since, "nobody has polled it since"),
                None => assert!(seen >= self.last_poll, "a poll takes the mark away"),
            }
        }
        self.since = seen;
    }

    fn poll(&mut self) {
        *self = Looks {
            last_poll: Instant::now(),
            since: None,
        };
    }
}

/// A step, and whether the thread that takes it drives the scheduler. To tasks that are not biased
/// that is nothing.
type SidedStep = (Step, bool);

fn check<const BIASED: bool>(plan: Plan, spawned_near: bool, steps: &[SidedStep]) {
    let scheduler = AnyScheduler::<BIASED>::new();
    let props = Arc::new(Props::default());
    let futures = Arc::new(AtomicUsize::new(0));
    let outputs = Arc::new(AtomicUsize::new(0));
    let wakers = [WakeCount::new(), WakeCount::new()];
    let mut model = Model::new(plan);
    let mut looks = Looks {
        last_poll: Instant::now(),
        since: None,
    };

    let spawning = scheduler.stand(spawned_near);
    let handle = scheduler.spawn(Planned {
        plan,
        polls: 0,
        props: props.clone(),
        outputs: outputs.clone(),
        _dropped: Dropped::new(&futures, plan.future_drop_panics),
    });
    drop(spawning);
    let abort = handle.abort_handle();
    *props.abort.lock().unwrap() = Some(handle.abort_handle());
    *props.handle.lock().unwrap() = Some(handle);

    for (at, &(step, is_near)) in steps.iter().enumerate() {
        let _side = scheduler.stand(is_near);
        let mut joined = None;
        match step {
            Step::Run => {
                scheduler.run_one();
            }
            Step::WakeByRef => {
                let waker = props.waker.lock().unwrap().clone();
                if let Some(waker) = waker {
                    waker.wake_by_ref();
                }
            }
            Step::WakeByValue => {
                let waker = props.waker.lock().unwrap().take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Step::Abort => abort.abort(),
            Step::Join | Step::JoinElsewhere => {
                if let Some(handle) = props.handle.lock().unwrap().as_mut()
                    && !model.taken
                {
                    let waker = &wakers[usize::from(step == Step::JoinElsewhere)].1;
                    joined = Some(poll(handle, waker).map(|result| match result {
                        Ok(mut value) => {
                            value.panics = false;
                            Outcome::Value
                        }
                        Err(error) if error.is_cancelled() => Outcome::Cancelled,
                        Err(_) => Outcome::Panicked,
                    }));
                }
            }
            Step::DropHandle => drop(props.handle.lock().unwrap().take()),
            Step::Shutdown => scheduler.shut_down(),
            Step::Look => looks.look(&scheduler, &model),
        }
        let polls = model.polls;
        let expected = model.step(step);
        if model.polls != polls {
            looks.poll();
        }
        assert_eq!(joined, expected, "step {at}");

        let complete = model.outcome.is_some();
        assert_eq!(abort.is_finished(), complete, "after step {at}");
        assert_eq!(futures.load(SeqCst), usize::from(complete), "step {at}");
        let woken = [wakers[0].0.get(), wakers[1].0.get()];
        assert_eq!(woken, model.woken, "after step {at}");
        let is_due = scheduler.is_due();
        assert_eq!(is_due && !complete, model.queued && !complete, "step {at}");
        let alive = scheduler.0.owned.num_alive_tasks();
        assert_eq!(alive, usize::from(!complete), "after step {at}");
    }

    scheduler.shut_down();
    drop(props.handle.lock().unwrap().take());
    // Registered wakers are gone with the task's end or the handle's.
    for (count, waker) in wakers {
        assert_eq!(Arc::strong_count(&count), 2);
        drop(waker);
    }
    drop(abort);
    *props.abort.lock().unwrap() = None;
    *props.waker.lock().unwrap() = None;
    assert!(scheduler.is_last(), "the task was not freed");
    assert_eq!(futures.load(SeqCst), 1);
    assert_eq!(outputs.load(SeqCst), props.outputs_made.load(SeqCst));
    assert!(outputs.load(SeqCst) <= 1);
}

impl<const BIASED: bool> AnyScheduler<BIASED> {
    /// Whether a run would poll the only task.
    fn is_due(&self) -> bool {
        let queued = self.0.queue.lock().unwrap().len();
        assert!(queued <= 1, "two Notified");
        let injected = self.0.injected.lock().unwrap();
        assert!(injected.len() <= 1, "two Notified");
        queued == 1 || injected.front().is_some_and(|task| !task.is_void())
    }
}

/// Whether the drops of the future and of the output panic, a bit each. An interpreter has no time
/// for all.
const PANICS: &[u32] = if cfg!(miri) { &[0, 3] } else { &[0, 1, 2, 3] };

/// All sequences of `length` of these steps, for all plans.
fn enumerate<const BIASED: bool>(of: &[SidedStep], length: u32) {
    let mut steps = Vec::new();
    for code in 0..of.len().pow(length) {
        steps.clear();
        let mut rest = code;
        for _ in 0..length {
            steps.push(of[rest % of.len()]);
            rest /= of.len();
        }
        // Where it is spawned matters little to what comes later.
        let spawned_near = code % 2 == 0;
        for acts in ACTS {
            for panics in PANICS.iter().copied() {
                let plan = Plan {
                    acts,
                    future_drop_panics: panics & 1 != 0,
                    output_drop_panics: panics & 2 != 0,
                };
                let check = || check::<BIASED>(plan, spawned_near, &steps);
                let result = std::panic::catch_unwind(check);
                if let Err(payload) = result {
                    eprintln!("plan {plan:?}\nspawned near: {spawned_near}\nsteps {steps:?}");
                    resume_unwind(payload);
                }
            }
        }
    }
}

/// Four steps, or as many as `YAMANOTE_STEPS` says: six are nine million cases, twenty seconds with
/// optimisation.
fn length() -> u32 {
    let default = if cfg!(miri) { 2 } else { 4 };
    std::env::var("YAMANOTE_STEPS").map_or(default, |n| n.parse().unwrap())
}

#[test]
fn every_order_of_a_few_steps() {
    enumerate::<false>(&STEPS.map(|step| (step, true)), length());
}

/// The same for biased tasks: each step that has two sides, near and far.
#[test]
fn every_order_of_a_few_steps_near_and_far() {
    const ONE_SIDED: [Step; 4] = [Step::Run, Step::Join, Step::Shutdown, Step::Look];
    const TWO_SIDED: [Step; 4] = [
        Step::WakeByRef,
        Step::WakeByValue,
        Step::Abort,
        Step::DropHandle,
    ];
    let near = ONE_SIDED.iter().chain(&TWO_SIDED).map(|&step| (step, true));
    let far = TWO_SIDED.iter().map(|&step| (step, false));
    enumerate::<true>(&near.chain(far).collect::<Vec<_>>(), length());
}
