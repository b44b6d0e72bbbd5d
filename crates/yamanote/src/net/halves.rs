//! The halves of a stream, written once for TCP and Unix: borrowed ones for one task, owned ones for
//! two.
#![forbid(unsafe_code)]

/// What a read half can do, in an `impl` block; its `$Stream` is `$stream` of `$this`.
macro_rules! read_half_methods {
    ($Stream:ident, $Address:ty, $this:ident => $stream:expr) => {
        #[doc = concat!("Waits until there is something to read. Cancel safe, and fails when the runtime has shut down; see [`", stringify!($Stream), "::readable`].")]
        pub async fn readable(&self) -> std::io::Result<()> {
            let $this = self;
            $stream.readable().await
        }

        #[doc = concat!("Reads what is there, or fails with `WouldBlock` if there is nothing; errors as [`", stringify!($Stream), "::try_read`].")]
        pub fn try_read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            let $this = self;
            $stream.try_read(buf)
        }

        #[doc = concat!("Reads what is there into several buffers; errors as [`", stringify!($Stream), "::try_read_vectored`].")]
        pub fn try_read_vectored(
            &self,
            bufs: &mut [std::io::IoSliceMut<'_>],
        ) -> std::io::Result<usize> {
            let $this = self;
            $stream.try_read_vectored(bufs)
        }

        #[doc = concat!("Reads what is there into a [`BufMut`](bytes::BufMut); errors as [`", stringify!($Stream), "::try_read_buf`].")]
        pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            let $this = self;
            $stream.try_read_buf(buf)
        }

        crate::net::halves::half_methods!($Stream, $Address, $this => $stream);
    };
}

/// What a write half can do, in an `impl` block; its `$Stream` is `$stream` of `$this`.
macro_rules! write_half_methods {
    ($Stream:ident, $Address:ty, $this:ident => $stream:expr) => {
        #[doc = concat!("Waits until there is room to write. Cancel safe, and fails when the runtime has shut down; see [`", stringify!($Stream), "::writable`].")]
        pub async fn writable(&self) -> std::io::Result<()> {
            let $this = self;
            $stream.writable().await
        }

        #[doc = concat!("Writes as much as there is room for, or fails with `WouldBlock` if there is none; errors as [`", stringify!($Stream), "::try_write`].")]
        pub fn try_write(&self, buf: &[u8]) -> std::io::Result<usize> {
            let $this = self;
            $stream.try_write(buf)
        }

        #[doc = concat!("Writes from several buffers; errors as [`", stringify!($Stream), "::try_write_vectored`].")]
        pub fn try_write_vectored(&self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
            let $this = self;
            $stream.try_write_vectored(bufs)
        }

        crate::net::halves::half_methods!($Stream, $Address, $this => $stream);
    };
}

/// What both halves can do.
macro_rules! half_methods {
    ($Stream:ident, $Address:ty, $this:ident => $stream:expr) => {
        #[doc = concat!("Waits for readiness. Cancel safe, and fails when the runtime has shut down; see [`", stringify!($Stream), "::ready`].")]
        pub async fn ready(
            &self,
            interest: crate::io::Interest,
        ) -> std::io::Result<crate::io::Ready> {
            let $this = self;
            $stream.ready(interest).await
        }

        /// The address of the other end. Errors are those of getpeername(2): ENOTCONN when the
        /// connection is gone.
        pub fn peer_addr(&self) -> std::io::Result<$Address> {
            let $this = self;
            $stream.peer_addr()
        }

        /// The address of this end. Errors are those of getsockname(2).
        pub fn local_addr(&self) -> std::io::Result<$Address> {
            let $this = self;
            $stream.local_addr()
        }
    };
}

