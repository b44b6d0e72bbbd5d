//! What a crash leaves of a disk: what was synced always, the rest as the rules have it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use support::world;
use yamanote_sim::disk::{Keeps, Tear};
use yamanote_sim::{HostId, disk};

const HOST: HostId = HostId::DRIVER;

fn sync_dir(path: &str) {
    File::open(path).unwrap().sync_all().unwrap();
}

fn crash(keeps: Keeps) {
    crash_torn(keeps, Tear::Page);
}

fn crash_torn(keeps: Keeps, tear: Tear) {
    disk::change(HOST, |settings| {
        settings.crash_keeps = keeps;
        settings.tear = tear;
    });
    disk::cut(HOST);
}

/// What is in `/tmp/d`, by name; a directory ends with a slash.
fn state() -> BTreeMap<String, Vec<u8>> {
    fn add(dir: &str, prefix: &str, state: &mut BTreeMap<String, Vec<u8>>) {
        let Ok(entries) = fs::read_dir(dir) else {
            return;
        };
        for entry in entries {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = format!("{dir}/{name}");
            match fs::metadata(&path).unwrap().is_dir() {
                true => {
                    state.insert(format!("{prefix}{name}/"), Vec::new());
                    add(&path, &format!("{prefix}{name}/"), state);
                }
                false => {
                    state.insert(format!("{prefix}{name}"), fs::read(&path).unwrap());
                }
            }
        }
    }
    let mut state = BTreeMap::new();
    add("/tmp/d", "", &mut state);
    state
}

