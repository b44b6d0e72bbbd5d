//! Less of the same for an interpreter.
#![forbid(unsafe_code)]

/// How often to do what is worth doing `many` times: that often, and under Miri, for which each time
/// takes hundreds of times as long, a few times.
pub const fn rounds(many: usize) -> usize {
    match (cfg!(miri), many / 100) {
        (false, _) => many,
        (true, 0..=3) => 3,
        (true, some) if some > 30 => 30,
        (true, some) => some,
    }
}
