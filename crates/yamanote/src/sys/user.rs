//! Who runs this process, and which others there are.

use std::io;

/// The effective user id.
pub(crate) fn effective_uid() -> u32 {
    // SAFETY: no pointers are involved, and the call cannot fail.
    unsafe { libc::geteuid() }
}

/// Whether there is a process of this number. One whose signals are not ours to send exists.
pub(crate) fn process_exists(pid: i32) -> bool {
    // SAFETY: no pointers are involved; signal 0 is only a question.
    let answer = unsafe { libc::kill(pid, 0) };
    answer == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn this_process_exists_and_one_that_was_waited_for_does_not() {
        assert!(process_exists(std::process::id() as i32));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        assert!(process_exists(pid));
        child.wait().unwrap();
        assert!(!process_exists(pid));
    }
}
