//! Whether a history of concurrent calls could have happened one call after another.
//!
//! The search of Wing and Gong, with Lowe's memo: of the calls that nobody saw end before they
//! began, each may have been the next one to take effect. A set of calls done and a state that were
//! seen before are not looked at again.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};

/// A thing that calls change, one at a time.
pub trait Model {
    type State: Clone + Eq + Hash + Debug;
    type Call: Clone + Debug;
    type Answer: Clone + Debug;

    fn start(&self) -> Self::State;

    /// The state after the call, if it can be answered so; `None` for an answer that nobody saw.
    fn step(
        &self,
        state: &Self::State,
        call: &Self::Call,
        answer: Option<&Self::Answer>,
    ) -> Option<Self::State>;
}

/// A call between its two places in the history.
#[derive(Clone, Debug)]
pub struct Operation<C, A> {
    pub call: C,
    /// `None`: nobody knows whether it took effect, or will.
    pub answer: Option<A>,
    begun: usize,
    ended: usize,
}

/// What several clients see, in the order in which they see it.
#[derive(Debug)]
pub struct History<C, A> {
    shared: Arc<Mutex<Seen<C, A>>>,
}

#[derive(Debug)]
struct Seen<C, A> {
    time: usize,
    operations: Vec<Operation<C, A>>,
}

impl<C, A> Clone for History<C, A> {
    fn clone(&self) -> Self {
        History {
            shared: self.shared.clone(),
        }
    }
}

impl<C, A> Default for History<C, A> {
    fn default() -> Self {
        let seen = Seen {
            time: 0,
            operations: Vec::new(),
        };
        History {
            shared: Arc::new(Mutex::new(seen)),
        }
    }
}

impl<C, A> History<C, A> {
    fn lock(&self) -> MutexGuard<'_, Seen<C, A>> {
        self.shared.lock().expect("nobody panics with it")
    }

    /// A call begins. It is one of unknown outcome until [`History::end`].
    pub fn begin(&self, call: C) -> usize {
        let mut seen = self.lock();
        seen.time += 1;
        let begun = seen.time;
        seen.operations.push(Operation {
            call,
            answer: None,
            begun,
            ended: usize::MAX,
        });
        seen.operations.len() - 1
    }

    pub fn end(&self, operation: usize, answer: A) {
        let mut seen = self.lock();
        seen.time += 1;
        let ended = seen.time;
        let operation = &mut seen.operations[operation];
        operation.answer = Some(answer);
        operation.ended = ended;
    }

    pub fn len(&self) -> usize {
        self.lock().operations.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<C: Clone, A: Clone> History<C, A> {
    pub fn operations(&self) -> Vec<Operation<C, A>> {
        self.lock().operations.clone()
    }
}

/// # Errors
///
/// A text that says which calls cannot be put in an order: the longest order found, and the calls
/// of which one should have come next.
pub fn linearizable<M: Model>(
    model: &M,
    mut operations: Vec<Operation<M::Call, M::Answer>>,
) -> Result<(), String> {
    operations.sort_by_key(|operation| operation.begun);
    let mut seen = HashSet::new();
    let mut longest = Vec::new();
    let mut order: Vec<(usize, M::State)> = Vec::new();
    let mut done = Done::default();
    let mut state = model.start();
    // Where the search goes on at each depth.
    let mut next = vec![0];
    loop {
        if done.first == operations.len() || only_unknown_left(&operations, &done) {
            return Ok(());
        }
        let from = *next.last().expect("one for each depth");
        let last = first_end(&operations, &done);
        let found = (from..operations.len())
            .take_while(|&it| operations[it].begun < last)
            .filter(|&it| !done.has(it))
            .find_map(|it| {
                let Operation { call, answer, .. } = &operations[it];
                let after = model.step(&state, call, answer.as_ref())?;
                let with = done.with(it);
                seen.insert((with.clone(), after.clone()))
                    .then_some((it, with, after))
            });
        if let Some((it, with, after)) = found {
            *next.last_mut().expect("one for each depth") = it + 1;
            order.push((it, std::mem::replace(&mut state, after)));
            done = with;
            next.push(done.first);
            if order.len() > longest.len() {
                longest = order.iter().map(|&(it, _)| it).collect();
            }
        } else if let Some((it, before)) = order.pop() {
            next.pop();
            done = done.without(it);
            state = before;
        } else {
            return Err(describe(model, &operations, &longest));
        }
    }
}

/// Which operations have taken effect: all before `first`, and of those after it the ones in
/// `more`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Done {
    first: usize,
    more: Vec<usize>,
}

impl Done {
    fn has(&self, it: usize) -> bool {
        it < self.first || self.more.contains(&it)
    }

    fn with(&self, it: usize) -> Done {
        let mut more = self.more.clone();
        let place = more.partition_point(|&other| other < it);
        more.insert(place, it);
        let mut first = self.first;
        let in_order = more.iter().take_while(|&&it| {
            first += usize::from(it == first);
            it < first
        });
        let in_order = in_order.count();
        more.drain(..in_order);
        Done { first, more }
    }

    fn without(&self, it: usize) -> Done {
        let mut more = self.more.clone();
        if it >= self.first {
            more.retain(|&other| other != it);
            let first = self.first;
            return Done { first, more };
        }
        let mut all: Vec<usize> = (it + 1..self.first).collect();
        all.append(&mut more);
        Done {
            first: it,
            more: all,
        }
    }
}

/// The earliest end of what is not done: nothing that began later can be next.
fn first_end<C, A>(operations: &[Operation<C, A>], done: &Done) -> usize {
    let mut earliest = usize::MAX;
    for (it, operation) in operations.iter().enumerate().skip(done.first) {
        if operation.begun > earliest {
            break;
        }
        if !done.has(it) {
            earliest = earliest.min(operation.ended);
        }
    }
    earliest
}

fn only_unknown_left<C, A>(operations: &[Operation<C, A>], done: &Done) -> bool {
    let mut left = (done.first..operations.len()).filter(|&it| !done.has(it));
    left.all(|it| operations[it].answer.is_none())
}

fn describe<M: Model>(
    model: &M,
    operations: &[Operation<M::Call, M::Answer>],
    longest: &[usize],
) -> String {
    let mut text = String::from("not linearizable. In an order that goes furthest:\n");
    let mut state = model.start();
    let mut done = Done::default();
    let from = longest.len().saturating_sub(12);
    for (number, &it) in longest.iter().enumerate() {
        let Operation { call, answer, .. } = &operations[it];
        state = model
            .step(&state, call, answer.as_ref())
            .expect("it was found by this");
        done = done.with(it);
        if number >= from {
            text += &format!("  {call:?} -> {answer:?}, then the state is {state:?}\n");
        }
    }
    text += "and none of these can be next:\n";
    let last = first_end(operations, &done);
    for (it, operation) in operations.iter().enumerate() {
        if !done.has(it) && operation.begun < last {
            text += &format!("  {:?} -> {:?}\n", operation.call, operation.answer);
        }
    }
    text
}

#[cfg(test)]
mod tests;
