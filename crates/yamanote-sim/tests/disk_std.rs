//! `std::fs` on a simulated disk.

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};
use support::world;
use yamanote_sim::{HostId, disk, hosts};

const FIRST: i32 = 1 << 29;

/// Whoever starts the tests may be elsewhere.
fn start_here() {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
}

#[test]
fn a_file_is_written_and_read_and_never_really_there() {
    let path = "/tmp/yamanote-sim-test-file";
    world(1, move || {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .unwrap();
        assert!(file.as_raw_fd() >= FIRST);
        file.write_all(b"hello, ").unwrap();
        file.write_all(b"world").unwrap();
        file.write_all_at(b"H", 0).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "Hello, world");
        assert_eq!(file.metadata().unwrap().len(), 12);
        file.set_len(5).unwrap();
        file.sync_all().unwrap();
        assert_eq!(fs::read(path).unwrap(), b"Hello");
        let mut appended = OpenOptions::new().append(true).open(path).unwrap();
        appended.write_all(b"!").unwrap();
        drop(appended);
        assert_eq!(disk::contents(HostId::DRIVER, path).unwrap(), b"Hello!");
        let again = OpenOptions::new().write(true).create_new(true).open(path);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
        let missing = File::open("/tmp/nothing/there").unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    });
    assert!(!Path::new(path).exists());
}

#[test]
fn times_are_the_virtual_walls() {
    world(2, || {
        fs::write("/tmp/a", "a").unwrap();
        let first = fs::metadata("/tmp/a").unwrap().modified().unwrap();
        std::thread::sleep(Duration::from_secs(3600));
        fs::write("/tmp/a", "b").unwrap();
        let second = fs::metadata("/tmp/a").unwrap().modified().unwrap();
        let passed = second.duration_since(first).unwrap();
        assert!((3600..3601).contains(&passed.as_secs()), "{passed:?}");
        assert!(SystemTime::now() >= second);
        let file = File::options().write(true).open("/tmp/a").unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(7))
            .unwrap();
        assert_eq!(fs::metadata("/tmp/a").unwrap().mtime(), 7);
    });
}

#[test]
fn names_are_made_moved_and_removed() {
    world(3, || {
        fs::create_dir_all("/tmp/d/e/f").unwrap();
        fs::write("/tmp/d/e/f/g", "g").unwrap();
        fs::hard_link("/tmp/d/e/f/g", "/tmp/d/h").unwrap();
        assert_eq!(fs::metadata("/tmp/d/h").unwrap().nlink(), 2);
        std::os::unix::fs::symlink("e/f", "/tmp/d/l").unwrap();
        assert_eq!(fs::read("/tmp/d/l/g").unwrap(), b"g");
        assert_eq!(fs::read_link("/tmp/d/l").unwrap(), Path::new("e/f"));
        let real = fs::canonicalize("/tmp/d/l/../f/./g").unwrap();
        assert_eq!(real, Path::new("/tmp/d/e/f/g"));
        fs::rename("/tmp/d/e", "/tmp/d/x").unwrap();
        assert!(fs::metadata("/tmp/d/l").is_err());
        assert!(fs::symlink_metadata("/tmp/d/l").unwrap().is_symlink());
        assert_eq!(fs::copy("/tmp/d/x/f/g", "/tmp/d/copy").unwrap(), 1);
        fs::set_permissions("/tmp/d/copy", fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(fs::metadata("/tmp/d/copy").unwrap().mode(), 0o100_600);
        let file = File::open("/tmp/d/copy").unwrap();
        fs::remove_file("/tmp/d/copy").unwrap();
        let mut bytes = [0; 4];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 1);
        assert_eq!(file.metadata().unwrap().nlink(), 0);
        let full = fs::remove_dir("/tmp/d").unwrap_err();
        assert_eq!(full.kind(), ErrorKind::DirectoryNotEmpty);
        fs::remove_dir_all("/tmp/d").unwrap();
        assert!(!Path::new("/tmp/d").exists());
    });
}

fn names(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        assert!(entry.file_type().unwrap().is_file());
        assert_eq!(entry.metadata().unwrap().len(), 1);
        entry.file_name().into_string().unwrap()
    };
    entries.map(name).collect()
}

