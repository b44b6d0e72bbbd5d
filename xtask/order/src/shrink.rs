//! Smaller programs than a given one.
#![forbid(unsafe_code)]

use crate::program::{Kind, Op, Program};

/// All programs that are one step smaller.
pub fn smaller(program: &Program) -> Vec<Program> {
    let mut found = Vec::new();
    let mut push = |change: &dyn Fn(&mut Program)| {
        let mut candidate = program.clone();
        change(&mut candidate);
        if candidate != *program {
            found.push(candidate);
        }
    };
    for i in 0..program.phases.len() {
        push(&|p| drop(p.phases.remove(i)));
    }
    push(&|p| p.event_interval = None);
    push(&|p| p.global_queue_interval = None);
    push(&|p| p.io = false);
    push(&|p| p.kind = Kind::Runtime);
    push(&|p| p.paused = false);
    for (i, phase) in program.phases.iter().enumerate() {
        for j in 0..phase.before.len() {
            push(&|p| drop(p.phases[i].before.remove(j)));
        }
        for j in 0..phase.local_before.len() {
            push(&|p| drop(p.phases[i].local_before.remove(j)));
        }
        for ops in smaller_ops(&phase.main) {
            push(&|p| p.phases[i].main = ops.clone());
        }
        for ops in smaller_ops(&phase.outside) {
            push(&|p| p.phases[i].outside = ops.clone());
        }
        for (j, body) in phase.before.iter().enumerate() {
            for ops in smaller_ops(&body.ops) {
                push(&|p| p.phases[i].before[j].ops = ops.clone());
            }
        }
        for (j, body) in phase.local_before.iter().enumerate() {
            for ops in smaller_ops(&body.ops) {
                push(&|p| p.phases[i].local_before[j].ops = ops.clone());
            }
        }
    }
    // Time that is needed elsewhere must not be met without a paused clock.
    found.retain(|candidate| candidate.paused || !candidate.has_time());
    found
}

fn smaller_ops(ops: &[Op]) -> Vec<Vec<Op>> {
    let mut found = Vec::new();
    for i in 0..ops.len() {
        let mut without = ops.to_vec();
        without.remove(i);
        found.push(without);
    }
    for (i, op) in ops.iter().enumerate() {
        for inner in op.inner() {
            // What the operation contains, without the operation.
            let mut inlined = ops.to_vec();
            inlined.splice(i..=i, inner.iter().cloned());
            found.push(inlined);
        }
        for (j, inner) in op.inner().into_iter().enumerate() {
            for smaller in smaller_ops(inner) {
                let mut changed = ops.to_vec();
                *changed[i].inner_mut()[j] = smaller;
                found.push(changed);
            }
        }
        for simpler in simpler(op) {
            let mut changed = ops.to_vec();
            changed[i] = simpler;
            found.push(changed);
        }
    }
    found
}

/// The same operation with less in it.
fn simpler(op: &Op) -> Vec<Op> {
    match op {
        Op::SpawnMany(many, body) if *many > 2 => [many / 2, many - 1]
            .map(|many| Op::SpawnMany(many, body.clone()))
            .into(),
        Op::SpawnMany(_, body) | Op::SpawnLocal(body) | Op::ThreadSpawn(body) => {
            vec![Op::Spawn(body.clone())]
        }
        Op::JoinSet {
            bodies,
            joined,
            end,
        } => {
            let mut found = Vec::new();
            for i in 0..bodies.len() {
                let mut bodies = bodies.clone();
                bodies.remove(i);
                found.push(Op::JoinSet {
                    bodies,
                    joined: *joined,
                    end: *end,
                });
            }
            found
        }
        Op::RunUntil { bodies, ops } => (0..bodies.len())
            .map(|i| {
                let mut bodies = bodies.clone();
                bodies.remove(i);
                Op::RunUntil {
                    bodies,
                    ops: ops.clone(),
                }
            })
            .collect(),
        Op::AwaitSet { bodies } => (0..bodies.len())
            .map(|i| {
                let mut bodies = bodies.clone();
                bodies.remove(i);
                Op::AwaitSet { bodies }
            })
            .collect(),
        Op::Select(branches) => (0..branches.len())
            .map(|i| {
                let mut branches = branches.clone();
                branches.remove(i);
                Op::Select(branches)
            })
            .collect(),
        Op::Unordered(branches) => (0..branches.len())
            .map(|i| {
                let mut branches = branches.clone();
                branches.remove(i);
                Op::Unordered(branches)
            })
            .collect(),
        Op::EnterSet { bodies, ops } => (0..bodies.len())
            .map(|i| {
                let mut bodies = bodies.clone();
                bodies.remove(i);
                Op::EnterSet {
                    bodies,
                    ops: ops.clone(),
                }
            })
            .collect(),
        _ => Vec::new(),
    }
}

impl Program {
    fn has_time(&self) -> bool {
        fn any(ops: &[Op]) -> bool {
            ops.iter().any(|op| {
                matches!(
                    op,
                    Op::Sleep(..)
                        | Op::Advance(..)
                        | Op::Timeout(..)
                        | Op::Interval(..)
                        | Op::Reset { .. }
                        | Op::DropSleep(..)
                        | Op::Ticks { .. }
                        | Op::SleepUntil(..)
                        | Op::SendTimeout(..)
                ) || op.inner().into_iter().any(|ops| any(ops))
            })
        }
        self.phases.iter().any(|phase| {
            let bodies = phase.before.iter().chain(&phase.local_before);
            any(&phase.main) || any(&phase.outside) || bodies.into_iter().any(|body| any(&body.ops))
        })
    }
}
