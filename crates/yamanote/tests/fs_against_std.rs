//! Random programs of file operations do here what they do with `std::fs`: the same results, the
//! same errors, the same files left behind.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use yamanote::fs;
use yamanote::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use yamanote_test::{Capability, Setup, TempDir, matrix, require};

/// Few names, so that programs meet their own files; one is not UTF-8, two do not exist, one ends
/// with a slash, one is too long, one holds a NUL.
const NAMES: [&[u8]; 10] = [
    b"a",
    b"b",
    b"dir",
    b"dir/c",
    b"dir/sub",
    b"n\xffn",
    b"missing/x",
    b"a/",
    b"nul\0nul",
    &[b'x'; 300],
];

fn name(index: usize) -> &'static OsStr {
    OsStr::from_bytes(NAMES[index])
}

#[derive(Debug, Clone)]
enum Step {
    Write(usize, Vec<u8>),
    Read(usize),
    ReadToString(usize),
    Metadata(usize),
    SymlinkMetadata(usize),
    TryExists(usize),
    CreateDir(usize),
    CreateDirAll(usize),
    RemoveFile(usize),
    RemoveDir(usize),
    RemoveDirAll(usize),
    Rename(usize, usize),
    Copy(usize, usize),
    HardLink(usize, usize),
    Symlink(usize, usize),
    ReadLink(usize),
    Canonicalize(usize),
    Chmod(usize, u32),
    ReadDir(usize),
    Open(usize, Options),
    File(FileStep),
}

#[derive(Debug, Clone, Copy)]
struct Options {
    bits: u8,
    flags: i32,
}

#[derive(Debug, Clone)]
enum FileStep {
    Read(usize),
    Write(Vec<u8>),
    Seek(SeekFrom),
    ReadAt(usize, u64),
    WriteAt(Vec<u8>, u64),
    SetLen(u64),
    Flush,
    SyncAll,
    Metadata,
    Clone,
    IntoStd,
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 0..NAMES.len();
    let bytes = || prop::collection::vec(any::<u8>(), 0..600);
    let long = any::<u8>().prop_map(|byte| vec![byte; 300_000]);
    let options = (
        0u8..64,
        prop::sample::select(vec![0, libc::O_NOFOLLOW, libc::O_DIRECTORY]),
    )
        .prop_map(|(bits, flags)| Options { bits, flags });
    let file = prop_oneof![
        (0usize..700).prop_map(FileStep::Read),
        bytes().prop_map(FileStep::Write),
        prop_oneof![
            (0u64..800).prop_map(SeekFrom::Start),
            (-800i64..800).prop_map(SeekFrom::Current),
            (-800i64..100).prop_map(SeekFrom::End),
            Just(SeekFrom::Current(i64::MIN)),
            Just(SeekFrom::Start(u64::MAX)),
        ]
        .prop_map(FileStep::Seek),
        (0usize..700, 0u64..900).prop_map(|(n, at)| FileStep::ReadAt(n, at)),
        (bytes(), 0u64..900).prop_map(|(b, at)| FileStep::WriteAt(b, at)),
        (0u64..900).prop_map(FileStep::SetLen),
        Just(FileStep::Flush),
        Just(FileStep::SyncAll),
        Just(FileStep::Metadata),
        Just(FileStep::Clone),
        Just(FileStep::IntoStd),
    ];
    prop_oneof![
        4 => (n(), bytes()).prop_map(|(n, b)| Step::Write(n, b)),
        1 => (n(), long).prop_map(|(n, b)| Step::Write(n, b)),
        3 => n().prop_map(Step::Read),
        1 => n().prop_map(Step::ReadToString),
        2 => n().prop_map(Step::Metadata),
        2 => n().prop_map(Step::SymlinkMetadata),
        1 => n().prop_map(Step::TryExists),
        3 => n().prop_map(Step::CreateDir),
        1 => n().prop_map(Step::CreateDirAll),
        1 => n().prop_map(Step::RemoveFile),
        1 => n().prop_map(Step::RemoveDir),
        1 => n().prop_map(Step::RemoveDirAll),
        1 => (n(), n()).prop_map(|(a, b)| Step::Rename(a, b)),
        1 => (n(), n()).prop_map(|(a, b)| Step::Copy(a, b)),
        1 => (n(), n()).prop_map(|(a, b)| Step::HardLink(a, b)),
        2 => (n(), n()).prop_map(|(a, b)| Step::Symlink(a, b)),
        1 => n().prop_map(Step::ReadLink),
        1 => n().prop_map(Step::Canonicalize),
        1 => (n(), prop::sample::select(vec![0o600, 0o444, 0o755])).prop_map(|(n, m)| Step::Chmod(n, m)),
        2 => n().prop_map(Step::ReadDir),
        6 => (n(), options).prop_map(|(n, o)| Step::Open(n, o)),
        14 => file.prop_map(Step::File),
    ]
}

