//! Reading and writing a stream of bytes: what TCP streams, Unix streams, their halves and the ends of
//! pipes have in common, written once.
#![forbid(unsafe_code)]

/// Reads that do not wait, in an `impl` block of a type with a field `io: Evented<_>`.
macro_rules! try_read_methods {
    () => {
        /// Reads what is there. `Ok(0)` is the end of the stream, or an empty `buf`.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is nothing to read; those of read(2).
        pub fn try_read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.io
                .registration()
                .try_io(crate::io::Interest::READABLE, || {
                    std::io::Read::read(&mut &*self.io, buf)
                })
        }

        /// Like [`try_read`](Self::try_read), into several buffers, one after the other.
        ///
        /// # Errors
        ///
        /// As [`try_read`](Self::try_read).
        pub fn try_read_vectored(
            &self,
            bufs: &mut [std::io::IoSliceMut<'_>],
        ) -> std::io::Result<usize> {
            self.io
                .registration()
                .try_io(crate::io::Interest::READABLE, || {
                    std::io::Read::read_vectored(&mut &*self.io, bufs)
                })
        }

        /// Like [`try_read`](Self::try_read), into the room of a [`BufMut`](bytes::BufMut), which
        /// is advanced.
        ///
        /// # Errors
        ///
        /// As [`try_read`](Self::try_read).
        pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            self.io
                .registration()
                .try_io(crate::io::Interest::READABLE, || {
                    crate::io::evented::read_into_buf_mut(&*self.io, buf)
                })
        }
    };
}

/// Writes that do not wait, in an `impl` block of a type with a field `io: Evented<_>`.
macro_rules! try_write_methods {
    () => {
        /// Writes as much as there is room for.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is no room; those of write(2).
        pub fn try_write(&self, buf: &[u8]) -> std::io::Result<usize> {
            self.io
                .registration()
                .try_io(crate::io::Interest::WRITABLE, || {
                    std::io::Write::write(&mut &*self.io, buf)
                })
        }

        /// Like [`try_write`](Self::try_write), from several buffers, one after the other.
        ///
        /// # Errors
        ///
        /// As [`try_write`](Self::try_write).
        pub fn try_write_vectored(&self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
            self.io
                .registration()
                .try_io(crate::io::Interest::WRITABLE, || {
                    std::io::Write::write_vectored(&mut &*self.io, bufs)
                })
        }
    };
}

/// `AsyncRead` for `$T`, whose `Evented` is `$io` of `$this`.
macro_rules! impl_async_read {
    ($T:ty, $this:ident => $io:expr) => {
        impl crate::io::AsyncRead for $T {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut crate::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $this = self.get_mut();
                $io.poll_read(cx, buf)
            }
        }
    };
}

/// `AsyncWrite` for `$T`, whose `Evented` is `$io` of `$this`, and whose end is `$shutdown` of it.
macro_rules! impl_async_write {
    ($T:ty, $this:ident => $io:expr, $shutdown:expr) => {
        impl crate::io::AsyncWrite for $T {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = self.get_mut();
                $io.poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = self.get_mut();
                $io.poll_write_vectored(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            /// Does nothing: what was written is in the kernel.
            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            /// Closes the write direction: the peer reads the end of the stream. Does nothing to a
            /// pipe, which ends when it is dropped.
            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $this = self.get_mut();
                std::task::Poll::Ready($shutdown)
            }
        }
    };
}

/// `shut_down_write` of a stream.
macro_rules! shut_down_write_method {
    () => {
        /// Closes the write half. A connection that is gone already is as closed as it can be.
        pub(in crate::net) fn shut_down_write(&self) -> std::io::Result<()> {
            match self.io.shutdown(std::net::Shutdown::Write) {
                Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Ok(()),
                result => result,
            }
        }
    };
}

pub(super) use {
    impl_async_read, impl_async_write, shut_down_write_method, try_read_methods, try_write_methods,
};
