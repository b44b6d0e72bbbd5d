//! The processor's time stamp counter, which programs read by an instruction, `rdtsc` or `rdtscp`.
//!
//! The kernel can have that instruction fault, thread by thread (`PR_SET_TSC`). In a world it does,
//! and the handler of the fault answers by virtual time: a tick is a nanosecond, since a day before
//! the run began, and a look takes as long as one at a clock. Then the program goes on behind the
//! instruction.
//!
//! The real counter is what others read: the world's kernel, and the kernel's own page of code
//! (vDSO), by which the C library looks at real clocks. From a thread that is in no world, and was
//! made by one that is, the trap is taken when it is met.

use super::time::BOOTED_NS;
use crate::me;
use crate::raw::syscall;
use std::arch::x86_64::{__rdtscp, _rdtsc};
use std::ops::Range;
use std::sync::OnceLock;

/// Of a signal that the kernel itself has sent.
const SI_KERNEL: i32 = 0x80;

fn set(how: i32) -> bool {
    let args = [libc::PR_SET_TSC as usize, how as usize, 0, 0, 0, 0];
    // SAFETY: no pointers.
    unsafe { syscall(libc::SYS_prctl, args) == 0 }
}

/// The calling thread, and those that it makes, read the counter of their world from now on; false
/// if it stays the real one, because a filter of the kernel's calls or Valgrind is in the way.
pub(crate) fn begin() -> bool {
    if crate::baton::is_interpreted() || !super::faults::come_here() {
        return false;
    }
    code_of_the_kernel();
    unblock_faults();
    trap()
}

/// The instruction faults on this thread; false if it does not.
pub(super) fn trap() -> bool {
    set(libc::PR_TSC_SIGSEGV)
}

/// The instruction does on this thread what it does elsewhere; false if it does not.
pub(crate) fn give_back() -> bool {
    set(libc::PR_TSC_ENABLE)
}

/// A blocked fault would end the process.
fn unblock_faults() {
    let faults = 1u64 << (libc::SIGSEGV - 1);
    let set = std::ptr::from_ref(&faults) as usize;
    // SAFETY: the set is as long as is said, and nothing is written.
    unsafe {
        let how = libc::SIG_UNBLOCK as usize;
        syscall(libc::SYS_rt_sigprocmask, [how, set, 0, 8, 0, 0]);
    }
}

/// Whether that was the fault of a thread that reads the counter, which has its answer then.
///
/// # Safety
///
/// In a handler of `SIGSEGV`, with what that got.
pub(super) unsafe fn answer(info: &libc::siginfo_t, context: &mut libc::ucontext_t) -> bool {
    let registers = &mut context.uc_mcontext.gregs;
    let at = registers[libc::REG_RIP as usize] as usize;
    if info.si_code != SI_KERNEL {
        return false;
    }
    // SAFETY: as the caller promises: the thread has tried to execute what is there.
    let Some(len) = (unsafe { length_of_read(at as *const u8) }) else {
        return false;
    };
    if !me::is_of_a_world() {
        // Made by a thread of one. It executes the instruction again.
        return give_back();
    }
    let (ticks, processor) = match me::current() {
        Some(me) if !code_of_the_kernel().contains(&at) => {
            (me.inside(|kernel| kernel.look_at_clock()) + BOOTED_NS, 0)
        }
        _ => really(len),
    };
    registers[libc::REG_RAX as usize] = (ticks & 0xffff_ffff) as i64;
    registers[libc::REG_RDX as usize] = (ticks >> 32) as i64;
    if len == READ_WITH_PROCESSOR.len() {
        registers[libc::REG_RCX as usize] = i64::from(processor);
    }
    registers[libc::REG_RIP as usize] = (at + len) as i64;
    true
}

/// `rdtsc`
const READ: [u8; 2] = [0x0f, 0x31];
/// `rdtscp`
const READ_WITH_PROCESSOR: [u8; 3] = [0x0f, 0x01, 0xf9];

/// How long the instruction is, if it reads the counter.
///
/// # Safety
///
/// There is one.
unsafe fn length_of_read(at: *const u8) -> Option<usize> {
    let starts = |with: &[u8]| {
        let mut bytes = with.iter().enumerate();
        // A byte is looked at if those before make it part of the instruction.
        // SAFETY: as the caller promises.
        bytes.all(|(index, byte)| unsafe { at.add(index).read() } == *byte)
    };
    if starts(&READ) {
        return Some(READ.len());
    }
    starts(&READ_WITH_PROCESSOR).then_some(READ_WITH_PROCESSOR.len())
}

/// What the instruction of that length would have read: the real counter, and with the longer one
/// the number of the processor.
fn really(len: usize) -> (u64, u32) {
    give_back();
    let mut processor = 0;
    // SAFETY: the program has the instruction in it, and it changes nothing else.
    let ticks = unsafe {
        match len == READ.len() {
            true => _rdtsc(),
            false => __rdtscp(&mut processor),
        }
    };
    trap();
    (ticks, processor)
}

/// Where the vDSO lies.
fn code_of_the_kernel() -> &'static Range<usize> {
    static CODE: OnceLock<Range<usize>> = OnceLock::new();
    CODE.get_or_init(|| {
        // SAFETY: no pointers.
        let start = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) } as usize;
        if start == 0 {
            return 0..0;
        }
        let file = std::ptr::with_exposed_provenance::<u8>(start);
        // SAFETY: an ELF file lies there for as long as the process lives, with its headers.
        let end = unsafe {
            let header = file.cast::<libc::Elf64_Ehdr>().read_unaligned();
            let parts = file.add(header.e_phoff as usize);
            let part = |index: u16| {
                let place = parts.add(usize::from(index) * usize::from(header.e_phentsize));
                place.cast::<libc::Elf64_Phdr>().read_unaligned()
            };
            let loaded = (0..header.e_phnum).map(part);
            let loaded = loaded.filter(|part| part.p_type == libc::PT_LOAD);
            loaded.map(|part| part.p_vaddr + part.p_memsz).max()
        };
        start..start + end.unwrap_or(0) as usize
    })
}
