//! Readiness of a [`TcpStream`], and the operations that answer `WouldBlock` instead of waiting.
#![forbid(unsafe_code)]

use crate::net::TcpStream;
use crate::net::bytes::{try_read_methods, try_write_methods};
use crate::net::readiness::{custom_operations, read_readiness, ready_method, write_readiness};

/// # Readiness and non-blocking operations
///
/// Wait for readiness, then try: because readiness is a hint, an attempt may still answer
/// [`WouldBlock`](std::io::ErrorKind::WouldBlock), which ends the readiness.
///
/// ```no_run
/// # use yamanote::net::TcpStream;
/// # async fn example(stream: TcpStream) -> std::io::Result<()> {
/// let mut buf = [0; 4096];
/// loop {
///     stream.readable().await?;
///     match stream.try_read(&mut buf) {
///         Ok(0) => break,
///         Ok(n) => println!("{n} bytes"),
///         Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
///         Err(error) => return Err(error),
///     }
/// }
/// # Ok(()) }
/// ```
impl TcpStream {
    ready_method!();
    read_readiness!(poll_read_ready);
    write_readiness!(poll_write_ready);
    try_read_methods!();
    try_write_methods!();
    custom_operations!();
}
