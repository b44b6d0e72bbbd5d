//! Random programs of file operations, on the real file system and on a simulated disk: the answers
//! are the same, error numbers included.

mod disk_program;
mod support;

use disk_program::{Op, answers, op};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use support::world;

static RUNS: AtomicU32 = AtomicU32::new(0);

/// The program of the simulation is root, whom no mode keeps out. Others keep rights of their own.
fn as_anyone(op: Op) -> Op {
    // SAFETY: no pointers.
    let is_root = unsafe { libc::geteuid() } == 0;
    match op {
        Op::Chmod { path, mode } if !is_root => Op::Chmod {
            path,
            mode: mode | 0o700,
        },
        op => op,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_answers_are_those_of_the_real_file_system(
        seed in any::<u64>(),
        ops in prop::collection::vec(op().prop_map(as_anyone), 1..40),
    ) {
        // Relaxed: a number of its own is all it is for.
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let name = format!("yamanote-sim-model-{}-{run}", std::process::id());
        let base = std::env::temp_dir().join(name);
        // As in the simulation, whatever started this.
        // SAFETY: a number.
        unsafe { libc::umask(0o022) };
        let real = answers(&base, &ops);
        fs::remove_dir_all(&base).unwrap();
        let program = ops.clone();
        let (simulated, _) = world(seed, move || answers(Path::new("/tmp/base"), &program));
        for (index, (real, simulated)) in real.iter().zip(&simulated).enumerate() {
            prop_assert_eq!(real, simulated, "answer {} to {:?}", index, ops.get(index));
        }
    }
}
