//! What else the C library offers for the same things: other names of the same functions, functions
//! that work on the same objects, calls by number.

mod support;

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::size_of;
use std::os::fd::AsRawFd;
use support::{check, pipe, world, write};

/// The lowest simulated descriptor.
const FIRST: c_int = 1 << 29;

#[test]
fn a_directory_is_read_by_every_function_there_is() {
    world(1, || {
        for name in ["a", "b", "c"] {
            std::fs::write(format!("/tmp/{name}"), name).unwrap();
        }
        // SAFETY: the directory is open until the end, and all places are valid.
        unsafe {
            let dir = libc::opendir(c"/tmp".as_ptr());
            assert!(!dir.is_null());
            let mut names = BTreeSet::new();
            let mut third = None;
            loop {
                let place = libc::telldir(dir);
                let mut entry: libc::dirent64 = std::mem::zeroed();
                let mut found = std::ptr::null_mut();
                assert_eq!(libc::readdir64_r(dir, &mut entry, &mut found), 0);
                if found.is_null() {
                    break;
                }
                assert_eq!(found, &raw mut entry);
                let name = CStr::from_ptr(entry.d_name.as_ptr()).to_owned();
                names.insert(name.clone());
                if names.len() == 3 {
                    third = Some((place, name));
                }
            }
            let all = [c".", c"..", c"a", c"b", c"c"].map(CStr::to_owned);
            assert_eq!(names, BTreeSet::from(all));
            let (place, name) = third.unwrap();
            libc::seekdir(dir, place);
            let entry = libc::readdir64(dir);
            assert_eq!(CStr::from_ptr((*entry).d_name.as_ptr()), &*name);
            // The end is told from an error by `errno`, which says nothing of this.
            *libc::__errno_location() = 77;
            while !libc::readdir64(dir).is_null() {}
            assert_eq!(*libc::__errno_location(), 77);
            assert_eq!(libc::closedir(dir), 0);
        }
    });
}

#[test]
fn a_call_that_succeeds_leaves_the_error_number() {
    world(1, || {
        let path = c"/etc/yamanote-sim-nothing".as_ptr();
        // SAFETY: the path is a C string; the address is this thread's own.
        unsafe {
            *libc::__errno_location() = 77;
            let flags = libc::O_CREAT | libc::O_WRONLY;
            assert!(libc::open(path, flags, 0o600) >= FIRST);
            assert_eq!(*libc::__errno_location(), 77);
            assert_eq!(libc::posix_fadvise(-5, 0, 0, 0), libc::EBADF);
            assert_eq!(*libc::__errno_location(), 77);
        }
    });
}

unsafe extern "C" {
    fn __read_chk(fd: c_int, to: *mut c_void, len: usize, room: usize) -> isize;
    fn __recv_chk(fd: c_int, to: *mut c_void, len: usize, room: usize, flags: c_int) -> isize;
    fn __poll_chk(fds: *mut libc::pollfd, count: libc::nfds_t, ms: c_int, room: usize) -> c_int;
    fn __open_2(path: *const c_char, flags: c_int) -> c_int;
    fn __openat64_2(dir: c_int, path: *const c_char, flags: c_int) -> c_int;
    fn __pread64_chk(fd: c_int, to: *mut c_void, len: usize, at: i64, room: usize) -> isize;
    fn __gethostname_chk(to: *mut c_char, len: usize, room: usize) -> c_int;
}

#[test]
fn c_code_that_is_fortified_is_in_the_world_too() {
    world(1, || {
        let (reader, writer) = pipe(0);
        write(&writer, b"abc").unwrap();
        let mut buf = [0u8; 64];
        let place = buf.as_mut_ptr().cast::<c_void>();
        std::fs::write("/tmp/file", "contents").unwrap();
        // SAFETY: there is as much room as is said.
        unsafe {
            let mut fds = [libc::pollfd {
                fd: reader.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            }];
            assert_eq!(__poll_chk(fds.as_mut_ptr(), 1, -1, 8), 1);
            assert_eq!(__read_chk(reader.as_raw_fd(), place, 64, 64), 3);
            let fd = __open_2(c"/tmp/file".as_ptr(), libc::O_RDONLY);
            assert!(fd >= FIRST);
            assert_eq!(__pread64_chk(fd, place, 4, 3, 64), 4);
            assert_eq!(&buf[..4], b"tent");
            assert_eq!(libc::close(fd), 0);
            let fd = __openat64_2(libc::AT_FDCWD, c"/tmp/file".as_ptr(), libc::O_RDONLY);
            assert!(fd >= FIRST);
            assert_eq!(libc::close(fd), 0);
            let mut ends = [0; 2];
            let pair = libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, ends.as_mut_ptr());
            assert_eq!(pair, 0);
            assert_eq!(libc::send(ends[0], c"xy".as_ptr().cast(), 2, 0), 2);
            assert_eq!(__recv_chk(ends[1], place, 64, 64, 0), 2);
            for end in ends {
                assert_eq!(libc::close(end), 0);
            }
            assert_eq!(__gethostname_chk(place.cast(), 64, 64), 0);
            assert_eq!(CStr::from_ptr(place.cast()), c"sim");
        }
    });
}

