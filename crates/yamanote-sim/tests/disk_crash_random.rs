//! Random programs of file operations, and a crash.

mod disk_program;
mod support;

use disk_program::{Op, Program, all_below, op};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use support::world;
use yamanote_sim::disk::{Keeps, Tear};
use yamanote_sim::{HostId, disk};

const BASE: &str = "/tmp/base";

/// All there is, in words.
fn state() -> String {
    match fs::metadata(BASE) {
        Ok(_) => all_below(Path::new(BASE)),
        Err(_) => "nothing".to_owned(),
    }
}

/// Whether the operation is one change: what it does is there, or is not.
fn is_one_change(op: &Op) -> bool {
    !matches!(op, Op::RemoveAll { .. } | Op::Copy { .. } | Op::Sync { .. })
}

fn cut(keeps: Keeps, tear: Tear) {
    disk::change(HostId::DRIVER, |settings| {
        settings.crash_keeps = keeps;
        settings.tear = tear;
    });
    disk::cut(HostId::DRIVER);
}

/// Pages and names of each file below a directory.
fn count(dir: &Path, files: &mut BTreeMap<u64, (u64, u64, u64)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let facts = entry.metadata().unwrap();
        match facts.is_dir() {
            true => count(&entry.path(), files),
            false => {
                let (blocks, links) = (facts.blocks(), facts.nlink());
                files.entry(facts.ino()).or_insert((blocks, links, 0)).2 += 1;
            }
        }
    }
}

/// The disk knows how many names its files have, and what they take.
fn agrees() -> Result<(), String> {
    let mut files = BTreeMap::new();
    count(Path::new("/tmp"), &mut files);
    for (ino, (_, links, names)) in &files {
        if links != names {
            return Err(format!("file {ino} has {links} links and {names} names"));
        }
    }
    let blocks: u64 = files.values().map(|(blocks, _, _)| blocks).sum();
    let used = disk::used(HostId::DRIVER);
    match blocks * 512 == used {
        true => Ok(()),
        false => Err(format!("{blocks} blocks, and {used} bytes are used")),
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_prefix_is_what_was_after_some_operation(
        seed in any::<u64>(),
        ops in prop::collection::vec(op().prop_filter("one change", is_one_change), 1..60),
    ) {
        let ((moments, left), _) = world(seed, move || {
            let mut moments = vec![state()];
            fs::create_dir(BASE).unwrap();
            moments.push(state());
            let mut program = Program::new(Path::new(BASE));
            for op in &ops {
                program.answer(op);
                moments.push(state());
            }
            cut(Keeps::AnyPrefix, Tear::Never);
            agrees().unwrap();
            (moments, state())
        });
        prop_assert!(moments.contains(&left), "{left}\nis none of\n{}", moments.join("\n"));
    }

    #[test]
    fn a_disk_agrees_with_itself_whatever_is_lost(
        seed in any::<u64>(),
        ops in prop::collection::vec(op(), 1..60),
        more in prop::collection::vec(op(), 1..20),
        tear in prop_oneof![Just(Tear::Never), Just(Tear::Page), Just(Tear::Sector)],
    ) {
        world(seed, move || {
            fs::create_dir(BASE).unwrap();
            disk::sync(HostId::DRIVER);
            let mut program = Program::new(Path::new(BASE));
            for op in &ops {
                program.answer(op);
            }
            cut(Keeps::SyncedAndSome, tear);
            agrees().unwrap();
            // What is left is durable.
            let left = state();
            cut(Keeps::Synced, tear);
            assert_eq!(state(), left);
            // The files that were open are lost; everything else goes on.
            let mut program = Program::new(Path::new(BASE));
            for op in &more {
                program.answer(op);
            }
            drop(program);
            agrees().unwrap();
            let before = state();
            cut(Keeps::Everything, tear);
            assert_eq!(state(), before);
            agrees().unwrap();
        });
    }
}