#[test]
fn the_seed_orders_a_directory() {
    let orders: BTreeSet<Vec<String>> = (0..20)
        .map(|seed| {
            let list = move || {
                fs::create_dir("/tmp/d").unwrap();
                for name in ["a", "b", "c", "d"] {
                    fs::write(format!("/tmp/d/{name}"), name).unwrap();
                }
                names("/tmp/d")
            };
            let (first, trace) = world(seed, list);
            let (second, other) = world(seed, list);
            assert_eq!(first, second);
            assert_eq!(trace.hash(), other.hash());
            let mut sorted = first.clone();
            sorted.sort();
            assert_eq!(sorted, ["a", "b", "c", "d"]);
            first
        })
        .collect();
    assert!(orders.len() > 5, "{orders:?}");
}

#[test]
fn what_is_really_there_is_below_and_is_not_changed() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let before = fs::read(manifest).unwrap();
    let there = fs::read_dir(source).unwrap().count();
    let real = before.clone();
    start_here();
    world(4, move || {
        let file = File::open(manifest).unwrap();
        assert!(file.as_raw_fd() < FIRST, "it is opened really to be read");
        assert_eq!(fs::read(manifest).unwrap(), real);
        assert_eq!(fs::read("Cargo.toml").unwrap(), real);
        fs::write(manifest, "changed").unwrap();
        assert_eq!(fs::read("Cargo.toml").unwrap(), b"changed");
        fs::write(format!("{source}/new.rs"), "new").unwrap();
        fs::remove_file(format!("{source}/lib.rs")).unwrap();
        assert!(!Path::new(source).join("lib.rs").exists());
        let listed: Vec<_> = fs::read_dir(source).unwrap().collect();
        assert_eq!(listed.len(), there);
        fs::remove_dir_all(source).unwrap();
        assert!(!Path::new(source).exists());
        fs::create_dir(source).unwrap();
        assert_eq!(fs::read_dir(source).unwrap().count(), 0);
        fs::rename(
            format!("{}/tests", env!("CARGO_MANIFEST_DIR")),
            "/tmp/tests",
        )
        .unwrap();
        let moved = fs::read_to_string("/tmp/tests/disk_std.rs").unwrap();
        assert!(moved.starts_with("//! `std::fs` on"));
        assert!(!Path::new("tests").exists());
    });
    assert_eq!(fs::read(manifest).unwrap(), before);
    assert_eq!(fs::read_dir(source).unwrap().count(), there);
}

#[test]
fn the_machine_is_seen_where_that_does_no_harm() {
    start_here();
    world(5, || {
        assert_eq!(fs::read_dir("/tmp").unwrap().count(), 0);
        assert_eq!(fs::read_dir("/dev/shm").unwrap().count(), 0);
        assert!(
            fs::read_to_string("/proc/self/status")
                .unwrap()
                .contains("Threads")
        );
        assert!(!Path::new("/proc/self/cgroup").exists());
        assert!(!Path::new("/sys/fs/cgroup").exists());
        assert!(!Path::new("/sys/fs/cgroup/cpu.max").exists());
        fs::write("/dev/null", "nothing").unwrap();
        let mut zeros = [1; 8];
        File::open("/dev/zero")
            .unwrap()
            .read_exact(&mut zeros)
            .unwrap();
        assert_eq!(zeros, [0; 8]);
        let cwd = std::env::current_dir().unwrap();
        assert_eq!(cwd, Path::new(env!("CARGO_MANIFEST_DIR")));
        std::env::set_current_dir("/tmp").unwrap();
        fs::write("here", "x").unwrap();
        assert_eq!(fs::read("/tmp/here").unwrap(), b"x");
        assert_eq!(std::env::current_dir().unwrap(), Path::new("/tmp"));
        let file = File::open("here").unwrap();
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        assert_eq!(fs::read_link(link).unwrap(), Path::new("/tmp/here"));
    });
    let random = |seed| {
        world(seed, || {
            let mut bytes = [0; 16];
            File::open("/dev/urandom")
                .unwrap()
                .read_exact(&mut bytes)
                .unwrap();
            bytes
        })
        .0
    };
    assert_eq!(random(6), random(6));
    assert_ne!(random(6), random(7));
}