#[test]
fn a_thread_of_c_ends_in_the_middle() {
    type Body = extern "C-unwind" fn(*mut c_void) -> *mut c_void;

    unsafe extern "C-unwind" {
        fn pthread_create(
            thread: *mut libc::pthread_t,
            attributes: *const libc::pthread_attr_t,
            body: Body,
            argument: *mut c_void,
        ) -> c_int;
        fn pthread_exit(value: *mut c_void) -> !;
    }

    extern "C-unwind" fn body(argument: *mut c_void) -> *mut c_void {
        std::thread::sleep(std::time::Duration::from_secs(1));
        // SAFETY: nothing is to be dropped here.
        unsafe { pthread_exit(argument.wrapping_byte_add(1)) }
    }

    world(1, || {
        // SAFETY: all places are valid, and the thread is joined once.
        unsafe {
            let mut thread = 0;
            let argument = std::ptr::without_provenance_mut(6);
            let made = pthread_create(&mut thread, std::ptr::null(), body, argument);
            assert_eq!(made, 0);
            let mut result = std::ptr::null_mut();
            assert_eq!(libc::pthread_join(thread, &mut result), 0);
            assert_eq!(result.addr(), 7);
        }
        assert!(yamanote_sim::now() >= std::time::Duration::from_secs(1));
    });
}

#[test]
fn clocks_are_virtual_by_number_too() {
    world(1, || {
        let shown = || {
            let mut time = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let clock = libc::CLOCK_MONOTONIC;
            // SAFETY: the place is valid.
            let answer = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &mut time) };
            assert_eq!(answer, 0);
            time.tv_sec
        };
        let begin = shown();
        let hour = libc::timespec {
            tv_sec: 3600,
            tv_nsec: 0,
        };
        // SAFETY: the time is valid.
        let answer = unsafe { libc::syscall(libc::SYS_nanosleep, &hour, 0usize) };
        assert_eq!((answer, shown() - begin), (0, 3600));
        let mut set = [0u8; 8];
        // SAFETY: there is room for so many bytes.
        let answer = unsafe {
            let place = set.as_mut_ptr();
            libc::syscall(libc::SYS_sched_getaffinity, 0, set.len(), place)
        };
        assert_eq!((answer, set), (8, [15, 0, 0, 0, 0, 0, 0, 0]));
    });
}

#[test]
fn sockets_and_files_are_simulated_by_number_too() {
    world(1, || {
        // SAFETY: all places and paths are valid.
        unsafe {
            let fd = libc::syscall(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0);
            assert!(fd >= FIRST.into());
            assert_eq!(libc::syscall(libc::SYS_listen, fd, 5), 0);
            let mut address: libc::sockaddr_in = std::mem::zeroed();
            let mut len = size_of::<libc::sockaddr_in>() as u32;
            let name = libc::SYS_getsockname;
            assert_eq!(libc::syscall(name, fd, &mut address, &mut len), 0);
            assert_ne!(address.sin_port, 0);
            let refused = libc::syscall(libc::SYS_accept4, fd, 0usize, 0usize, 0x4000_0000);
            assert_eq!(check(refused as isize), Err(libc::EINVAL));
            assert_eq!(libc::close(fd as c_int), 0);
            let path = c"/tmp/by-number";
            #[cfg(target_arch = "x86_64")]
            {
                let flags = libc::O_CREAT | libc::O_WRONLY;
                let fd = libc::syscall(libc::SYS_open, path.as_ptr(), flags, 0o600);
                assert!(fd >= FIRST.into());
                assert_eq!(libc::close(fd as c_int), 0);
                let other = c"/tmp/other";
                let answer = libc::syscall(libc::SYS_rename, path.as_ptr(), other.as_ptr());
                assert_eq!(answer, 0);
                assert!(std::fs::exists("/tmp/other").unwrap());
                assert_eq!(libc::syscall(libc::SYS_unlink, other.as_ptr()), 0);
            }
            assert!(!std::fs::exists("/tmp/other").unwrap());
            assert_eq!(libc::access(path.as_ptr(), libc::F_OK), -1);
        }
    });
    assert!(!std::fs::exists("/tmp/by-number").unwrap());
}

#[test]
fn the_number_of_a_process_is_nobody_elses() {
    world(1, || {
        // SAFETY: no pointers.
        let (process, thread) = unsafe { (libc::getpid(), libc::gettid()) };
        // SAFETY: nobody is sent a signal that does anything.
        unsafe {
            assert_eq!(libc::kill(process, 0), 0);
            let refused = Err(libc::EOPNOTSUPP);
            assert_eq!(check(libc::kill(process, libc::SIGWINCH) as isize), refused);
            let number = libc::SYS_tgkill;
            let answer = libc::syscall(number, process, thread, libc::SIGWINCH);
            assert_eq!(check(answer as isize), refused);
            assert_eq!(check(libc::kill(1, 0) as isize), Err(libc::ESRCH));
            let which = libc::PRIO_PROCESS;
            assert_eq!(libc::setpriority(which, thread as u32, 0), 0);
            let other = libc::setpriority(which, 1, 0);
            assert_eq!(check(other as isize), Err(libc::ESRCH));
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(0, &mut set);
            let len = size_of::<libc::cpu_set_t>();
            assert_eq!(libc::sched_setaffinity(thread, len, &set), 0);
        }
    });
    // SAFETY: no signal.
    assert_eq!(unsafe { libc::kill(std::process::id() as i32, 0) }, 0);
}
