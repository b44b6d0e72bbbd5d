//! Whatever the order, no thread in `block_on` sleeps for ever: not if its future was woken, and
//! not if it could drive while nobody does.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::main_future::{Waiter, Woken};
use super::seat::{Place, Seat};
use crate::loom::sync::{Condvar, Mutex};
use loom::thread;

/// What threads in `block_on` share, with a driver that only sleeps.
struct Model {
    /// The core is nothing but the right to drive.
    seat: Seat<()>,
    main_woken: Woken,
    token: Mutex<bool>,
    told: Condvar,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Model {
            seat: Seat::new(()),
            main_woken: Woken::new(false),
            token: Mutex::new(false),
            told: Condvar::new(),
        })
    }

    /// As `Driver::park`: a token that is there ends it at once.
    fn park(&self) {
        let mut token = self.token.lock().unwrap();
        while !std::mem::take(&mut *token) {
            token = self.told.wait(token).unwrap();
        }
    }

    /// As `CurrentThread::block_on` and `Driving::block_on`. `poll` learns whether this thread
    /// drives.
    fn block_on(self: &Arc<Self>, mut poll: impl FnMut(&mut Context<'_>, bool) -> Poll<()>) {
        let waiter = Arc::new(Waiter::new());
        let waker = Waker::from(waiter.clone());
        let mut cx = Context::from_waker(&waker);
        let mut place = Place::new(&self.seat, &waiter);
        loop {
            if let Some(()) = place.take_or_wait() {
                break;
            }
            if waiter.take_woken() {
                if poll(&mut cx, false).is_ready() {
                    return;
                }
            } else {
                waiter.park();
            }
        }
        let waker = Waker::from(self.clone());
        let mut cx = Context::from_waker(&waker);
        let _ = self.main_woken.set();
        loop {
            if self.main_woken.take() {
                if poll(&mut cx, true).is_ready() {
                    return self.seat.give_back(());
                }
            } else {
                self.park();
            }
        }
    }
}

/// As for `Shared`, from a thread that does not drive.
impl Wake for Model {
    fn wake(self: Arc<Self>) {
        if self.main_woken.set() {
            *self.token.lock().unwrap() = true;
            self.told.notify_one();
        }
    }
}

/// Pending until it is opened.
#[derive(Default)]
struct Gate(Mutex<(bool, Option<Waker>)>);

impl Gate {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    }

    fn open(&self) {
        let waker = {
            let mut state = self.0.lock().unwrap();
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[test]
fn loom_block_on_of_two_threads_ends_when_they_are_woken() {
    let mut model = ::loom::model::Builder::new();
    // With three, an assertion of loom 0.7.2 itself fails (in its `rt::notify`).
    model.preemption_bound = Some(2);
    model.check(|| {
        let model = Model::new();
        let gates: Arc<[Gate; 2]> = Arc::default();
        let other = thread::spawn({
            let (model, gates) = (model.clone(), gates.clone());
            move || model.block_on(|cx, _| gates[0].poll(cx))
        });
        let opener = thread::spawn({
            let gates = gates.clone();
            move || gates.iter().for_each(Gate::open)
        });
        model.block_on(|cx, _| gates[1].poll(cx));
        other.join().unwrap();
        opener.join().unwrap();
        assert!(model.seat.take().is_some(), "the core is on its seat");
    });
}

/// One drives until it is woken, one ends whether it drives or not, and one only if it drives.
#[test]
fn loom_block_on_hands_the_core_to_who_needs_it() {
    ::loom::model(|| {
        let model = Model::new();
        let gate: Arc<Gate> = Arc::default();
        let passer = thread::spawn({
            let (model, gate) = (model.clone(), gate.clone());
            move || model.block_on(|cx, _| gate.poll(cx))
        });
        let driver = thread::spawn({
            let model = model.clone();
            move || {
                model.block_on(|_, drives| match drives {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                })
            }
        });
        gate.open();
        model.block_on(|cx, _| gate.poll(cx));
        passer.join().unwrap();
        driver.join().unwrap();
        assert!(model.seat.take().is_some(), "the core is on its seat");
    });
}