#[test]
fn each_host_has_a_disk_of_its_own() {
    world(8, || {
        let [one, two] = ["one", "two"].map(hosts::add);
        disk::write(one, "/data/deep/file", "one").unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        for host in [one, two] {
            let send = send.clone();
            hosts::start(host, move || {
                let there = fs::read("/data/deep/file").is_ok();
                fs::write("/tmp/mine", hosts::name(host)).unwrap();
                send.send((host, there)).unwrap();
            });
        }
        let seen: BTreeSet<_> = receive.iter().take(2).collect();
        assert_eq!(seen, BTreeSet::from([(one, true), (two, false)]));
        assert_eq!(disk::contents(two, "/tmp/mine").unwrap(), b"two");
        assert!(!disk::exists(HostId::DRIVER, "/tmp/mine"));
    });
}

#[test]
fn a_file_is_locked_by_one() {
    world(9, || {
        let one = File::create("/tmp/lock").unwrap();
        let two = File::open("/tmp/lock").unwrap();
        let lock = |file: &File, operation| {
            // SAFETY: no pointers.
            match unsafe { libc::flock(file.as_raw_fd(), operation) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error().kind()),
            }
        };
        lock(&one, libc::LOCK_EX).unwrap();
        let refused = lock(&two, libc::LOCK_SH | libc::LOCK_NB);
        assert_eq!(refused, Err(ErrorKind::WouldBlock));
        let begun = std::time::Instant::now();
        let waiting = std::thread::spawn(move || {
            lock(&two, libc::LOCK_SH).unwrap();
            std::time::Instant::now()
        });
        std::thread::sleep(Duration::from_secs(5));
        drop(one);
        let passed = waiting.join().unwrap() - begun;
        assert!(passed >= Duration::from_secs(5), "{passed:?}");
    });
}

#[test]
fn a_real_directory_is_real() {
    let dir = world(10, || {
        let dir = disk::dir(HostId::DRIVER).unwrap();
        fs::create_dir(dir.join("inner")).unwrap();
        fs::write(dir.join("inner/file"), "real").unwrap();
        fs::rename(dir.join("inner/file"), dir.join("file")).unwrap();
        assert!(File::open(dir.join("file")).unwrap().as_raw_fd() < FIRST);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
        let crossing = fs::rename(dir.join("file"), "/tmp/file").unwrap_err();
        assert_eq!(crossing.raw_os_error(), Some(libc::EXDEV));
        fs::remove_dir(dir.join("inner")).unwrap();
        dir
    });
    assert!(!dir.0.exists(), "removed with its world");
}

#[test]
fn holes_are_found() {
    world(11, || {
        let mut file = File::create_new("/tmp/sparse").unwrap();
        file.write_all_at(b"end", 1 << 20).unwrap();
        // SAFETY: no pointers.
        let seek = |to, whence| unsafe { libc::lseek(file.as_raw_fd(), to, whence) };
        assert_eq!(seek(0, libc::SEEK_DATA), 1 << 20);
        assert_eq!(seek(0, libc::SEEK_HOLE), 0);
        assert_eq!(seek(1 << 20, libc::SEEK_HOLE), (1 << 20) + 3);
        assert_eq!(file.metadata().unwrap().blocks(), 8);
        file.rewind().unwrap();
    });
}

/// What is in memory is the real kernel's affair, for files that are really there, and must not
/// decide what a program does.
#[test]
fn nothing_is_read_without_waiting() {
    let real = std::env::current_exe().unwrap();
    world(1, move || {
        let real = File::open(&real).unwrap();
        assert!(real.as_raw_fd() < FIRST);
        fs::write("/tmp/simulated", "12345678").unwrap();
        let simulated = File::open("/tmp/simulated").unwrap();
        for file in [real, simulated] {
            let mut bytes = [0_u8; 8];
            let part = libc::iovec {
                iov_base: bytes.as_mut_ptr().cast(),
                iov_len: bytes.len(),
            };
            let fd = file.as_raw_fd();
            // SAFETY: one vector, which is valid.
            let read = unsafe { libc::preadv2(fd, &raw const part, 1, 0, libc::RWF_NOWAIT) };
            let error = std::io::Error::last_os_error().raw_os_error();
            assert_eq!((read, error), (-1, Some(libc::EOPNOTSUPP)));
            assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 8);
        }
    });
}