/// A result in a form that can be compared: errors by errno, else by kind and text.
fn outcome<T: Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("Ok({value:?})"),
        Err(error) => match error.raw_os_error() {
            Some(errno) => format!("errno {errno}"),
            None => format!("{:?}: {error}", error.kind()),
        },
    }
}

fn facts(metadata: std::fs::Metadata) -> (u32, u64, u64, bool) {
    // The size of a directory is the file system's own business.
    let size = if metadata.is_dir() { 0 } else { metadata.len() };
    (
        metadata.mode(),
        size,
        metadata.nlink(),
        metadata.is_symlink(),
    )
}

fn relative(root: &Path, path: PathBuf) -> PathBuf {
    match path.strip_prefix(root) {
        Ok(path) => path.to_owned(),
        Err(_) => path,
    }
}

/// `std`'s side.
struct Model {
    root: PathBuf,
    file: Option<std::fs::File>,
}

impl Model {
    fn run(&mut self, step: &Step) -> String {
        use std::fs;
        let at = |index: &usize| self.root.join(name(*index));
        match step {
            Step::Write(n, b) => outcome(fs::write(at(n), b)),
            Step::Read(n) => outcome(fs::read(at(n))),
            Step::ReadToString(n) => outcome(fs::read_to_string(at(n))),
            Step::Metadata(n) => outcome(fs::metadata(at(n)).map(facts)),
            Step::SymlinkMetadata(n) => outcome(fs::symlink_metadata(at(n)).map(facts)),
            Step::TryExists(n) => outcome(at(n).try_exists()),
            Step::CreateDir(n) => outcome(fs::create_dir(at(n))),
            Step::CreateDirAll(n) => outcome(fs::create_dir_all(at(n))),
            Step::RemoveFile(n) => outcome(fs::remove_file(at(n))),
            Step::RemoveDir(n) => outcome(fs::remove_dir(at(n))),
            Step::RemoveDirAll(n) => outcome(fs::remove_dir_all(at(n))),
            Step::Rename(a, b) => outcome(fs::rename(at(a), at(b))),
            Step::Copy(a, b) => outcome(fs::copy(at(a), at(b))),
            Step::HardLink(a, b) => outcome(fs::hard_link(at(a), at(b))),
            Step::Symlink(a, b) => outcome(std::os::unix::fs::symlink(name(*a), at(b))),
            Step::ReadLink(n) => outcome(fs::read_link(at(n))),
            Step::Canonicalize(n) => {
                outcome(fs::canonicalize(at(n)).map(|p| relative(&self.root, p)))
            }
            Step::Chmod(n, mode) => outcome(fs::set_permissions(
                at(n),
                fs::Permissions::from_mode(*mode),
            )),
            Step::ReadDir(n) => outcome((|| {
                let mut entries = Vec::new();
                for entry in fs::read_dir(at(n))? {
                    let entry = entry?;
                    entries.push((
                        entry.file_name(),
                        entry.file_type()?,
                        facts(entry.metadata()?),
                    ));
                }
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Ok(entries)
            })()),
            Step::Open(n, options) => {
                let mut open = fs::OpenOptions::new();
                let bit = |bit: u8| options.bits & (1 << bit) != 0;
                open.read(bit(0))
                    .write(bit(1))
                    .append(bit(2))
                    .truncate(bit(3));
                open.create(bit(4))
                    .create_new(bit(5))
                    .mode(0o640)
                    .custom_flags(options.flags);
                let opened = open.open(at(n));
                let result = outcome(opened.as_ref().map(drop).map_err(copy_error));
                if let Ok(file) = opened {
                    self.file = Some(file);
                }
                result
            }
            Step::File(step) => match &mut self.file {
                None => "no file".to_owned(),
                Some(file) => match step {
                    // Tokio's file makes no system call for an empty buffer, so a file that may not
                    // be read returns no error; std's does.
                    FileStep::Read(0) => outcome(Ok(Vec::<u8>::new())),
                    FileStep::Read(n) => {
                        let mut buf = vec![0; *n];
                        outcome(file.read(&mut buf).map(|n| buf[..n].to_vec()))
                    }
                    FileStep::Write(b) => outcome(file.write_all(b)),
                    FileStep::Seek(to) => outcome(file.seek(*to)),
                    FileStep::ReadAt(n, at) => {
                        let mut buf = vec![0; *n];
                        outcome(file.read_at(&mut buf, *at).map(|n| buf[..n].to_vec()))
                    }
                    FileStep::WriteAt(b, at) => outcome(file.write_at(b, *at)),
                    FileStep::SetLen(n) => outcome(file.set_len(*n)),
                    FileStep::Flush => outcome(file.flush()),
                    FileStep::SyncAll => outcome(file.sync_all()),
                    FileStep::Metadata => outcome(file.metadata().map(facts)),
                    FileStep::Clone => {
                        let clone = file.try_clone();
                        let result = outcome(clone.as_ref().map(drop).map_err(copy_error));
                        *file = clone.unwrap();
                        result
                    }
                    FileStep::IntoStd => "Ok(())".to_owned(),
                },
            },
        }
    }
}

