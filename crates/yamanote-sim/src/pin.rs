//! All threads of a world on one processor: one runs at a time, and the next is at hand.

use crate::raw;

/// The calling thread, and those that it makes, run on this processor, or on the one it is on.
/// Where that is refused they do not, and a run takes longer.
pub(crate) fn to_one_processor(processor: Option<usize>) {
    let processor = processor.unwrap_or_else(here);
    let mut set = [0u64; 16];
    let Some(word) = set.get_mut(processor / 64) else {
        return;
    };
    *word = 1 << (processor % 64);
    // SAFETY: the call reads so many bytes of the set.
    unsafe {
        let (len, set) = (size_of_val(&set), set.as_ptr() as usize);
        raw::syscall(libc::SYS_sched_setaffinity, [0, len, set, 0, 0, 0]);
    }
}

fn here() -> usize {
    let mut processor = 0u32;
    // SAFETY: the call writes the number.
    unsafe {
        let place = std::ptr::from_mut(&mut processor) as usize;
        raw::syscall(libc::SYS_getcpu, [place, 0, 0, 0, 0, 0]);
    }
    processor as usize
}
