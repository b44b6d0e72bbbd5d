//! Fewer repetitions for an interpreter.
#![forbid(unsafe_code)]

/// How often to do what is worth doing `many` times: that often, but only a few times under Miri,
/// which takes hundreds of times as long.
pub const fn rounds(many: usize) -> usize {
    match (cfg!(miri), many / 100) {
        (false, _) => many,
        (true, 0..=3) => 3,
        (true, some) if some > 30 => 30,
        (true, some) => some,
    }
}
