//! Processes for runs, each of which has one of its own: fixed addresses, forks, and what a child
//! leaves behind. To be called from outside of every world.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};

/// Whether this process, and those forked from it, have everything at the same addresses each time.
pub fn has_fixed_addresses() -> bool {
    personality(0xffff_ffff).is_ok_and(|it| it & libc::ADDR_NO_RANDOMIZE != 0)
}

/// The program that this process executes next has everything at the same addresses each time.
///
/// # Errors
///
/// The kernel, or a filter in front of it, does not allow it.
pub fn fix_addresses() -> io::Result<()> {
    let present = personality(0xffff_ffff)?;
    personality((present | libc::ADDR_NO_RANDOMIZE) as libc::c_ulong).map(drop)
}

fn personality(persona: libc::c_ulong) -> io::Result<libc::c_int> {
    // SAFETY: no pointers.
    match unsafe { libc::personality(persona) } {
        -1 => Err(io::Error::last_os_error()),
        before => Ok(before),
    }
}

/// All threads of this process, and of those forked from it, share one heap of the C library: one
/// of a world runs at a time, so they do not meet there, and each seed touches fewer new pages.
pub fn share_one_heap() {
    // SAFETY: no pointers; nothing that was allocated before is touched.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, 1 << 20);
    }
}

/// A file without a name, in memory.
///
/// # Errors
///
/// As of `memfd_create`.
pub fn memory_file() -> io::Result<File> {
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(c"yamanote-sim".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was made above, and nobody else has it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Has a forked child call `child`, with `output` as its standard output and error, and exit with
/// the answer. It is ended by a signal after `limit_s` seconds of real time.
///
/// The caller is to be the only thread that does anything: what another had locked stays locked in
/// the child.
///
/// # Errors
///
/// As of `fork`.
pub fn fork(output: &File, limit_s: u32, child: impl FnOnce() -> u8) -> io::Result<i32> {
    // SAFETY: the caller promises that no other thread does anything.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: plain calls without pointers; the descriptor is open.
            unsafe {
                libc::dup2(output.as_raw_fd(), 1);
                libc::dup2(output.as_raw_fd(), 2);
                libc::alarm(limit_s);
            }
            let child = std::panic::AssertUnwindSafe(child);
            let code = std::panic::catch_unwind(child).unwrap_or(101);
            exit_now(code)
        }
        pid => Ok(pid),
    }
}

/// Ends the process as it is: no destructors, no hooks, no thread is waited for.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: no pointers.
    unsafe { libc::_exit(code.into()) }
}

/// How a child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
}

/// Waits for the end of any child.
///
/// # Errors
///
/// There is none.
pub fn wait_any() -> io::Result<(i32, End)> {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is valid.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        if pid > 0 && libc::WIFEXITED(status) {
            return Ok((pid, End::Exit(libc::WEXITSTATUS(status))));
        }
        if pid > 0 && libc::WIFSIGNALED(status) {
            return Ok((pid, End::Signal(libc::WTERMSIG(status))));
        }
        if pid < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

/// Sends a child the signal that nobody survives.
pub fn kill(pid: i32) {
    // SAFETY: no pointers.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}
