//! Tests that look at a whole process, each alone in one.

use crate::inheritance;
use std::process::Command;

const CHILD_MARK: &str = "YAMANOTE_TEST_CHILD";

/// Runs `test` in a process of its own: the parent starts this test binary again for exactly this
/// test and checks its exit status; the child runs `test`.
///
/// `module` is `module_path!()` and `name` the name of the calling `#[test]` function.
pub fn in_own_process(module: &str, name: &str, test: impl FnOnce()) {
    if is_child(module, name) {
        inheritance::stop_ignoring_signals();
        test();
        return;
    }
    let path = libtest_name(module, name);
    let output = Command::new(std::env::current_exe().expect("the test binary has a path"))
        .args([&path, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD_MARK, &path)
        .output()
        .expect("the test binary starts again");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{path} in its own process: {}\n--- stdout\n{stdout}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
}

/// Whether this process was started for exactly this test.
pub(crate) fn is_child(module: &str, name: &str) -> bool {
    std::env::var_os(CHILD_MARK).is_some_and(|mark| mark == *libtest_name(module, name))
}

/// The name of a test for libtest: its path without the crate.
fn libtest_name(module: &str, name: &str) -> String {
    match module.split_once("::") {
        Some((_crate, inner)) => format!("{inner}::{name}"),
        None => name.to_owned(),
    }
}

type Resource = libc::__rlimit_resource_t;

/// Soft and hard limit of open files.
pub(crate) fn descriptor_limit() -> (u64, u64) {
    let limit = limit_of(libc::RLIMIT_NOFILE);
    (limit.rlim_cur, limit.rlim_max)
}

/// Raises the soft limit of open files to the hard limit and returns it.
pub fn raise_descriptor_limit() -> u64 {
    let (_, hard) = descriptor_limit();
    set_descriptor_limit(hard);
    hard
}

/// Sets the soft limit of open files.
pub(crate) fn set_descriptor_limit(soft: u64) {
    set_soft_limit(libc::RLIMIT_NOFILE, soft);
}

/// Sets the soft limit to the size of the files that this process writes. What goes beyond it then
/// fails with `EFBIG`, without the signal.
pub fn limit_file_size(bytes: u64) {
    // SAFETY: ignoring a signal involves no memory.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    set_soft_limit(libc::RLIMIT_FSIZE, bytes);
}

fn limit_of(resource: Resource) -> libc::rlimit64 {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid rlimit that lives through the call.
    let result = unsafe { libc::getrlimit64(resource, &mut limit) };
    assert_eq!(result, 0, "getrlimit: {}", std::io::Error::last_os_error());
    limit
}

fn set_soft_limit(resource: Resource, soft: u64) {
    let limit = libc::rlimit64 {
        rlim_cur: soft,
        ..limit_of(resource)
    };
    // SAFETY: `limit` is a valid rlimit that lives through the call.
    let result = unsafe { libc::setrlimit64(resource, &limit) };
    assert_eq!(result, 0, "setrlimit: {}", std::io::Error::last_os_error());
}

/// Nobody else sees what this thread, and those it starts, mount from now on.
pub fn see_mounts_alone() {
    let (none, root) = (c"none".as_ptr(), c"/".as_ptr());
    // SAFETY: strings that end with NUL and live through the calls.
    unsafe {
        assert_eq!(libc::unshare(libc::CLONE_NEWNS), 0);
        let private = libc::MS_REC | libc::MS_PRIVATE;
        assert_eq!(libc::mount(none, root, none, private, std::ptr::null()), 0);
    }
}
