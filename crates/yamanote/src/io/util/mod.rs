//! What the I/O traits give their users: the `Ext` traits, one file for each of their futures, and
//! readers, writers and pipes made of memory and of one another.
#![forbid(unsafe_code)]

mod async_buf_read_ext;
mod async_read_ext;
mod async_seek_ext;
mod async_write_ext;
pub use async_buf_read_ext::AsyncBufReadExt;
pub use async_read_ext::AsyncReadExt;
pub use async_seek_ext::AsyncSeekExt;
pub use async_write_ext::AsyncWriteExt;

// Futures of `AsyncReadExt`.
mod read;
mod read_buf;
mod read_exact;
mod read_number;
mod read_to_end;
mod read_to_string;

// Futures of `AsyncBufReadExt`.
mod fill_buf;
mod lines;
mod read_line;
mod read_until;
mod split;
pub use lines::Lines;
pub use split::Split;

// Futures of `AsyncWriteExt`.
mod flush;
mod shutdown;
mod write;
mod write_all;
mod write_all_buf;
mod write_buf;
mod write_number;
mod write_vectored;

mod bypass;
mod copy;
mod copy_bidirectional;
mod copy_buf;
pub use copy::copy;
pub use copy_bidirectional::{copy_bidirectional, copy_bidirectional_with_sizes};
pub use copy_buf::copy_buf;

// Adapters.
mod buf_reader;
mod buf_stream;
mod buf_writer;
mod chain;
mod take;
pub use buf_reader::BufReader;
pub use buf_stream::BufStream;
pub use buf_writer::BufWriter;
pub use chain::Chain;
pub use take::Take;

// Sources and sinks.
mod empty;
mod mem;
mod repeat;
mod sink;
pub use empty::{Empty, empty};
pub use mem::{DuplexStream, SimplexStream, duplex, simplex};
pub use repeat::{Repeat, repeat};
pub use sink::{Sink, sink};

use std::task::{Context, Poll, ready};

use crate::util::coop;

/// The buffer size of a reader, a writer or a copy whose caller asks for none. As in `std`.
const DEFAULT_BUF_SIZE: usize = 8 * 1024;

/// How many chunks of a [`bytes::Buf`] are handed to one vectored write.
const MAX_CHUNKS: usize = 64;

/// Begins a poll of a resource that is always ready: traces it and spends budget.
fn poll_always_ready(cx: &mut Context<'_>) -> Poll<()> {
    ready!(coop::poll_proceed(cx)).made_progress();
    Poll::Ready(())
}

/// Repeats an operation that ends with [`Interrupted`](std::io::ErrorKind::Interrupted).
fn uninterrupted<T>(
    mut operation: impl FnMut() -> Poll<std::io::Result<T>>,
) -> Poll<std::io::Result<T>> {
    loop {
        match operation() {
            Poll::Ready(Err(e)) if e.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
