//! Calls on descriptors, whatever they name.

use crate::kernel::Kernel;
use crate::kernel::files::{Errno, FileId, total};
use crate::kernel::thread::Key;
use crate::me::Me;
use std::io::IoSlice;

pub(super) fn keep() {}

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
    let would_wait = matches!(answer, None | Some(Err(libc::EAGAIN)));
    // Who looks again and again lets others run now and then, and time pass.
    let yields = me.inside(|kernel| {
        kernel.release(file);
        would_wait && kernel.step(me.id())
    });
    if yields {
        me.switch();
    }
    answer.unwrap_or(Err(libc::EAGAIN))
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
