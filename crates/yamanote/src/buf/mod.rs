//! Owned buffers: memory that an operation may keep until the kernel is done with it.
//!
//! The calls that take a buffer by value (`read_at`, `write_at` and friends) lend it to the kernel
//! and give it back with the result, even when they fail: see [`BufResult`]. While the call is
//! under way nobody else has the buffer, so the kernel may read or fill it in its own time; if the
//! call's future is dropped, the runtime keeps the buffer until the kernel has let go of it.
//!
//! [`IoBuf`] is implemented by what can be written from, [`IoBufMut`] by what can be read into.
//! [`IoBuf::slice`] lends only a part.
//!
//! ```
//! use yamanote::buf::IoBuf;
//!
//! // Room for 4 KiB, of which the kernel would fill the second half.
//! let mut page = vec![0u8; 2048];
//! page.reserve_exact(2048);
//! let half = page.slice(2048..4096);
//! assert_eq!(half.bytes_init(), 0);
//! assert_eq!(half.bytes_total(), 2048);
//! let page = half.into_inner();
//! assert_eq!(page.len(), 2048);
//! ```

mod io_buf;
mod slice;

pub(crate) mod owned;

pub use io_buf::{IoBuf, IoBufMut};
pub use slice::Slice;

use std::io;

/// The result of a call that borrowed a buffer by value, and the buffer.
///
/// ```
/// use yamanote::buf::BufResult;
///
/// fn report((result, buffer): BufResult<usize, Vec<u8>>) {
///     match result {
///         Ok(n) => println!("read {n} bytes: {:?}", &buffer[..n]),
///         Err(error) => println!("failed, but the {} bytes are back: {error}", buffer.len()),
///     }
/// }
/// report((Ok(2), vec![1, 2]));
/// ```
pub type BufResult<T, B> = (io::Result<T>, B);
