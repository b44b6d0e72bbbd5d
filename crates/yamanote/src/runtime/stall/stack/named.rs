//! Functions and lines, from what the program's files tell debuggers.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::ptr::without_provenance_mut;

use super::unnamed;

/// Tells the name of the function that the address is in, after those that the compiler has inlined
/// there, the innermost first.
pub(super) fn tell(address: usize, to: &mut dyn FnMut(&str)) {
    let mut is_known = false;
    // It expects where a call returns to, which is behind the call.
    let behind = without_provenance_mut(address.wrapping_add(1));
    backtrace::resolve(behind, |symbol| {
        let Some(name) = symbol.name() else {
            return;
        };
        is_known = true;
        // Without the hash.
        let mut text = format!("{name:#}");
        if let Some(file) = symbol.filename() {
            let _ = write!(text, "\n             at {}", file.display());
            for number in [symbol.lineno(), symbol.colno()].into_iter().flatten() {
                let _ = write!(text, ":{number}");
            }
        }
        to(&text);
    });
    if !is_known {
        unnamed::tell(address, to);
    }
}
