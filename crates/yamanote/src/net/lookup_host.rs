//! Name resolution as a function of its own.
#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;

use super::ToSocketAddrs;
use super::addr;

/// Resolves a name, or anything else that stands for addresses.
///
/// Names are resolved by the system's resolver (`getaddrinfo`) on the blocking pool. The iterator
/// may be empty. Dropping the future does not stop a look-up that has begun.
///
/// # Errors
///
/// If the name cannot be resolved.
///
/// # Panics
///
/// Outside a runtime, if a name has to be looked up.
///
/// # Cancel safety
///
/// Cancel safe: a look-up that nobody waits for does no harm.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// for address in yamanote::net::lookup_host("localhost:3000").await? {
///     println!("{address}");
/// }
/// # Ok(()) }
/// ```
pub async fn lookup_host<T>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>>
where
    T: ToSocketAddrs,
{
    addr::resolve(host).await
}
