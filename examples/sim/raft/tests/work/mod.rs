//! What clients ask of the store, and whether what they were answered can be.
#![forbid(unsafe_code)]

use check::{History, Model, Operation, linearizable};
use kv::{Answer, Call, Client};
use std::collections::BTreeMap;
use std::time::Duration;

pub type Calls = History<Call, Answer>;

const KEYS: [&str; 3] = ["shibuya", "ueno", "ebisu"];

/// Makes `count` calls and records them. Values are large enough for a torn write to tear them.
pub async fn calls(members: BTreeMap<u64, String>, me: usize, count: usize, history: Calls) {
    let mut client = Client::new(&members);
    let mut seen = BTreeMap::new();
    for number in 0..count {
        let key = KEYS[fastrand::usize(..KEYS.len())].to_owned();
        let new = format!("{me}-{number}-{}", "x".repeat(fastrand::usize(..2_000)));
        let call = match fastrand::u8(..10) {
            0..5 => Call::Get { key: key.clone() },
            5..8 => Call::Set {
                key: key.clone(),
                value: new.clone(),
            },
            _ => {
                let old = seen.get(&key).cloned().unwrap_or_default();
                Call::Exchange {
                    key: key.clone(),
                    old,
                    new: new.clone(),
                }
            }
        };
        let begun = history.begin(call.clone());
        if let Some(answer) = client.call(call).await {
            match &answer {
                Answer::Value(Some(value)) => drop(seen.insert(key, value.clone())),
                Answer::Set | Answer::Exchanged(true) => drop(seen.insert(key, new)),
                _ => {}
            }
            history.end(begun, answer);
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..100))).await;
    }
}

/// One key of the store. Its values are numbered, so that they are quickly compared.
struct Register {
    numbers: BTreeMap<String, usize>,
}

impl Register {
    fn new(calls: &[Operation<Call, Answer>]) -> Register {
        let mut numbers = BTreeMap::new();
        for Operation { call, answer, .. } in calls {
            let written = match call {
                Call::Set { value, .. } | Call::Exchange { new: value, .. } => Some(value),
                Call::Get { .. } => None,
            };
            let read = match answer {
                Some(Answer::Value(Some(value))) => Some(value),
                _ => None,
            };
            for value in written.into_iter().chain(read) {
                let next = numbers.len() + 1;
                numbers.entry(value.clone()).or_insert(next);
            }
        }
        Register { numbers }
    }

    /// 0 for what nobody has written.
    fn number(&self, value: &str) -> usize {
        self.numbers.get(value).copied().unwrap_or(0)
    }
}

impl Model for Register {
    type State = Option<usize>;
    type Call = Call;
    type Answer = Answer;

    fn start(&self) -> Option<usize> {
        None
    }

    fn step(
        &self,
        state: &Option<usize>,
        call: &Call,
        answer: Option<&Answer>,
    ) -> Option<Option<usize>> {
        let (fits, after) = match call {
            Call::Get { .. } => {
                let value = match answer {
                    Some(Answer::Value(value)) => value.as_ref().map(|it| self.number(it)),
                    _ => *state,
                };
                (value == *state, *state)
            }
            Call::Set { value, .. } => {
                let fits = answer.is_none_or(|answer| *answer == Answer::Set);
                (fits, Some(self.number(value)))
            }
            Call::Exchange { old, new, .. } => {
                let is_old = *state == Some(self.number(old));
                let fits = answer.is_none_or(|answer| *answer == Answer::Exchanged(is_old));
                (
                    fits,
                    if is_old {
                        Some(self.number(new))
                    } else {
                        *state
                    },
                )
            }
        };
        fits.then_some(after)
    }
}

/// Waits until all nodes have applied the same entries. They must have the same values then.
pub async fn agree(members: BTreeMap<u64, String>) {
    loop {
        let mut digests = Vec::new();
        for address in members.values() {
            digests.extend(kv::digest(address).await);
        }
        let first = digests.first().copied().unwrap_or_default();
        if digests.len() == members.len() && digests.iter().all(|it| it.0 == first.0) {
            let agree = digests.iter().all(|digest| *digest == first);
            assert!(
                agree,
                "nodes that have applied the same differ: {digests:?}"
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Whether each key is one register.
pub fn check(history: &Calls) {
    for key in KEYS {
        let mut calls = history.operations();
        calls.retain(|operation| match &operation.call {
            Call::Get { key: of } | Call::Set { key: of, .. } | Call::Exchange { key: of, .. } => {
                of == key
            }
        });
        if let Err(text) = linearizable(&Register::new(&calls), calls) {
            panic!("{key} is {}", text.replace("xxx", ""));
        }
    }
}