/// `ReadHalf`, `WriteHalf` and the function `split` that makes them.
macro_rules! borrowed_halves {
    ($Stream:ident, $Address:ty) => {
        #[doc = concat!("The borrowed read half of a [`", stringify!($Stream), "`], made by [`", stringify!($Stream), "::split`].")]
        ///
        /// It has the reading methods of the stream, which say more about each.
        #[derive(Debug)]
        pub struct ReadHalf<'a>(&'a $Stream);

        #[doc = concat!("The borrowed write half of a [`", stringify!($Stream), "`], made by [`", stringify!($Stream), "::split`].")]
        ///
        /// It has the writing methods of the stream, which say more about each. Its `shutdown`
        /// closes the write direction; dropping it does not.
        #[derive(Debug)]
        pub struct WriteHalf<'a>(&'a $Stream);

        pub(super) fn split(stream: &mut $Stream) -> (ReadHalf<'_>, WriteHalf<'_>) {
            (ReadHalf(stream), WriteHalf(stream))
        }

        impl ReadHalf<'_> {
            crate::net::halves::read_half_methods!($Stream, $Address, this => this.0);
        }

        impl WriteHalf<'_> {
            crate::net::halves::write_half_methods!($Stream, $Address, this => this.0);
        }

        crate::net::bytes::impl_async_read!(ReadHalf<'_>, this => this.0.io);
        crate::net::bytes::impl_async_write!(WriteHalf<'_>, this => this.0.io, this.0.shut_down_write());

        impl AsRef<$Stream> for ReadHalf<'_> {
            fn as_ref(&self) -> &$Stream {
                self.0
            }
        }

        impl AsRef<$Stream> for WriteHalf<'_> {
            fn as_ref(&self) -> &$Stream {
                self.0
            }
        }
    };
}

/// `OwnedReadHalf`, `OwnedWriteHalf`, `ReuniteError` and the function `split` that makes them.
macro_rules! owned_halves {
    ($Stream:ident, $Address:ty) => {
        #[doc = concat!("The owned read half of a [`", stringify!($Stream), "`], made by [`", stringify!($Stream), "::into_split`].")]
        ///
        /// It has the reading methods of the stream, which say more about each. Dropping it does
        /// nothing to the connection.
        #[derive(Debug)]
        pub struct OwnedReadHalf {
            stream: std::sync::Arc<$Stream>,
        }

        #[doc = concat!("The owned write half of a [`", stringify!($Stream), "`], made by [`", stringify!($Stream), "::into_split`].")]
        ///
        /// It has the writing methods of the stream, which say more about each. Dropping it shuts
        /// the write direction down, so that the peer reads the end of the stream;
        /// [`forget`](OwnedWriteHalf::forget) drops it without that.
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: std::sync::Arc<$Stream>,
            shuts_down_on_drop: bool,
        }

        pub(super) fn split(stream: $Stream) -> (OwnedReadHalf, OwnedWriteHalf) {
            let stream = std::sync::Arc::new(stream);
            let read = OwnedReadHalf {
                stream: std::sync::Arc::clone(&stream),
            };
            let write = OwnedWriteHalf {
                stream,
                shuts_down_on_drop: true,
            };
            (read, write)
        }

        fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<$Stream, ReuniteError> {
            if !std::sync::Arc::ptr_eq(&read.stream, &write.stream) {
                return Err(ReuniteError(read, write));
            }
            write.forget();
            Ok(std::sync::Arc::into_inner(read.stream)
                .expect("only the two halves share a stream"))
        }

        /// Two halves of different streams cannot be one; gives both back.
        #[derive(Debug)]
        pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

        impl std::fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("tried to reunite halves that are not from the same socket")
            }
        }

        impl std::error::Error for ReuniteError {}

        impl OwnedReadHalf {
            /// Puts the halves together again.
            ///
            /// # Errors
            ///
            /// If they come from different streams.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$Stream, ReuniteError> {
                reunite(self, other)
            }

            crate::net::halves::read_half_methods!($Stream, $Address, this => this.stream);
        }

        impl OwnedWriteHalf {
            /// Puts the halves together again.
            ///
            /// # Errors
            ///
            /// If they come from different streams.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$Stream, ReuniteError> {
                reunite(other, self)
            }

            /// Drops this half without shutting the write direction down.
            pub fn forget(mut self) {
                self.shuts_down_on_drop = false;
            }

            fn shut_down(&mut self) -> std::io::Result<()> {
                let result = self.stream.shut_down_write();
                if result.is_ok() {
                    self.shuts_down_on_drop = false;
                }
                result
            }

            crate::net::halves::write_half_methods!($Stream, $Address, this => this.stream);
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.shuts_down_on_drop {
                    // The peer may be gone, and nobody is left to tell.
                    let _ = self.stream.shut_down_write();
                }
            }
        }

        crate::net::bytes::impl_async_read!(OwnedReadHalf, this => this.stream.io);
        crate::net::bytes::impl_async_write!(OwnedWriteHalf, this => this.stream.io, this.shut_down());

        impl AsRef<$Stream> for OwnedReadHalf {
            fn as_ref(&self) -> &$Stream {
                &self.stream
            }
        }

        impl AsRef<$Stream> for OwnedWriteHalf {
            fn as_ref(&self) -> &$Stream {
                &self.stream
            }
        }
    };
}

pub(super) use {
    borrowed_halves, half_methods, owned_halves, read_half_methods, write_half_methods,
};
