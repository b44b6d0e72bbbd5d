//! The shim's macros in a crate that knows it as `runtime`, has neither a `tokio` nor a `yamanote`
//! beside it, and gives the names that the macros use to things of its own.
#![forbid(unsafe_code)]
#![cfg(test)]

use std::time::Duration;

// What an expansion could find in place of what it means.
#[allow(dead_code)]
mod std_shadow {
    pub struct Poll;
    pub struct Pin;
    pub struct Future;
    pub struct Result;
    pub struct Option;
}
#[allow(unused_imports)]
use std_shadow::*;

runtime::task_local! {
    static NUMBER: u32;
}

#[runtime::main(crate = "runtime")]
async fn number() -> u32 {
    runtime::spawn(async { 1 }).await.unwrap()
}

#[test]
fn main_honours_its_crate_argument() {
    assert_eq!(number(), 1);
}

#[runtime::test(crate = "runtime", start_paused = true)]
async fn test_honours_its_crate_argument() {
    runtime::time::sleep(Duration::from_secs(3600)).await;
}

#[runtime::test(crate = "crate::inner::reexported")]
async fn the_crate_may_be_a_path() {
    runtime::task::yield_now().await;
}

mod inner {
    pub(crate) use runtime as reexported;
}

/// Without `crate = "..."` the name `tokio` is looked up where the attribute stands.
mod by_import {
    use crate::inner::reexported as tokio;

    #[tokio::test]
    async fn an_import_is_enough() {
        tokio::task::yield_now().await;
    }
}

#[runtime::test(crate = "runtime")]
async fn declarative_macros_need_no_name() {
    let later = async { runtime::task::yield_now().await };
    runtime::pin!(later);
    let first = runtime::select! {
        biased;
        () = &mut later => 1,
        two = async { 2 } => two,
        else => 3,
    };
    assert_eq!(first, 2);
    runtime::pin! {
        let late = async { 4 };
    }
    assert_eq!(runtime::join!(late, async { 2 }), (4, 2));
    let failed: ::std::result::Result<(u8, u8), &str> =
        runtime::try_join!(async { Ok(1) }, async { Err("no") });
    assert_eq!(failed, Err("no"));
    assert_eq!(NUMBER.scope(5, async { NUMBER.get() }).await, 5);
}