/// Where nothing real is seen, what a program was given is: itself, and its real directory. The
/// tests of these two, by a copy of this program that lies there.
#[test]
fn what_was_given_is_real_below_tmp_too() {
    let below = format!("/tmp/yamanote-sim-given-{}/a/b", std::process::id());
    let below = Path::new(&below);
    fs::create_dir_all(below).unwrap();
    let copy = below.join("copy");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let tests = [
        "a_real_directory_is_real",
        "a_real_directory_outlives_a_crash",
        "a_real_directory_is_put_upon_nothing",
        "nothing_is_read_without_waiting",
        "the_program_is_seen_and_not_changed",
        "beside_the_program_a_host_has_its_own",
        "the_machine_is_seen_where_that_does_no_harm",
    ];
    let output = std::process::Command::new(&copy)
        .args(tests)
        .arg("--exact")
        .env("TMPDIR", below)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let left: Vec<_> = fs::read_dir(below).unwrap().collect();
    let left = left.len();
    fs::remove_dir_all(below.parent().unwrap().parent().unwrap()).unwrap();
    assert!(
        said.contains(&format!(" {} passed; 0 failed", tests.len())),
        "{said}"
    );
    assert_eq!(left, 1, "the copy");
}

#[test]
fn a_real_directory_outlives_a_crash() {
    world(12, || {
        let host = hosts::add("host");
        let dir = disk::dir(host).unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        let write = |name: &'static str| {
            let (dir, send) = (dir.clone(), send.clone());
            hosts::start(host, move || {
                fs::write(dir.join(name), name).unwrap();
                send.send(fs::read_dir(dir).unwrap().count()).unwrap();
            });
        };
        write("one");
        assert_eq!(receive.recv(), Ok(1));
        hosts::crash(host);
        write("two");
        assert_eq!(receive.recv(), Ok(2));
        assert_eq!(disk::contents(host, dir.join("one")).unwrap(), b"one");
        assert_eq!(disk::dir(host).unwrap(), dir);
    });
}

/// What a host has there already is the host's.
#[test]
fn a_real_directory_is_put_upon_nothing() {
    // That of a host is another.
    let process = std::process::id();
    world(14, move || {
        let host = hosts::add("host");
        let name = format!("yamanote-sim-{process}-{}", host.0);
        let place = std::env::temp_dir().join(name);
        disk::write(host, &place, "taken").unwrap();
        for _ in 0..2 {
            let refused = disk::dir(host).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        }
        assert_eq!(disk::contents(host, &place).unwrap(), b"taken");
    });
}

#[test]
fn the_program_is_seen_and_not_changed() {
    let program = std::env::current_exe().unwrap();
    let before = fs::metadata(&program).unwrap();
    let path = program.clone();
    world(13, move || {
        let start = |file: &mut File| {
            let mut start = [0; 4];
            file.read_exact(&mut start).unwrap();
            start
        };
        assert_eq!(start(&mut File::open(&path).unwrap()), *b"\x7fELF");
        assert!(fs::metadata(path.parent().unwrap()).unwrap().is_dir());
        fs::remove_file(&path).unwrap();
        assert_eq!(File::open(&path).unwrap_err().kind(), ErrorKind::NotFound);
        fs::write(&path, "mine").unwrap();
        assert_eq!(start(&mut File::open(&path).unwrap()), *b"mine");
    });
    let after = fs::metadata(&program).unwrap();
    assert_eq!((after.ino(), after.len()), (before.ino(), before.len()));
}

/// Also in directories that a host has only because its program really lies there.
#[test]
fn beside_the_program_a_host_has_its_own() {
    let program = std::env::current_exe().unwrap();
    let file = program.with_file_name("of-the-host");
    let path = file.clone();
    world(15, move || {
        let host = hosts::add("host");
        let (send, receive) = std::sync::mpsc::channel();
        let write = |name: &'static str| {
            let (send, path) = (send.clone(), path.clone());
            hosts::start(host, move || {
                send.send(fs::read(&path).unwrap_or_default()).unwrap();
                let file = File::create(&path).unwrap();
                file.write_all_at(name.as_bytes(), 0).unwrap();
                file.sync_all().unwrap();
                File::open(path.parent().unwrap())
                    .unwrap()
                    .sync_all()
                    .unwrap();
                send.send(fs::read(&path).unwrap()).unwrap();
            });
        };
        for (name, before) in [("one", ""), ("two", "one")] {
            write(name);
            assert_eq!(receive.recv().unwrap(), before.as_bytes());
            assert_eq!(receive.recv().unwrap(), name.as_bytes());
            hosts::crash(host);
        }
        let there = disk::contents(host, std::env::current_exe().unwrap());
        assert_eq!(there.unwrap()[..4], *b"\x7fELF");
    });
    assert!(!file.exists());
}
