//! Files in a sandbox that denies a system call that `std` does not make, from the start or from
//! some moment on: every result is that of `std` in the same sandbox.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use yamanote::runtime::Runtime;
use yamanote_test::{
    Capability, Driver, Setup, TempDir, builder, deny_syscall, in_own_process, require,
};

/// A result in a form that can be compared: the errno of an error.
fn said<T>(result: std::io::Result<T>) -> Result<T, Option<i32>> {
    result.map_err(|error| error.raw_os_error())
}

async fn write_and_read(path: &Path) {
    let contents: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8).collect();
    fs::write(path, &contents).await.unwrap();
    assert_eq!(fs::read(path).await.unwrap(), contents);
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).open(path).await.unwrap();
    let mut start = vec![0; 5000];
    file.read_exact(&mut start).await.unwrap();
    assert_eq!(start, contents[..5000]);
    // At the cursor, in one piece and in two.
    file.write_all(b"at the cursor").await.unwrap();
    let parts = [b"two ", b"part"].map(|part| std::io::IoSlice::new(part));
    let n = file.write_vectored(&parts).await.unwrap();
    file.flush().await.unwrap();
    assert_eq!(
        file.seek(SeekFrom::Current(0)).await.unwrap(),
        (5013 + n) as u64
    );
    let (n, buf) = file.read_at(vec![0; 13], 5000).await;
    assert_eq!((n.unwrap(), &buf[..]), (13, &b"at the cursor"[..]));
    let (n, _) = file.write_at(b"elsewhere".to_vec(), 19_000).await;
    assert_eq!(n.unwrap(), 9);
    let (n, buf) = file.read_at(vec![0; 9], 19_000).await;
    assert_eq!((n.unwrap(), &buf[..]), (9, &b"elsewhere"[..]));
    file.sync_all().await.unwrap();
    assert_eq!(file.rewind().await.unwrap(), 0);
    let mut all = Vec::new();
    file.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, std::fs::read(path).unwrap());
}

/// The answer of `std` here. Where it is a denial, a thread of the pool that existed before the
/// filter may have had a better one.
#[track_caller]
fn assert_like_std(
    ours: std::io::Result<std::fs::Metadata>,
    std: std::io::Result<std::fs::Metadata>,
) {
    let len = |metadata: std::fs::Metadata| metadata.len();
    match said(std.map(len)) {
        Ok(std) => assert_eq!(said(ours.map(len)), Ok(std)),
        Err(denial) => {
            let ours = said(ours.map(len));
            assert!(ours.is_ok() || ours == Err(denial), "{ours:?}");
        }
    }
}

async fn look(path: &Path) {
    assert_like_std(fs::metadata(path).await, std::fs::metadata(path));
    let link = fs::symlink_metadata(path).await;
    assert_like_std(link, std::fs::symlink_metadata(path));
    let missing = path.with_extension("missing");
    assert_eq!(
        said(fs::read(&missing).await),
        said(std::fs::read(&missing)),
    );
    let file = File::open(path).await.unwrap();
    let std = std::fs::File::open(path).unwrap();
    assert_like_std(file.metadata().await, std.metadata());
    let directory = path.parent().unwrap();
    match (fs::read_dir(directory).await, std::fs::read_dir(directory)) {
        (Ok(mut entries), _) => {
            while let Some(entry) = entries.next_entry().await.unwrap() {
                let std = std::fs::symlink_metadata(entry.path());
                assert_like_std(entry.metadata().await, std);
            }
        }
        // On 32-bit machines the C library opens directories with the help of statx(2).
        (ours, std) => assert_eq!(said(ours.map(drop)), said(std.map(drop))),
    }
    // An error of the file itself is reported as it is.
    let (n, _) = file.write_at(b"x".to_vec(), 0).await;
    assert_eq!(said(n), Err(Some(libc::EBADF)));
    let mut written = OpenOptions::new();
    let written = written.write(true).open(path).await.unwrap();
    let (n, _) = written.read_at(vec![0; 1], 0).await;
    assert_eq!(said(n), Err(Some(libc::EBADF)));
}

