//! Guides: how to do what a service needs, one page for each question.
//!
//! - [`choosing`]: which runtime, which settings, and what runs where.
//! - [`bridging`]: synchronous code that calls asynchronous code, and the other way round.
//! - [`shutdown`]: how a program ends in good order.
//! - [`clock`]: tests in which an hour takes no time.
//! - [`profiling`]: where the time goes.
//!
//! These pages hold for Tokio too, but for what they say of files, rings and the environment
//! variables that begin with `YAMANOTE`.
#![forbid(unsafe_code)]

pub mod bridging;
pub mod choosing;
pub mod clock;
pub mod profiling;
pub mod shutdown;
