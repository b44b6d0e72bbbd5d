//! The macros, under the shim's name.
#![forbid(unsafe_code)]
#![deny(unfulfilled_lint_expectations)]

use std::panic::catch_unwind;
use std::sync::Mutex;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::runtime::RuntimeFlavor::{CurrentThread, MultiThread};

tokio::task_local! {
    static NUMBER: u32;
}

#[tokio::test]
async fn a_test_runs_on_one_thread() {
    assert_eq!(Handle::current().runtime_flavor(), CurrentThread);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn or_on_several() {
    assert_eq!(Handle::current().runtime_flavor(), MultiThread);
    assert_eq!(tokio::spawn(async { 1 }).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn or_with_a_paused_clock() {
    tokio::time::sleep(Duration::from_secs(86_400)).await;
}

#[test]
fn main_runs_on_several() {
    #[tokio::main]
    async fn flavor() -> tokio::runtime::RuntimeFlavor {
        Handle::current().runtime_flavor()
    }
    assert_eq!(flavor(), MultiThread);
}

// The compiler gives no warning for a function that it takes for a macro's own. This test is that
// it does warn about this one.
#[expect(dead_code)]
#[tokio::main]
async fn a_function_that_is_never_called_is_reported() {}

#[tokio::test]
async fn the_declarative_ones_find_their_crate() {
    let later = async { tokio::task::yield_now().await };
    tokio::pin!(later);
    let first = tokio::select! {
        biased;
        () = &mut later => 1,
        two = async { 2 } => two,
    };
    assert_eq!(first, 2);
    assert_eq!(tokio::join!(async { 1 }, async { 2 }), (1, 2));
    let failed: Result<(u8, u8), &str> = tokio::try_join!(async { Ok(1) }, async { Err("no") });
    assert_eq!(failed, Err("no"));
    assert_eq!(NUMBER.scope(5, async { NUMBER.get() }).await, 5);
}

#[test]
fn a_panic_is_reported_where_the_caller_stands() {
    static PLACE: Mutex<Option<(String, u32)>> = Mutex::new(None);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().unwrap();
        *PLACE.lock().unwrap() = Some((place.file().to_owned(), place.line()));
    }));
    let line = line!() + 1;
    let result = catch_unwind(|| tokio::spawn(async {}));
    std::panic::set_hook(hook);
    assert!(result.is_err());
    assert_eq!(*PLACE.lock().unwrap(), Some((file!().to_owned(), line)));
}
