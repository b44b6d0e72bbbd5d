//! What is unstable in Tokio: here as there, it exists under `--cfg tokio_unstable` only.
//!
//! This is the one file of the crate that reads the cfg. An item that stands in a file of its own
//! can be declared with `unstable! { mod x; }`.
#![forbid(unsafe_code)]

/// Keeps its items under `--cfg tokio_unstable` and drops them otherwise.
#[cfg(tokio_unstable)]
#[allow(unused_macros)]
macro_rules! unstable {
    ($($item:item)*) => {
        $(
            #[cfg_attr(docsrs, doc(cfg(tokio_unstable)))]
            $item
        )*
    };
}

/// Keeps its items under `--cfg tokio_unstable` and drops them otherwise.
#[cfg(not(tokio_unstable))]
#[allow(unused_macros)]
macro_rules! unstable {
    ($($item:item)*) => {};
}

/// Whether a program can ask how long its tasks wait to be run.
pub(crate) const SCHEDULE_LATENCY: bool = cfg!(all(tokio_unstable, feature = "schedule-latency"));

/// Whether a program can ask what its tasks wait for as Tokio does: `runtime::dump`.
pub(crate) const TASK_DUMPS: bool = cfg!(all(tokio_unstable, feature = "taskdump"));

#[cfg(all(
    tokio_unstable,
    feature = "taskdump",
    not(doc),
    not(any(
        target_arch = "aarch64",
        target_arch = "s390x",
        target_arch = "x86",
        target_arch = "x86_64"
    ))
))]
compile_error!(
    "the feature `taskdump` is there on aarch64, s390x, x86 and x86_64 only, as in Tokio: leave it out \
     for other machines"
);

#[cfg(all(
    tokio_unstable,
    feature = "schedule-latency",
    not(target_pointer_width = "64")
))]
compile_error!(
    "the feature `schedule-latency` is there on 64-bit machines only, as in Tokio: leave it out for \
     others"
);
