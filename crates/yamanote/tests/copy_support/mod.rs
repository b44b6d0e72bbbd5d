//! What the tests of copies of files share.
#![allow(dead_code, reason = "each of the test files uses a part")]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use yamanote::io::{AsyncRead, AsyncWrite};
use yamanote::net::unix::pipe;
use yamanote::net::{TcpListener, TcpStream, UnixStream};
use yamanote::runtime::Handle;
use yamanote_test::{Setup, builder};

/// Bytes of which no part looks like another.
pub fn bytes(len: usize) -> Vec<u8> {
    let mut word = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub fn run<F: Future<Output = ()> + Send + 'static>(setup: Setup, test: F) {
    let runtime = builder!(setup).build().unwrap();
    runtime.block_on(async { yamanote::spawn(test).await.unwrap() });
}

pub fn copied_by_the_kernel() -> u64 {
    Handle::current().metrics().kernel_copied_bytes()
}

pub type Reader = Box<dyn AsyncRead + Unpin + Send>;
pub type Writer = Box<dyn AsyncWrite + Unpin + Send>;

/// Each kind of stream, to write to and to read from.
pub async fn streams() -> Vec<(Writer, Reader)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp_writer = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let tcp_reader = listener.accept().await.unwrap().0;
    let (unix_writer, unix_reader) = UnixStream::pair().unwrap();
    let (sender, receiver) = pipe::pipe().unwrap();
    vec![
        (Box::new(tcp_writer), Box::new(tcp_reader)),
        (Box::new(unix_writer), Box::new(unix_reader)),
        (Box::new(sender), Box::new(receiver)),
    ]
}

/// Polls until the copy is ready or has been pending so often.
pub async fn poll_times(future: impl Future, times: usize) {
    let mut future = pin!(future);
    for _ in 0..times {
        let is_over = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
        if is_over {
            return;
        }
        yamanote::task::yield_now().await;
        std::thread::yield_now();
    }
}
