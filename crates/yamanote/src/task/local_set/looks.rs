//! How a dump gets to see the tasks of a set: it asks, and a task of the set answers.
#![forbid(unsafe_code)]

use std::sync::{Arc, Weak};

use super::shared::{Notified, Shared};
use crate::runtime::context;
use crate::runtime::local_sets::{Known, Request, Standing};
use crate::runtime::parts::Parts;
use crate::runtime::task::{LocalNotified, Looked, Meta, Owner};

impl Known for Shared {
    fn standing(&self) -> &Standing {
        &self.standing
    }

    fn ask(&self, request: Request) {
        if let Some(waker) = self.inbox.ask(request) {
            waker.wake();
        }
    }
}

impl Owner for Arc<Shared> {
    fn assert_owner(&self, task: Notified) -> LocalNotified<Self> {
        self.tasks.assert_owner(task)
    }

    fn mark_waiting(&self, looked: &mut Looked) {
        self.tasks.mark_waiting(looked);
    }
}

/// In a poll of the set: the runtime that it is polled in is to know it.
pub(super) fn introduce(set: &Arc<Shared>) {
    let add = |runtime: &Arc<Parts>| {
        if set.standing.move_to(runtime.id()) {
            let set = Arc::downgrade(set) as Weak<dyn Known>;
            runtime.local_sets.add(set);
        }
    };
    // Outside of a runtime nobody asks.
    let _ = context::with_current(add);
}

/// In a poll of the set that finds these.
#[cold]
pub(super) fn answer(set: &Arc<Shared>, requests: Vec<Request>) {
    for request in requests {
        let views = set.tasks.view();
        let waiting = set.tasks.take_waiting(set.clone());
        let answer = request(views, Box::new(waiting));
        let size = size_of_val(&answer);
        drop(set.spawn(answer, Meta::here(), size));
    }
}
