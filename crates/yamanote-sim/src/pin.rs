//! All threads of a world on one processor: one runs at a time, and the next is at hand.

use crate::raw;

/// The calling thread, and those that it makes, run on the processor it is on. Where that is
/// refused they do not, and a run takes longer.
pub(crate) fn to_one_processor() {
    let mut processor = 0u32;
    let mut set = [0u64; 16];
    // SAFETY: both calls read or write what is passed, whose lengths are right.
    unsafe {
        raw::syscall(
            libc::SYS_getcpu,
            [std::ptr::from_mut(&mut processor) as usize, 0, 0, 0, 0, 0],
        );
        let (word, bit) = (processor as usize / 64, processor % 64);
        let Some(word) = set.get_mut(word) else {
            return;
        };
        *word = 1 << bit;
        let (len, set) = (size_of_val(&set), set.as_ptr() as usize);
        raw::syscall(libc::SYS_sched_setaffinity, [0, len, set, 0, 0, 0]);
    }
}