fn copy_error(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Ours.
struct Subject {
    root: PathBuf,
    file: Option<fs::File>,
}

impl Subject {
    async fn run(&mut self, step: &Step) -> String {
        let at = |index: &usize| self.root.join(name(*index));
        match step {
            Step::Write(n, b) => outcome(fs::write(at(n), b).await),
            Step::Read(n) => outcome(fs::read(at(n)).await),
            Step::ReadToString(n) => outcome(fs::read_to_string(at(n)).await),
            Step::Metadata(n) => outcome(fs::metadata(at(n)).await.map(facts)),
            Step::SymlinkMetadata(n) => outcome(fs::symlink_metadata(at(n)).await.map(facts)),
            Step::TryExists(n) => outcome(fs::try_exists(at(n)).await),
            Step::CreateDir(n) => outcome(fs::create_dir(at(n)).await),
            Step::CreateDirAll(n) => outcome(fs::create_dir_all(at(n)).await),
            Step::RemoveFile(n) => outcome(fs::remove_file(at(n)).await),
            Step::RemoveDir(n) => outcome(fs::remove_dir(at(n)).await),
            Step::RemoveDirAll(n) => outcome(fs::remove_dir_all(at(n)).await),
            Step::Rename(a, b) => outcome(fs::rename(at(a), at(b)).await),
            Step::Copy(a, b) => outcome(fs::copy(at(a), at(b)).await),
            Step::HardLink(a, b) => outcome(fs::hard_link(at(a), at(b)).await),
            Step::Symlink(a, b) => outcome(fs::symlink(name(*a), at(b)).await),
            Step::ReadLink(n) => outcome(fs::read_link(at(n)).await),
            Step::Canonicalize(n) => outcome(
                fs::canonicalize(at(n))
                    .await
                    .map(|p| relative(&self.root, p)),
            ),
            Step::Chmod(n, mode) => {
                let permissions = std::fs::Permissions::from_mode(*mode);
                outcome(fs::set_permissions(at(n), permissions).await)
            }
            Step::ReadDir(n) => {
                let read = async {
                    let mut entries = Vec::new();
                    let mut dir = fs::read_dir(at(n)).await?;
                    while let Some(entry) = dir.next_entry().await? {
                        let metadata = entry.metadata().await?;
                        assert_eq!(metadata.ino(), entry.ino());
                        entries.push((
                            entry.file_name(),
                            entry.file_type().await?,
                            facts(metadata),
                        ));
                    }
                    entries.sort_by(|a, b| a.0.cmp(&b.0));
                    Ok(entries)
                };
                outcome(read.await)
            }
            Step::Open(n, options) => {
                let mut open = fs::OpenOptions::new();
                let bit = |bit: u8| options.bits & (1 << bit) != 0;
                open.read(bit(0))
                    .write(bit(1))
                    .append(bit(2))
                    .truncate(bit(3));
                open.create(bit(4))
                    .create_new(bit(5))
                    .mode(0o640)
                    .custom_flags(options.flags);
                let opened = open.open(at(n)).await;
                let result = outcome(opened.as_ref().map(drop).map_err(copy_error));
                if let Ok(file) = opened {
                    self.file = Some(file);
                }
                result
            }
            Step::File(step) => {
                let Some(mut file) = self.file.take() else {
                    return "no file".to_owned();
                };
                let result = match step {
                    FileStep::Read(n) => {
                        let mut buf = vec![0; *n];
                        outcome(file.read(&mut buf).await.map(|n| buf[..n].to_vec()))
                    }
                    FileStep::Write(b) => outcome(match file.write_all(b).await {
                        Ok(()) => file.flush().await,
                        Err(error) => Err(error),
                    }),
                    FileStep::Seek(to) => outcome(file.seek(*to).await),
                    FileStep::ReadAt(n, at) => {
                        let (result, buf) = file.read_at(Vec::with_capacity(*n), *at).await;
                        // A vector may have more room than was asked for.
                        outcome(result.map(|read| buf[..read.min(*n)].to_vec()))
                    }
                    FileStep::WriteAt(b, at) => outcome(file.write_at(b.clone(), *at).await.0),
                    FileStep::SetLen(n) => outcome(file.set_len(*n).await),
                    FileStep::Flush => outcome(file.flush().await),
                    FileStep::SyncAll => outcome(file.sync_all().await),
                    FileStep::Metadata => outcome(file.metadata().await.map(facts)),
                    FileStep::Clone => {
                        let clone = file.try_clone().await;
                        let result = outcome(clone.as_ref().map(drop).map_err(copy_error));
                        file = clone.unwrap();
                        result
                    }
                    FileStep::IntoStd => {
                        file = fs::File::from_std(file.into_std().await);
                        "Ok(())".to_owned()
                    }
                };
                self.file = Some(file);
                result
            }
        }
    }
}

/// Every name below `root` with what it is. A program may have made it unreadable, also for the
/// user who runs the test; then that is the answer.
fn tree(root: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        let mut entries: Vec<PathBuf> = Vec::new();
        match std::fs::read_dir(&dir) {
            Ok(names) => entries.extend(names.map(|entry| entry.unwrap().path())),
            Err(error) => found.push((relative(root, dir), error.to_string())),
        }
        for path in entries {
            let what = match std::fs::symlink_metadata(&path) {
                Err(error) => error.to_string(),
                Ok(metadata) => format!("{:o} {}", metadata.mode(), contents(&path, &metadata)),
            };
            if path.is_dir() && !path.is_symlink() {
                todo.push(path.clone());
            }
            found.push((relative(root, path), what));
        }
    }
    found.sort();
    found
}

