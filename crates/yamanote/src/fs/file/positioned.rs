//! Reads and writes at offsets, with owned buffers, any number of them at once.
//!
//! They never touch the cursor. A write whose future is dropped goes on, and the handle's later
//! operations come after it (rule C5 of [`super::cursor`]): its ticket, which the operation owns,
//! tells the handle when the kernel is done with it.
#![forbid(unsafe_code)]

use std::fs::File as StdFile;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::File;
use super::cursor::Operation;
use super::jobs;
use super::shared::Shared;
use crate::buf::{BufResult, IoBuf, IoBufMut};
use crate::fs::punt;
use crate::fs::strategy::{ByRing, Facts};
use crate::fs::{pool, submit};
use crate::runtime::Handle;
use crate::runtime::driver::op;
use crate::runtime::driver::ops::read::Read;
use crate::runtime::driver::ops::write::Write;
use crate::runtime::punts::FileOperation;
use crate::sys::fs::{self as sys, Wait};

/// The file that an operation works on, kept open until the kernel is done; so is the ticket of a
/// write.
#[derive(Debug)]
struct TargetFile {
    std: Arc<StdFile>,
    _ticket: Option<Ticket>,
}

impl AsFd for TargetFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.std.as_fd()
    }
}

/// A positioned write under way; dropped when it has ended.
#[derive(Debug)]
struct Ticket {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let awaited = self.shared.lock().finish_write_at(self.number);
        if awaited {
            self.shared.wake_all();
        }
    }
}

/// Makes an orphan of the write if its future is dropped before it has ended.
struct OrphanGuard<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for OrphanGuard<'_> {
    fn drop(&mut self) {
        self.shared.lock().orphan_write_at(self.number);
    }
}

fn invalid_offset() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}

/// What a thread of the pool does before it reads.
fn prepare_read_at(shared: &Shared, std: &StdFile) {
    punt::note(FileOperation::Read, std.as_fd());
    jobs::prepare_read(shared, std);
}

/// The same before it writes.
fn prepare_write_at(_shared: &Shared, std: &StdFile) {
    punt::note(FileOperation::Write, std.as_fd());
}

impl File {
    /// Reads at `offset` into the beginning of `buf`, at most as much as it has room for, and
    /// gives it back with the number of bytes read; 0 is the end of the file. The cursor stays
    /// where it is.
    ///
    /// # Errors
    ///
    /// Those of pread(2), `InvalidInput` for an offset past `i64::MAX`. The buffer comes back in
    /// any case.
    ///
    /// # Interrupted calls
    ///
    /// On io_uring the kernel reads bytes that are not cached on behalf of the worker, and the end
    /// of such a read interrupts whatever blocking call that thread happens to be in: one of the
    /// program's own (`epoll_wait`, a std socket with a timeout) may answer `Interrupted`, as after
    /// a signal. The kernel has no way to complete the read that leaves the thread alone and still
    /// lets other workers see the result. Blocking calls belong in `spawn_blocking`, whose threads
    /// are not interrupted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the buffer and nothing else.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let file = yamanote::fs::File::open("data.bin").await?;
    /// let (a, b) = yamanote::join!(
    ///     file.read_at(Vec::with_capacity(4096), 0),
    ///     file.read_at(Vec::with_capacity(4096), 1 << 20),
    /// );
    /// let (result, first_page) = a;
    /// println!("{} bytes, {:?}", result?, &first_page[..4]);
    /// # drop(b);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_at<B>(&self, mut buf: B, offset: u64) -> BufResult<usize, B>
    where
        B: IoBufMut + 'static,
    {
        let Ok(position) = i64::try_from(offset) else {
            return (Err(invalid_offset()), buf);
        };
        let runtime = match self.begin_positioned().await {
            Ok(runtime) => runtime,
            Err(error) => return (Err(error), buf),
        };
        let wanted = buf.bytes_total();
        let facts = self.facts();
        if let Some(facts) = facts {
            let fd = self.std.as_fd();
            let read = |wait| sys::read_owned(fd, &mut buf, position, wait);
            if let Some(result) = facts.read(wanted, read) {
                return (result, buf);
            }
        }
        let by_ring = facts.and_then(|facts| facts.ring_read(wanted));
        let make = |buf, wait| {
            let file = TargetFile {
                std: self.std.clone(),
                _ticket: None,
            };
            (Read::new(file, buf, offset).wait(wait), None)
        };
        self.by_ring_or_pool(&runtime, by_ring, prepare_read_at, buf, make)
            .await
    }

