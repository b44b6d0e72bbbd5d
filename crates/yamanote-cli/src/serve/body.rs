//! Response bodies: a few bytes in memory, or a stretch of a file read as the client takes it.
#![forbid(unsafe_code)]

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use yamanote::fs::File;

/// Bytes read from a file at a time.
const CHUNK: u64 = 128 * 1024;

type Reading = Pin<Box<dyn Future<Output = (io::Result<usize>, Vec<u8>)> + Send + Sync>>;

/// What is told when a body ends: how many bytes went out.
pub type OnEnd = Box<dyn FnOnce(u64) + Send + Sync>;

pub struct Body {
    content: Content,
    sent: u64,
    on_end: Option<OnEnd>,
}

enum Content {
    Memory(Bytes),
    File {
        file: Arc<File>,
        /// The next byte to read.
        position: u64,
        end: u64,
        reading: Option<Reading>,
    },
}

impl Body {
    pub fn memory(bytes: impl Into<Bytes>) -> Body {
        Body::new(Content::Memory(bytes.into()))
    }

    /// The bytes `start..end` of `file`.
    pub fn file(file: File, start: u64, end: u64) -> Body {
        Body::new(Content::File {
            file: Arc::new(file),
            position: start,
            end,
            reading: None,
        })
    }

    fn new(content: Content) -> Body {
        Body {
            content,
            sent: 0,
            on_end: None,
        }
    }

    /// Calls `on_end` when the body is done with, complete or not.
    pub fn when_done(mut self, on_end: OnEnd) -> Body {
        self.on_end = Some(on_end);
        self
    }

    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File { position, end, .. } => end - position,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let bytes = match &mut this.content {
            Content::Memory(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Content::Memory(bytes) => std::mem::take(bytes),
            Content::File { position, end, .. } if position == end => return Poll::Ready(None),
            Content::File {
                file,
                position,
                end,
                reading,
            } => {
                let left = *end - *position;
                let read = reading.get_or_insert_with(|| {
                    let (file, position) = (Arc::clone(file), *position);
                    Box::pin(async move {
                        let buffer = vec![0; left.min(CHUNK) as usize];
                        file.read_at(buffer, position).await
                    })
                });
                let (result, mut buffer) = ready!(read.as_mut().poll(cx));
                *reading = None;
                match result {
                    Ok(0) => {
                        let error = "the file became shorter while it was sent";
                        return Poll::Ready(Some(Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            error,
                        ))));
                    }
                    Ok(count) => {
                        buffer.truncate(count);
                        *position += count as u64;
                        Bytes::from(buffer)
                    }
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
        };
        this.sent += bytes.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(on_end) = self.on_end.take() {
            on_end(self.sent);
        }
    }
}
