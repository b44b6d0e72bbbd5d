//! Histories that are linearizable, and histories that are not.
#![forbid(unsafe_code)]

use super::{History, Model, linearizable};

/// A number that can be read, written, and exchanged for another.
struct Register;

#[derive(Clone, Debug)]
enum Call {
    Read,
    Write(u8),
    Exchange(u8, u8),
}

impl Model for Register {
    type State = u8;
    type Call = Call;
    type Answer = u8;

    fn start(&self) -> u8 {
        0
    }

    fn step(&self, state: &u8, call: &Call, answer: Option<&u8>) -> Option<u8> {
        let (old, new) = match *call {
            Call::Read => (*state, *state),
            Call::Write(value) => (answer.copied().unwrap_or(0), value),
            Call::Exchange(from, to) if *state == from => (from, to),
            Call::Exchange(..) => (*state, *state),
        };
        answer.is_none_or(|answer| *answer == old).then_some(new)
    }
}

#[test]
fn calls_at_the_same_time_may_be_in_any_order() {
    let history = History::default();
    let write = history.begin(Call::Write(1));
    let (early, late) = (history.begin(Call::Read), history.begin(Call::Read));
    history.end(late, 1);
    history.end(early, 0);
    history.end(write, 0);
    assert_eq!(linearizable(&Register, history.operations()), Ok(()));
}

#[test]
fn what_was_seen_cannot_be_unseen() {
    let history = History::default();
    let write = history.begin(Call::Write(1));
    let first = history.begin(Call::Read);
    history.end(first, 1);
    let second = history.begin(Call::Read);
    history.end(second, 0);
    history.end(write, 0);
    let error = linearizable(&Register, history.operations()).unwrap_err();
    assert!(error.contains("Read -> Some(0)"), "{error}");
}

#[test]
fn a_call_without_an_answer_takes_effect_at_any_time_or_never() {
    let history = History::default();
    history.begin(Call::Write(7));
    for value in [0, 0, 7, 7] {
        let read = history.begin(Call::Read);
        history.end(read, value);
    }
    assert_eq!(linearizable(&Register, history.operations()), Ok(()));
    let read = history.begin(Call::Read);
    history.end(read, 0);
    assert!(linearizable(&Register, history.operations()).is_err());
}

#[test]
fn only_one_of_two_can_have_exchanged() {
    let history = History::default();
    let (a, b) = (
        history.begin(Call::Exchange(0, 1)),
        history.begin(Call::Exchange(0, 2)),
    );
    history.end(a, 0);
    history.end(b, 0);
    assert!(linearizable(&Register, history.operations()).is_err());
}

#[test]
fn long_histories_are_looked_through_quickly() {
    let history = History::default();
    for round in 0..200u8 {
        let writes = [1, 2, 3].map(|n| history.begin(Call::Write(round.wrapping_add(n))));
        let read = history.begin(Call::Read);
        for write in writes {
            history.end(write, 0);
        }
        history.end(read, round.wrapping_add(2));
    }
    assert_eq!(linearizable(&Register, history.operations()), Ok(()));
}
