//! What the loader knows: files, and the functions that they export.
#![forbid(unsafe_code)]

use crate::sys::stack;

/// Tells where the address is: for `addr2line -e FILE OFFSET`.
pub(super) fn tell(address: usize, to: &mut dyn FnMut(&str)) {
    let Some(loaded) = stack::loaded(address) else {
        return to(&format!("{address:#x}"));
    };
    let place = format!("{} {:#x}", loaded.file, loaded.offset);
    match loaded.function {
        Some((function, offset)) => to(&format!("{function}+{offset:#x} in {place}")),
        None => to(&place),
    }
}