/// What `std` and we say and leave behind, each beside the other.
async fn change_names(directory: &Path, round: usize) {
    let ours = directory.join(format!("ours {round}"));
    let std = directory.join(format!("std {round}"));
    for place in [&ours, &std] {
        std::fs::create_dir(place).unwrap();
        std::fs::write(place.join("file"), b"contents").unwrap();
    }
    let at = |name: &str| (ours.join(name), std.join(name));
    let ((file, its_file), (copy, its_copy)) = (at("file"), at("copy"));
    let ((link, its_link), (moved, its_moved)) = (at("link"), at("moved"));
    let ((dir, its_dir), (new, its_new)) = (at("dir"), at("new"));
    let target = || Path::new("file");
    let said = [
        (
            said(fs::copy(&file, &copy).await.map(drop)),
            said(std::fs::copy(&its_file, &its_copy).map(drop)),
        ),
        (
            said(fs::symlink(target(), &link).await),
            said(std::os::unix::fs::symlink(target(), &its_link)),
        ),
        (
            said(fs::rename(&file, &moved).await),
            said(std::fs::rename(&its_file, &its_moved)),
        ),
        (
            said(fs::create_dir(&dir).await),
            said(std::fs::create_dir(&its_dir)),
        ),
        (
            said(fs::remove_file(&moved).await),
            said(std::fs::remove_file(&its_moved)),
        ),
        (
            said(fs::remove_dir(&dir).await),
            said(std::fs::remove_dir(&its_dir)),
        ),
        (
            said(File::create(&new).await.map(drop)),
            said(std::fs::File::create(&its_new).map(drop)),
        ),
    ];
    if said.iter().all(|(_, std)| std.is_ok()) {
        assert_eq!(names(&ours), names(&std));
    }
    for (step, (ours, std)) in said.into_iter().enumerate() {
        // A thread of the pool that existed before the filter may have had a better answer.
        assert!(ours.is_ok() || ours == std, "step {step}: {ours:?} {std:?}");
    }
}

fn names(directory: &Path) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

fn use_files(runtime: &Runtime, directories: &[TempDir]) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    for directory in directories {
        let path = directory.path().join("file");
        // More than once, because a refusal is remembered.
        for _ in 0..3 {
            runtime.block_on(async {
                write_and_read(&path).await;
                look(&path).await;
                change_names(directory.path(), NEXT.fetch_add(1, SeqCst)).await;
            });
        }
        let mut std = std::fs::File::open(&path).unwrap();
        assert_eq!(std.seek(SeekFrom::Start(5000)).unwrap(), 5000);
        let mut bytes = [0; 13];
        std.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"at the cursor");
    }
}

fn denied(name: &str, syscall: libc::c_long, errno: i32) {
    if !require(Capability::Seccomp) {
        return;
    }
    in_own_process(module_path!(), name, || {
        let directories: Vec<_> = [
            TempDir::new(),
            // Another kind of file system, where there is one.
            match Path::new("/dev/shm").is_dir() {
                true => TempDir::on_tmpfs(),
                false => TempDir::new(),
            },
        ]
        .into();
        // The filter is set while runtimes exist, and stays for those that are made later. It
        // applies to this thread, and to those that it starts.
        let setups = || {
            [Driver::Uring, Driver::Epoll]
                .into_iter()
                .flat_map(|driver| [None, Some(1)].map(|workers| Setup { driver, workers }))
                .filter(|setup| setup.is_possible())
        };
        let before: Vec<_> = setups()
            .map(|setup| builder!(setup).build().unwrap())
            .collect();
        for runtime in &before {
            use_files(runtime, &directories);
        }
        deny_syscall(syscall, errno);
        for runtime in &before {
            use_files(runtime, &directories);
        }
        drop(before);
        for setup in setups() {
            use_files(&builder!(setup).build().unwrap(), &directories);
        }
    });
}

macro_rules! denied {
    ($($name:ident: $syscall:ident $errno:ident;)*) => {$(
        #[test]
        fn $name() {
            denied(stringify!($name), libc::$syscall, libc::$errno);
        }
    )*};
}

denied! {
    preadv2_eperm: SYS_preadv2 EPERM;
    preadv2_enosys: SYS_preadv2 ENOSYS;
    preadv2_eopnotsupp: SYS_preadv2 EOPNOTSUPP;
    preadv2_enomem: SYS_preadv2 ENOMEM;
    preadv2_eacces: SYS_preadv2 EACCES;
    pwritev2_eperm: SYS_pwritev2 EPERM;
    pwritev2_enosys: SYS_pwritev2 ENOSYS;
    writev_eperm: SYS_writev EPERM;
    writev_enosys: SYS_writev ENOSYS;
    openat2_eperm: SYS_openat2 EPERM;
    openat2_enosys: SYS_openat2 ENOSYS;
    openat2_eopnotsupp: SYS_openat2 EOPNOTSUPP;
    openat2_enomem: SYS_openat2 ENOMEM;
    openat2_eacces: SYS_openat2 EACCES;
    statx_eperm: SYS_statx EPERM;
    statx_enosys: SYS_statx ENOSYS;
    statx_enomem: SYS_statx ENOMEM;
    fstatfs_eperm: SYS_fstatfs EPERM;
    fstatfs_enosys: SYS_fstatfs ENOSYS;
    getrusage_eperm: SYS_getrusage EPERM;
    getrusage_enosys: SYS_getrusage ENOSYS;
    mkdirat_eperm: SYS_mkdirat EPERM;
    unlinkat_eperm: SYS_unlinkat EPERM;
    unlinkat_enosys: SYS_unlinkat ENOSYS;
    renameat_eperm: SYS_renameat EPERM;
    symlinkat_eperm: SYS_symlinkat EPERM;
}