/// How often each state is left over `seeds`.
fn outcomes<R: Ord + Send + 'static>(
    seeds: u64,
    program: impl Fn() -> R + Copy + Send + 'static,
) -> BTreeMap<R, u64> {
    let mut outcomes = BTreeMap::new();
    for seed in 0..seeds {
        let (outcome, _) = world(seed, program);
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

#[test]
fn what_was_synced_is_there_and_the_rest_is_any_of_what_it_was() {
    let left = outcomes(400, || {
        fs::create_dir("/tmp/d").unwrap();
        let mut file = File::create("/tmp/d/f").unwrap();
        file.write_all(b"one").unwrap();
        file.sync_all().unwrap();
        sync_dir("/tmp/d");
        file.write_all(b"two").unwrap();
        file.write_all(b"three").unwrap();
        crash(Keeps::SyncedAndSome);
        String::from_utf8(fs::read("/tmp/d/f").unwrap()).unwrap()
    });
    // Length and page are each of some moment.
    let allowed: BTreeSet<String> = [3, 6, 11]
        .into_iter()
        .flat_map(|len| {
            ["one", "onetwo", "onetwothree"].map(|text| {
                let text = format!("{text:\0<11}");
                text[..len].to_owned()
            })
        })
        .collect();
    let found: BTreeSet<String> = left.keys().cloned().collect();
    assert_eq!(found, allowed, "{left:?}");
}

#[test]
fn only_what_was_synced() {
    let left = outcomes(20, || {
        fs::create_dir("/tmp/d").unwrap();
        let mut file = File::create("/tmp/d/f").unwrap();
        file.write_all(b"one").unwrap();
        file.sync_all().unwrap();
        sync_dir("/tmp/d");
        file.write_all(b"two").unwrap();
        fs::write("/tmp/d/g", "g").unwrap();
        fs::rename("/tmp/d/f", "/tmp/d/h").unwrap();
        crash(Keeps::Synced);
        state()
    });
    let expected = BTreeMap::from([("f".to_owned(), b"one".to_vec())]);
    assert_eq!(left, BTreeMap::from([(expected, 20)]));
}

#[test]
fn all_of_it_when_only_the_process_dies() {
    let left = outcomes(20, || {
        fs::create_dir("/tmp/d").unwrap();
        fs::write("/tmp/d/f", "f").unwrap();
        fs::rename("/tmp/d/f", "/tmp/d/h").unwrap();
        crash(Keeps::Everything);
        state()
    });
    let expected = BTreeMap::from([("h".to_owned(), b"f".to_vec())]);
    assert_eq!(left, BTreeMap::from([(expected, 20)]));
}

/// The old contents, or the new, and never anything else.
fn replaced(sync_file: bool, sync_names: bool) -> BTreeMap<Result<String, ()>, u64> {
    outcomes(300, move || {
        fs::create_dir("/tmp/d").unwrap();
        fs::write("/tmp/d/f", "old").unwrap();
        disk::sync(HOST);
        let mut new = File::create("/tmp/d/f.tmp").unwrap();
        new.write_all(b"new").unwrap();
        if sync_file {
            new.sync_all().unwrap();
        }
        fs::rename("/tmp/d/f.tmp", "/tmp/d/f").unwrap();
        if sync_names {
            sync_dir("/tmp/d");
        }
        crash(Keeps::SyncedAndSome);
        let bytes = fs::read("/tmp/d/f").map_err(|_| ())?;
        String::from_utf8(bytes).map_err(|_| ())
    })
}

#[test]
fn a_file_is_replaced_whole_if_it_is_synced_before() {
    let all = replaced(true, true);
    assert_eq!(all, BTreeMap::from([(Ok("new".to_owned()), 300)]));
    // Without the directory it may be the old one.
    let some = replaced(true, false);
    let texts: Vec<&str> = some.keys().map(|text| text.as_deref().unwrap()).collect();
    assert_eq!(texts, ["new", "old"]);
    assert!(some.values().all(|n| *n > 30), "{some:?}");
    // Without the file it may be neither: the bug of many programs.
    let bad = replaced(false, true);
    let texts: BTreeSet<&str> = bad.keys().map(|text| text.as_deref().unwrap()).collect();
    assert_eq!(texts, BTreeSet::from(["", "\0\0\0", "new"]));
    assert!(bad[&Ok(String::new())] > 30, "{bad:?}");
}

#[test]
fn a_name_is_durable_by_its_directory() {
    let made = |sync: bool| {
        outcomes(200, move || {
            let file = File::create("/tmp/new").unwrap();
            file.sync_all().unwrap();
            if sync {
                sync_dir("/tmp");
            }
            crash(Keeps::SyncedAndSome);
            fs::metadata("/tmp/new").is_ok()
        })
    };
    assert_eq!(made(true), BTreeMap::from([(true, 200)]));
    let some = made(false);
    assert!(some[&true] > 30 && some[&false] > 30, "{some:?}");
}

#[test]
fn a_moved_file_has_one_name_or_the_other() {
    let left = outcomes(300, || {
        fs::create_dir_all("/tmp/d/a").unwrap();
        fs::create_dir_all("/tmp/d/b").unwrap();
        fs::write("/tmp/d/a/f", "f").unwrap();
        disk::sync(HOST);
        fs::rename("/tmp/d/a/f", "/tmp/d/b/f").unwrap();
        fs::remove_dir("/tmp/d/a").unwrap();
        fs::hard_link("/tmp/d/b/f", "/tmp/d/g").unwrap();
        fs::remove_file("/tmp/d/b/f").unwrap();
        crash(Keeps::SyncedAndSome);
        state().into_keys().collect::<Vec<_>>().join(" ")
    });
    for names in left.keys() {
        let n = names.split(' ').filter(|name| !name.ends_with('/')).count();
        assert!(
            n == 1 || names == "b/ b/f g" || names == "a/ b/ b/f g",
            "{left:?}"
        );
    }
    assert!(left.len() >= 4, "{left:?}");
}

#[test]
fn a_prefix_is_what_was_at_some_moment() {
    let programs = outcomes(500, || {
        fs::create_dir("/tmp/d").unwrap();
        sync_dir("/tmp");
        let mut moments = vec![state()];
        let seen = |moments: &mut Vec<_>| moments.push(state());
        let mut log = File::create("/tmp/d/log").unwrap();
        seen(&mut moments);
        for round in 0..20u8 {
            log.write_all(&[b'a' + round; 300]).unwrap();
            seen(&mut moments);
            if round == 3 {
                fs::write("/tmp/d/tmp", "x").unwrap();
                // Made and written are two moments.
                let mut between = moments.last().unwrap().clone();
                between.insert("tmp".to_owned(), Vec::new());
                moments.push(between);
                seen(&mut moments);
            }
            if round == 9 {
                fs::rename("/tmp/d/tmp", "/tmp/d/final").unwrap();
                seen(&mut moments);
            }
        }
        fs::remove_file("/tmp/d/final").unwrap();
        seen(&mut moments);
        crash(Keeps::AnyPrefix);
        let left = state();
        let at = moments.iter().position(|moment| *moment == left);
        (at.is_some(), at)
    });
    assert!(
        programs.keys().all(|(is_moment, _)| *is_moment),
        "{programs:?}"
    );
    // Of more than 20 moments, not only the first and the last.
    assert!(programs.len() > 12, "{programs:?}");
}

#[test]
fn pages_are_lost_one_by_one_and_torn_by_sectors() {
    let page = |tear: Tear| {
        outcomes(200, move || {
            let file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .open("/tmp/f")
                .unwrap();
            file.write_all_at(&[1; 3 * 4096], 0).unwrap();
            disk::sync(HOST);
            file.write_all_at(&[2; 3 * 4096], 0).unwrap();
            crash_torn(Keeps::SyncedAndSome, tear);
            let bytes = fs::read("/tmp/f").unwrap();
            let unit = |size: usize| {
                bytes
                    .chunks(size)
                    .all(|part| part == &[part[0]; 4096][..size])
            };
            (
                unit(bytes.len().min(4096)),
                unit(512),
                bytes[0] == 1 && bytes[8192] == 2,
            )
        })
    };
    let pages = page(Tear::Page);
    assert!(pages.keys().all(|(pages, _, _)| *pages), "{pages:?}");
    assert!(
        pages.keys().any(|(_, _, reordered)| *reordered),
        "{pages:?}"
    );
    let sectors = page(Tear::Sector);
    assert!(
        sectors.keys().all(|(_, sectors, _)| *sectors),
        "{sectors:?}"
    );
    assert!(sectors.keys().any(|(pages, _, _)| !*pages), "{sectors:?}");
    let whole = page(Tear::Never);
    assert!(
        whole.keys().all(|(_, _, reordered)| !*reordered),
        "{whole:?}"
    );
}

#[test]
fn garbage_is_where_a_sync_was_not() {
    let left = outcomes(50, || {
        disk::change(HOST, |settings| settings.corrupt = 1.0);
        let file = File::create("/tmp/f").unwrap();
        file.write_all_at(&[1; 4096], 0).unwrap();
        file.sync_all().unwrap();
        sync_dir("/tmp");
        file.write_all_at(&[2; 4096], 4096).unwrap();
        crash(Keeps::SyncedAndSome);
        let bytes = fs::read("/tmp/f").unwrap();
        assert_eq!(bytes[..4096], [1; 4096]);
        bytes[4096..].iter().any(|byte| *byte != 2 && *byte != 0)
    });
    assert!(left.contains_key(&true), "{left:?}");
}

#[test]
fn what_was_removed_may_be_there_again() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let left = outcomes(100, move || {
        fs::write("/tmp/f", "f").unwrap();
        disk::sync(HOST);
        fs::remove_file("/tmp/f").unwrap();
        fs::remove_file(manifest).unwrap();
        crash(Keeps::SyncedAndSome);
        (fs::read("/tmp/f").is_ok(), fs::read(manifest).is_ok())
    });
    assert_eq!(left.len(), 4, "{left:?}");
}