    /// Writes the initialised bytes of `buf` at `offset`, perhaps not all of them, and gives it
    /// back with the number of bytes written. The cursor stays where it is. On a file opened with
    /// `append` Linux writes at the end, whatever the offset.
    ///
    /// # Errors
    ///
    /// Those of pwrite(2), `InvalidInput` for an offset past `i64::MAX`. The buffer comes back in
    /// any case.
    ///
    /// # Interrupted calls
    ///
    /// As for [`read_at`](File::read_at), of direct writes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the buffer. It is then open whether the bytes are written, but
    /// whatever this handle is asked to do later comes after them.
    pub async fn write_at<B>(&self, buf: B, offset: u64) -> BufResult<usize, B>
    where
        B: IoBuf + 'static,
    {
        let Ok(position) = i64::try_from(offset) else {
            return (Err(invalid_offset()), buf);
        };
        let runtime = match self.begin_positioned().await {
            Ok(runtime) => runtime,
            Err(error) => return (Err(error), buf),
        };
        let wanted = buf.bytes_init();
        let facts = self.facts();
        if let Some(facts) = facts {
            let fd = self.std.as_fd();
            let write = || sys::write_owned(fd, &buf, position);
            if let Some(result) = facts.write(fd, wanted, write) {
                return (result, buf);
            }
        }
        let by_ring = facts.and_then(Facts::ring_write);
        let make = |buf, wait| {
            let (file, guard) = self.begin_write_at();
            let write = Write::new(file, buf, offset).wait(wait);
            (write, Some(guard))
        };
        self.by_ring_or_pool(&runtime, by_ring, prepare_write_at, buf, make)
            .await
    }

    /// Does the operation that `make` makes of `buf`: by the ring, if `by_ring` says how and this
    /// thread has one; otherwise, and if the ring leaves it undone, by the pool, after `prepare`.
    async fn by_ring_or_pool<'a, T, B>(
        &'a self,
        runtime: &Handle,
        by_ring: Option<ByRing<'_>>,
        prepare: fn(&Shared, &StdFile),
        mut buf: B,
        make: impl Fn(B, Wait) -> (T, Option<OrphanGuard<'a>>),
    ) -> BufResult<usize, B>
    where
        T: op::Operation<Output = BufResult<usize, B>>,
        B: Send + 'static,
    {
        if let Some(by_ring) = by_ring.filter(|_| submit::has_ring(runtime)) {
            let (operation, _guard) = make(buf, by_ring.wait);
            let timed = self.shared.is_timing_due(by_ring.mount).then_some(&by_ring);
            let (answer, back) = submit::to_ring(runtime, operation, timed).await;
            if !by_ring.is_undone(&answer) {
                return (answer, back);
            }
            buf = back;
        }
        let (shared, std) = (self.shared.clone(), self.std.clone());
        let (operation, _guard) = make(buf, Wait::Allowed);
        submit::to_pool(runtime, move || prepare(&shared, &std), operation).await
    }

    /// What the operation of a write keeps, and what its future keeps.
    fn begin_write_at(&self) -> (TargetFile, OrphanGuard<'_>) {
        let number = self.shared.lock().begin_write_at();
        let ticket = Ticket {
            shared: self.shared.clone(),
            number,
        };
        let file = TargetFile {
            std: self.std.clone(),
            _ticket: Some(ticket),
        };
        let shared = &self.shared;
        (file, OrphanGuard { shared, number })
    }

    /// Waits for what a positioned operation must not overtake: orphaned writes, and writes
    /// accepted at the cursor.
    async fn begin_positioned(&self) -> io::Result<Handle> {
        pool::progress().await;
        self.shared
            .until(|cursor| {
                let is_before = matches!(
                    cursor.operation(),
                    Some(Operation::Write | Operation::Whole)
                );
                (!is_before && !cursor.has_orphans()).then(pool::live_runtime)
            })
            .await
    }
}
