//! Response bodies: a few bytes in memory, or a stretch of a file that is read as the client takes
//! it.
#![forbid(unsafe_code)]

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use yamanote::fs::File;
use yamanote::sync::OwnedSemaphorePermit;

/// Bytes read from a file at a time.
const CHUNK: u64 = 128 * 1024;

type Reading = Pin<Box<dyn Future<Output = (io::Result<usize>, Vec<u8>)> + Send + Sync>>;

/// Called when a body ends, with the number of bytes that went out.
pub type OnEnd = Box<dyn FnOnce(u64) + Send + Sync>;

pub struct Body {
    content: Content,
    sent: u64,
    on_end: Option<OnEnd>,
}

enum Content {
    Memory(Bytes),
    File(Stretch),
}

/// A file, and the right to have it open.
pub struct OpenFile {
    pub file: File,
    _permit: OwnedSemaphorePermit,
}

impl OpenFile {
    pub fn new(file: std::fs::File, permit: OwnedSemaphorePermit) -> OpenFile {
        OpenFile {
            file: file.into(),
            _permit: permit,
        }
    }
}

struct Stretch {
    open: Arc<OpenFile>,
    /// The next byte to read.
    position: u64,
    end: u64,
    reading: Option<Reading>,
}

impl Body {
    pub fn memory(bytes: impl Into<Bytes>) -> Body {
        Body::new(Content::Memory(bytes.into()))
    }

    /// The bytes `start..end` of a file.
    pub fn file(open: OpenFile, start: u64, end: u64) -> Body {
        Body::new(Content::File(Stretch {
            open: Arc::new(open),
            position: start,
            end,
            reading: None,
        }))
    }

    fn new(content: Content) -> Body {
        Body {
            content,
            sent: 0,
            on_end: None,
        }
    }

    /// Reads what fits into one chunk at once, and closes its file.
    pub async fn loaded(mut self) -> Body {
        if let Content::File(stretch) = &self.content {
            let (wanted, position) = (stretch.end - stretch.position, stretch.position);
            if wanted <= CHUNK {
                let buffer = Vec::with_capacity(wanted as usize);
                let (result, mut buffer) = stretch.open.file.read_at(buffer, position).await;
                // If the file has become shorter or fails, the body meets that again.
                if result.is_ok_and(|count| count as u64 >= wanted) {
                    buffer.truncate(wanted as usize);
                    self.content = Content::Memory(buffer.into());
                }
            }
        }
        self
    }

    /// Calls `on_end` when the body is done with, complete or not.
    pub fn when_done(mut self, on_end: OnEnd) -> Body {
        self.on_end = Some(on_end);
        self
    }

    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File(stretch) => stretch.end - stretch.position,
        }
    }
}

impl Stretch {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let wanted = (self.end - self.position).min(CHUNK) as usize;
        let reading = self.reading.get_or_insert_with(|| {
            let (open, position) = (Arc::clone(&self.open), self.position);
            Box::pin(async move {
                let buffer = Vec::with_capacity(wanted);
                open.file.read_at(buffer, position).await
            })
        });
        let (result, mut buffer) = ready!(reading.as_mut().poll(cx));
        self.reading = None;
        Poll::Ready(match result {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was sent",
            )),
            Ok(_) => {
                buffer.truncate(wanted);
                self.position += buffer.len() as u64;
                Ok(Bytes::from(buffer))
            }
            Err(error) => Err(error),
        })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let bytes = match &mut self.content {
            Content::Memory(bytes) => std::mem::take(bytes),
            Content::File(stretch) => ready!(stretch.poll_chunk(cx))?,
        };
        self.sent += bytes.len() as u64;
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
