//! What the calls on descriptors have in common: how they find out whether the world answers, and
//! how they wait.

use crate::kernel::Kernel;
use crate::kernel::files::{Errno, FIRST, FileId, total};
use crate::kernel::thread::Key;
use crate::me::{self, Me};
use crate::raw;
use std::ffi::{c_int, c_long};
use std::io::IoSlice;

/// The world's answer to a call by number; `None` if it has none.
pub(super) type Answer =
    unsafe fn(me: &Me, number: c_long, args: [usize; 6]) -> Option<Result<usize, Errno>>;

/// The calling thread, and the open file that a simulated descriptor of its world names.
pub(super) fn simulated(fd: c_int) -> Option<(&'static Me, FileId)> {
    if fd < FIRST {
        return None;
    }
    let me = me::current()?;
    let file = me.inside(|kernel| kernel.file_of(fd))?;
    Some((me, file))
}

/// An answer in the kernel's form.
pub(super) fn in_kernel_form(answer: Result<usize, Errno>) -> isize {
    match answer {
        Ok(n) => n as isize,
        Err(error) => -(error as isize),
    }
}

/// Makes the system call of that number, by the world if it has an answer; leaves `errno` as the C
/// library would.
///
/// # Safety
///
/// The arguments are those of the call.
pub(super) unsafe fn call(answer: Answer, number: c_long, args: [usize; 6]) -> isize {
    if let Some(me) = me::current() {
        // SAFETY: as the caller promises.
        if let Some(answer) = unsafe { answer(me, number, args) } {
            return raw::answer(in_kernel_form(answer));
        }
    } else if let Some(answer) = left_behind(number, args) {
        return answer;
    }
    // SAFETY: as the caller promises.
    raw::answer(unsafe { raw::syscall(number, args) })
}

/// The answer to a thread that is in no world any more, and destroys what it has kept from one: a
/// descriptor of a world is closed, and `std` may look before whether it is open.
fn left_behind(number: c_long, args: [usize; 6]) -> Option<isize> {
    if (args[0] as i32) < FIRST {
        return None;
    }
    match number {
        libc::SYS_close => Some(0),
        libc::SYS_fcntl if args[1] as i32 == libc::F_GETFD => Some(libc::FD_CLOEXEC as isize),
        _ => None,
    }
}

/// Repeats `attempt` while it answers `EAGAIN` and the file changes, unless the call may not wait;
/// after `deadline` the answer is `EAGAIN`. The file stays open meanwhile.
pub(super) fn wait_on<R>(
    me: &Me,
    file: FileId,
    is_nonblocking: bool,
    deadline: Option<u64>,
    mut attempt: impl FnMut(&mut Kernel) -> Result<R, Errno>,
) -> Result<R, Errno> {
    me.inside(|kernel| kernel.hold(file));
    let answer = me.wait(deadline, |kernel| match attempt(kernel) {
        Err(libc::EAGAIN) if !is_nonblocking => {
            kernel.wait_for(me.id(), Key::File(file.0));
            None
        }
        answer => Some(answer),
    });
    me.inside(|kernel| kernel.release(file));
    let answer = answer.unwrap_or(Err(libc::EAGAIN));
    if matches!(answer, Err(libc::EAGAIN)) {
        looked_in_vain(me);
    }
    answer
}

/// Who looks again and again lets others run now and then, and time pass.
pub(super) fn looked_in_vain(me: &Me) {
    me.switch_if(|kernel| kernel.step(me.id()));
}

/// Writes all of `bufs` by a `write` that takes what there is room for; only so much if the call
/// may not wait.
pub(super) fn write_all(
    me: &Me,
    file: FileId,
    is_nonblocking: bool,
    deadline: Option<u64>,
    mut bufs: &mut [IoSlice<'_>],
    mut write: impl FnMut(&mut Kernel, &[IoSlice<'_>]) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let wanted = total(bufs);
    let mut done = 0;
    let answer = wait_on(me, file, is_nonblocking, deadline, |kernel| {
        loop {
            let n = write(kernel, bufs)?;
            done += n;
            if is_nonblocking || n == 0 || done == wanted {
                return Ok(());
            }
            IoSlice::advance_slices(&mut bufs, n);
        }
    });
    match answer {
        Err(error) if done == 0 => Err(error),
        _ => Ok(done),
    }
}
