//! The procedural macros of the yamanote runtime: the attributes that give an `async fn` a runtime,
//! and the generators behind `select!`, `join!` and `try_join!`.
//!
//! Nothing here is meant to be used directly: `yamanote` exports it all.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(
    clippy::needless_doctest_main,
    reason = "`main` is what they are about"
)]

mod entry;
mod join;
mod select;
mod sim_test;

use entry::{Host, Kind};
use proc_macro::TokenStream;

/// Runs an `async fn` to its end on a runtime made for it.
///
/// The function becomes a plain one that builds a runtime with everything enabled and blocks on its
/// body. It may have any name; only `main` itself may not take arguments. The body runs on the
/// calling thread, not on a worker: spawn what should run beside it.
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `flavor = "multi_thread"` | worker threads that steal from each other | yes |
/// | `flavor = "current_thread"` | everything on the calling thread | |
/// | `flavor = "local"` | as `current_thread`, and tasks need not be `Send` | |
/// | `worker_threads = N` | number of workers, `multi_thread` only | one per CPU |
/// | `start_paused = true` | the clock starts frozen, not with `multi_thread` | `false` |
/// | `name = "..."` | name of the runtime | none |
/// | `crate = "path"` | where to find the runtime's crate | `::yamanote` |
///
/// An option that is unknown, or that does not go with the others, is a compile error.
///
/// # Panics
///
/// If the runtime cannot be built: when threads are refused, or the environment variable
/// `YAMANOTE_DRIVER` asks for a driver that is not available. To handle that, build the runtime by
/// hand.
///
/// # Examples
///
/// ```
/// #[yamanote::main]
/// async fn main() {
///     println!("Hello world");
/// }
/// ```
///
/// which is this, without the macro:
///
/// ```
/// fn main() {
///     yamanote::runtime::Builder::new_multi_thread()
///         .enable_all()
///         .build()
///         .unwrap()
///         .block_on(async {
///             println!("Hello world");
///         })
/// }
/// ```
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Kind::Main, Host::Yamanote, args.into(), item.into()).into()
}

/// Makes an `async fn` a test that runs on a runtime of its own.
///
/// Takes the options of `main`; the default flavor is `current_thread`. The test may return a
/// `Result`, as any other.
///
/// # Panics
///
/// As `main`; the test fails then.
///
/// # Examples
///
/// ```
/// #[yamanote::test]
/// async fn adds() {
///     assert_eq!(async { 1 + 1 }.await, 2);
/// }
///
/// #[yamanote::test(flavor = "multi_thread", worker_threads = 1)]
/// async fn spawns() {
///     assert_eq!(yamanote::spawn(async { 2 }).await.unwrap(), 2);
/// }
///
/// #[yamanote::test(start_paused = true)]
/// async fn a_day_passes_at_once() {
///     yamanote::time::sleep(std::time::Duration::from_secs(86_400)).await;
/// }
/// ```
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Kind::Test, Host::Yamanote, args.into(), item.into()).into()
}

/// Makes an `async fn` a test that is run in simulations, each under a seed of its own.
///
/// The function gets a `Sim`; it may return a `Result`. It is the experiment, outside of all hosts.
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `seeds = N` | with how many seeds it is run: 0, 1, 2, ... | 100 |
/// | `limit = N` | how long a run may take, in seconds of virtual time | a day |
/// | `real_limit = N` | the same in seconds of real time | 120 |
/// | `order = "..."` | who runs next: `random`, `priorities`, `fifo` (Tokio's) | the seed chooses |
/// | `crate = "path"` | where to find the runtime's crate | `::yamanote` |
///
/// # Panics
///
/// The test does, if a run fails.
#[proc_macro_attribute]
pub fn sim_test(args: TokenStream, item: TokenStream) -> TokenStream {
    sim_test::expand(args.into(), item.into()).into()
}

/// [`macro@main`] for a crate that offers the runtime under the name `tokio`.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn tokio_main(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Kind::Main, Host::Tokio, args.into(), item.into()).into()
}

/// [`macro@test`] for a crate that offers the runtime under the name `tokio`.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn tokio_test(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Kind::Test, Host::Tokio, args.into(), item.into()).into()
}

/// [`macro@main`] of the shim without its feature `rt-multi-thread`.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn tokio_main_rt(args: TokenStream, item: TokenStream) -> TokenStream {
    let host = Host::TokioCurrentThread;
    entry::expand(Kind::Main, host, args.into(), item.into()).into()
}

/// [`macro@test`] of the shim without its feature `rt-multi-thread`.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn tokio_test_rt(args: TokenStream, item: TokenStream) -> TokenStream {
    let host = Host::TokioCurrentThread;
    entry::expand(Kind::Test, host, args.into(), item.into()).into()
}

/// [`macro@main`] of the shim without its feature `rt`: says that it is missing.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn tokio_main_fail(_: TokenStream, _: TokenStream) -> TokenStream {
    entry::refuse(Kind::Main, Host::Tokio).into()
}

/// [`macro@test`] of the shim without its feature `rt`: says that it is missing.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn tokio_test_fail(_: TokenStream, _: TokenStream) -> TokenStream {
    entry::refuse(Kind::Test, Host::Tokio).into()
}

/// Behind `yamanote::select!`, which passes `$crate` first.
#[doc(hidden)]
#[proc_macro]
pub fn select_internal(input: TokenStream) -> TokenStream {
    select::expand(input.into()).into()
}

/// Behind `yamanote::join!`, which passes `$crate` first.
#[doc(hidden)]
#[proc_macro]
pub fn join_internal(input: TokenStream) -> TokenStream {
    join::expand(join::Until::All, input.into()).into()
}

/// Behind `yamanote::try_join!`, which passes `$crate` first.
#[doc(hidden)]
#[proc_macro]
pub fn try_join_internal(input: TokenStream) -> TokenStream {
    join::expand(join::Until::FirstError, input.into()).into()
}
