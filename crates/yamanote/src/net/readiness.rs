//! Waiting for readiness: methods that every socket and pipe has, written once. Each macro stands in
//! an `impl` block of a type with a field `io: Evented<_>`.
#![forbid(unsafe_code)]

/// `ready`.
macro_rules! ready_method {
    () => {
        /// Waits until something of `interest` is ready, and tells what. Any number of tasks may
        /// wait.
        ///
        /// # Errors
        ///
        /// When the runtime it was made in has shut down.
        ///
        /// # Cancel safety
        ///
        /// Cancel safe: readiness stays until an operation answers `WouldBlock`, and the next call
        /// returns at once.
        pub async fn ready(
            &self,
            interest: crate::io::Interest,
        ) -> std::io::Result<crate::io::Ready> {
            let event = self.io.registration().readiness(interest).await?;
            Ok(event.ready)
        }
    };
}

/// `readable` and the polling method called `$poll_ready`.
macro_rules! read_readiness {
    ($poll_ready:ident) => {
        /// Waits until there is something to read; [`ready`](Self::ready) for
        /// [`Interest::READABLE`](crate::io::Interest::READABLE).
        ///
        /// # Errors
        ///
        /// As [`ready`](Self::ready). An error of the descriptor is readiness: the read that
        /// follows reports it.
        ///
        /// # Cancel safety
        ///
        /// Cancel safe.
        pub async fn readable(&self) -> std::io::Result<()> {
            self.ready(crate::io::Interest::READABLE).await.map(drop)
        }

        /// Polls for read readiness. Only the task of the last call is woken, and all methods that
        /// poll for something to read count as such a call.
        ///
        /// # Errors
        ///
        /// When the runtime it was made in has shut down. An error of the descriptor is readiness:
        /// the read that follows reports it.
        pub fn $poll_ready(
            &self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.io.registration().poll_read_ready(cx).map_ok(drop)
        }
    };
}

/// `writable` and the polling method called `$poll_ready`.
macro_rules! write_readiness {
    ($poll_ready:ident) => {
        /// Waits until there is room to write; [`ready`](Self::ready) for
        /// [`Interest::WRITABLE`](crate::io::Interest::WRITABLE).
        ///
        /// # Errors
        ///
        /// As [`ready`](Self::ready). An error of the descriptor is readiness: the write that
        /// follows reports it.
        ///
        /// # Cancel safety
        ///
        /// Cancel safe.
        pub async fn writable(&self) -> std::io::Result<()> {
            self.ready(crate::io::Interest::WRITABLE).await.map(drop)
        }

        /// Polls for write readiness. Only the task of the last call is woken, and all methods that
        /// poll for room to write count as such a call.
        ///
        /// # Errors
        ///
        /// When the runtime it was made in has shut down. An error of the descriptor is readiness:
        /// the write that follows reports it.
        pub fn $poll_ready(
            &self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.io.registration().poll_write_ready(cx).map_ok(drop)
        }
    };
}

/// `try_io` and `async_io`, for operations of the caller's own.
macro_rules! custom_operations {
    () => {
        /// Calls `f`, an operation on this socket's descriptor, once if `interest` is believed
        /// ready, and ends that belief if it answers `WouldBlock`.
        ///
        /// `f` must answer `WouldBlock` only if the socket does, and must not use the other methods
        /// of this socket.
        ///
        /// # Errors
        ///
        /// `WouldBlock`, without calling `f`, if the socket is not known to be ready; what `f`
        /// answers otherwise.
        pub fn try_io<R>(
            &self,
            interest: crate::io::Interest,
            f: impl FnOnce() -> std::io::Result<R>,
        ) -> std::io::Result<R> {
            self.io.registration().try_io(interest, f)
        }

        /// Waits for `interest` and calls `f`, an operation on this socket's descriptor, again and
        /// again until it answers anything but `WouldBlock`.
        ///
        /// `f` must answer `WouldBlock` only if the socket does, and must not use the other methods
        /// of this socket.
        ///
        /// # Errors
        ///
        /// What `f` answers, except `WouldBlock`; and when the runtime it was made in has shut
        /// down.
        ///
        /// # Cancel safety
        ///
        /// Cancel safe: once `f` has succeeded the result is returned without another wait.
        pub async fn async_io<R>(
            &self,
            interest: crate::io::Interest,
            f: impl FnMut() -> std::io::Result<R>,
        ) -> std::io::Result<R> {
            self.io.registration().async_io(interest, f).await
        }
    };
}

pub(super) use {custom_operations, read_readiness, ready_method, write_readiness};
