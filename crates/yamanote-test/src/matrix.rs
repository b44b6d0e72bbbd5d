//! One test body, eight runtimes: {uring, epoll} x {current_thread, multi_thread with 1, 2, 8
//! workers}.
#![forbid(unsafe_code)]

use crate::{Capability, require};
use std::sync::mpsc;
use std::time::Duration;

/// The driver a test asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// io_uring
    Uring,
    /// epoll and the blocking pool
    Epoll,
}

impl Driver {
    /// The name as `YAMANOTE_DRIVER` and the runtime's metrics spell it.
    pub fn name(self) -> &'static str {
        match self {
            Driver::Uring => "uring",
            Driver::Epoll => "epoll",
        }
    }
}

/// One cell of the matrix. [`builder!`](crate::builder) makes a runtime builder of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// Which driver.
    pub driver: Driver,
    /// `None`: current_thread; otherwise multi_thread with this many workers.
    pub workers: Option<usize>,
}

impl Setup {
    /// Whether the machine has what this cell needs; if not, the skip is recorded.
    pub fn is_possible(self) -> bool {
        self.driver == Driver::Epoll || require(Capability::IoUring)
    }
}

/// A hung test becomes a failure with a name instead of a silent time-out of CI.
const TEST_LIMIT: Duration = Duration::from_secs(180);

/// Seconds, for tests that are asked to take longer.
const TEST_LIMIT_VARIABLE: &str = "YAMANOTE_TEST_LIMIT";

/// Runs `test`; aborts the process with a message if it takes longer than three minutes, or than
/// `YAMANOTE_TEST_LIMIT` says.
pub fn run_here(module: &str, name: &str, test: impl FnOnce()) {
    // The variable overrides every builder: half of the matrix would run on the other driver
    // unnoticed.
    assert!(
        std::env::var_os("YAMANOTE_DRIVER").is_none(),
        "unset YAMANOTE_DRIVER: the tests choose their drivers themselves"
    );
    // Miri is slow, is timed by what started it, and wants every thread to end.
    if cfg!(miri) {
        return test();
    }
    let full_name = format!("{module}::{name}");
    let limit = std::env::var(TEST_LIMIT_VARIABLE).map_or(TEST_LIMIT, |seconds| {
        Duration::from_secs(seconds.parse().expect(TEST_LIMIT_VARIABLE))
    });
    let (finished, watch) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if watch.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("test {full_name} did not end within {limit:?}: aborting");
            std::process::abort();
        }
    });
    test();
    drop(finished);
}

/// As [`run_here`], in a process of its own. The watchdog's thread stays in the parent, where
/// `test` does not see it.
pub fn run_alone(module: &str, name: &str, test: impl FnOnce()) {
    match crate::process::is_child(module, name) {
        true => {
            crate::inheritance::stop_ignoring_signals();
            test();
        }
        false => run_here(module, name, || crate::in_own_process(module, name, || ())),
    }
}

/// Instantiates a test for every driver and flavour.
///
/// The body is `async fn name() { .. }` or `async fn name(setup: Setup) { .. }`, run by `block_on`
/// of a fresh runtime with everything enabled, or `fn name(setup: Setup) { .. }`, which builds its
/// own with [`builder!`](crate::builder). With `alone` before it, `alone fn name(setup: Setup)`,
/// each cell runs in a process of its own.
///
/// ```text
/// yamanote_test::matrix! {
///     async fn spawned_tasks_are_joined() {
///         assert_eq!(yamanote::spawn(async { 7 }).await.unwrap(), 7);
///     }
/// }
/// ```
#[macro_export]
macro_rules! matrix {
    () => {};
    ($(#[$attr:meta])* async fn $name:ident() $body:block $($rest:tt)*) => {
        $crate::matrix! { $(#[$attr])* async fn $name(_setup: $crate::Setup) $body $($rest)* }
    };
    ($(#[$attr:meta])* async fn $name:ident($setup:ident: $ty:ty) $body:block $($rest:tt)*) => {
        $crate::matrix! {
            $(#[$attr])*
            fn $name(setup: $crate::Setup) {
                async fn body($setup: $ty) $body
                let runtime = $crate::builder!(setup).build().expect("the runtime starts");
                assert_eq!(runtime.handle().driver().to_string(), setup.driver.name());
                runtime.block_on(body(setup));
            }
            $($rest)*
        }
    };
    ($(#[$attr:meta])* alone fn $name:ident($setup:ident: $ty:ty) $body:block $($rest:tt)*) => {
        $crate::matrix! { @cells [run_alone] $(#[$attr])* fn $name($setup: $ty) $body }
        $crate::matrix! { $($rest)* }
    };
    ($(#[$attr:meta])* fn $name:ident($setup:ident: $ty:ty) $body:block $($rest:tt)*) => {
        $crate::matrix! { @cells [run_here] $(#[$attr])* fn $name($setup: $ty) $body }
        $crate::matrix! { $($rest)* }
    };
    (@cells [$run:ident] $(#[$attr:meta])* fn $name:ident($setup:ident: $ty:ty) $body:block) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$attr])*
            fn test($setup: $ty) $body

            $crate::matrix! { @cell [$run] uring_current_thread, $crate::Driver::Uring, None }
            $crate::matrix! { @cell [$run] uring_multi_thread_1, $crate::Driver::Uring, Some(1) }
            $crate::matrix! { @cell [$run] uring_multi_thread_2, $crate::Driver::Uring, Some(2) }
            $crate::matrix! { @cell [$run] uring_multi_thread_8, $crate::Driver::Uring, Some(8) }
            $crate::matrix! { @cell [$run] epoll_current_thread, $crate::Driver::Epoll, None }
            $crate::matrix! { @cell [$run] epoll_multi_thread_1, $crate::Driver::Epoll, Some(1) }
            $crate::matrix! { @cell [$run] epoll_multi_thread_2, $crate::Driver::Epoll, Some(2) }
            $crate::matrix! { @cell [$run] epoll_multi_thread_8, $crate::Driver::Epoll, Some(8) }
        }
    };
    (@cell [$run:ident] $cell:ident, $driver:expr, $workers:expr) => {
        #[test]
        fn $cell() {
            let setup = $crate::Setup { driver: $driver, workers: $workers };
            if setup.is_possible() {
                $crate::$run(module_path!(), stringify!($cell), || test(setup));
            }
        }
    };
}

/// A `yamanote::runtime::Builder` for one cell of the matrix, with everything enabled.
#[macro_export]
macro_rules! builder {
    ($setup:expr) => {{
        let setup: $crate::Setup = $setup;
        let mut builder = match setup.workers {
            None => yamanote::runtime::Builder::new_current_thread(),
            Some(workers) => {
                let mut builder = yamanote::runtime::Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
        };
        builder.enable_all().driver(match setup.driver {
            $crate::Driver::Uring => yamanote::runtime::DriverChoice::Uring,
            $crate::Driver::Epoll => yamanote::runtime::DriverChoice::Epoll,
        });
        builder
    }};
}