fn contents(path: &Path, metadata: &std::fs::Metadata) -> String {
    if metadata.is_symlink() {
        return format!("-> {:?}", std::fs::read_link(path).unwrap());
    }
    match metadata.is_dir() {
        true => "directory".to_owned(),
        false => format!("{:?}", std::fs::read(path).map_err(|error| error.kind())),
    }
}

fn compare(runtime: &yamanote::runtime::Runtime, make: fn() -> TempDir, cases: u32) {
    let config = Config {
        cases: std::env::var("PROPTEST_CASES").map_or(cases, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let programs = prop::collection::vec(step(), 1..40);
    let result = runner.run(&programs, |program| {
        let (expected, actual) = (make(), make());
        let mut model = Model {
            root: expected.path().to_owned(),
            file: None,
        };
        let mut subject = Subject {
            root: actual.path().to_owned(),
            file: None,
        };
        runtime.block_on(async {
            for (i, step) in program.iter().enumerate() {
                let (expected, actual) = (model.run(step), subject.run(step).await);
                prop_assert!(
                    expected == actual,
                    "step {i}, {step:?}\nstd: {expected:.300}\nours: {actual:.300}"
                );
            }
            Ok(())
        })?;
        drop((model.file, subject.file));
        prop_assert_eq!(tree(expected.path()), tree(actual.path()));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

matrix! {
    fn random_programs_do_as_std_does(setup: Setup) {
        // SAFETY: touches no memory; one umask for both sides, whichever test sets it first.
        unsafe { libc::umask(0o022) };
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        if require(Capability::Ext4) {
            compare(&runtime, TempDir::on_ext4, 60);
        }
        if require(Capability::Tmpfs) {
            compare(&runtime, TempDir::on_tmpfs, 60);
        }
    }
}
