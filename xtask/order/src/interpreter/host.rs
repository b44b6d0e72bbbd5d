//! The runtime that a program runs on.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Poll, Waker};

use super::log::log;
use super::rt;
use crate::program::{Kind, Program};
use rt::runtime::{Builder, LocalOptions, LocalRuntime, Runtime};
use rt::task::LocalSet;

/// A runtime that has nothing to do and can no longer be woken is stuck: its main future is woken.
pub(super) static STUCK: AtomicBool = AtomicBool::new(false);
pub(super) static MAIN: Mutex<Option<Waker>> = Mutex::new(None);

/// Ready with the future, or when nothing can happen any more.
pub(super) async fn until_stuck(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        *MAIN.lock().expect("not poisoned") = Some(cx.waker().clone());
        if STUCK.swap(false, SeqCst) {
            log("stuck");
            return Poll::Ready(());
        }
        future.as_mut().poll(cx)
    })
    .await;
    *MAIN.lock().expect("not poisoned") = None;
}

pub(super) enum Host {
    Runtime(Runtime, Option<LocalSet>),
    Local(LocalRuntime),
}

impl Host {
    pub(super) fn new(program: &Program) -> Host {
        let mut builder = Builder::new_current_thread();
        if program.io {
            builder.enable_io();
        }
        if program.paused {
            builder.enable_time().start_paused(true);
        }
        if let Some(interval) = program.event_interval {
            builder.event_interval(interval);
        }
        if let Some(interval) = program.global_queue_interval {
            builder.global_queue_interval(interval);
        }
        let paused = program.paused;
        builder.on_thread_park(move || {
            log("park");
            if paused {
                return;
            }
            let main = MAIN.lock().expect("not poisoned").take();
            if let Some(main) = main {
                STUCK.store(true, SeqCst);
                main.wake();
            }
        });
        builder.on_thread_unpark(|| log("unpark"));
        match program.kind {
            Kind::Runtime => Host::Runtime(builder.build().expect("a runtime"), None),
            Kind::LocalSet => {
                let runtime = builder.build().expect("a runtime");
                Host::Runtime(runtime, Some(LocalSet::new()))
            }
            Kind::LocalRuntime => {
                let options = LocalOptions::default();
                Host::Local(builder.build_local(options).expect("a runtime"))
            }
        }
    }

    pub(super) fn block_on(&self, future: impl Future<Output = ()>) {
        match self {
            Host::Runtime(runtime, None) => runtime.block_on(future),
            Host::Runtime(runtime, Some(set)) => set.block_on(runtime, future),
            Host::Local(runtime) => runtime.block_on(future),
        }
    }

    pub(super) fn handle(&self) -> &rt::runtime::Handle {
        match self {
            Host::Runtime(runtime, _) => runtime.handle(),
            Host::Local(runtime) => runtime.handle(),
        }
    }

    pub(super) fn is_local(&self) -> bool {
        matches!(self, Host::Local(_))
    }
}
