//! Cursor operations that may wait, as jobs of the blocking pool.
//!
//! A job owns what it works with, so that it runs to its end even if nobody waits any more. It then
//! publishes the end in the handle's [`Cursor`] and wakes the waiting tasks. Before that it lets go
//! of the file, so that a handle seen idle is the file's only owner.
#![forbid(unsafe_code)]

use std::fs::File as StdFile;
use std::future::Future;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::cursor::{Cursor, Follower, Operation, SeekError};
use super::filled_pipe::FilledPipe;
use super::shared::Shared;
use crate::fs::pool;
use crate::fs::punt;
use crate::fs::strategy::Facts;
use crate::loom::sync::MutexGuard;
use crate::runtime::Handle;
use crate::runtime::punts::FileOperation;
use crate::sync::oneshot;
use crate::sys::fs::{self as sys, Wait};
use crate::util::first_panic::FirstPanic;

/// The duty to end the operation in flight. If it is dropped undischarged, because the job never
/// ran, the operation ends as failed.
pub(super) struct Duty(Option<Arc<Shared>>);

impl Duty {
    pub(super) fn new(shared: &Arc<Shared>) -> Duty {
        Duty(Some(shared.clone()))
    }

    fn shared(&self) -> &Shared {
        self.0.as_ref().expect("ended only by value")
    }

    /// The operation has been ended.
    fn discharge(mut self) {
        let shared = self.0.take().expect("ended only by value");
        shared.wake_all();
    }

    /// Ends the operation by `publish`, which runs under the cursor's lock.
    pub(super) fn end(self, std: Arc<StdFile>, publish: impl FnOnce(&mut Cursor)) {
        drop(std);
        publish(&mut self.shared().lock());
        self.discharge();
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            let followers = shared.lock().abandon();
            // That tells those who wait for them.
            drop(followers);
            shared.wake_all();
        }
    }
}

pub(super) fn learn_facts(shared: &Shared, std: &StdFile) {
    if shared.facts.get().is_none() {
        if let Ok(facts) = Facts::learn(std.as_fd()) {
            let _ = shared.facts.set(facts);
        }
    }
}

/// What a read that may wait does first, so that the next one may be inline.
pub(super) fn prepare_read(shared: &Shared, std: &StdFile) {
    learn_facts(shared, std);
    if let Some(facts) = shared.facts.get() {
        facts.try_out_reads(std.as_fd());
    }
}

/// Takes the kernel's cursor back over `ahead` bytes that the user has not read, which `clear` then
/// forgets. A file that has no cursor keeps them for the next read.
pub(super) fn take_back(mut std: &StdFile, ahead: i64, clear: impl FnOnce()) -> io::Result<()> {
    if ahead == 0 {
        return Ok(());
    }
    match std.seek(SeekFrom::Current(-ahead)) {
        Ok(_) => clear(),
        Err(error) if error.raw_os_error() == Some(libc::ESPIPE) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Reads up to `max` bytes at the cursor into `buf`, which is empty. Takes the cursor back over
/// `ahead` bytes first.
pub(super) fn spawn_read(
    runtime: &Handle,
    shared: &Arc<Shared>,
    std: Arc<StdFile>,
    mut buf: Vec<u8>,
    max: usize,
    ahead: i64,
) {
    let duty = Duty::new(shared);
    pool::spawn_detached(runtime, move || {
        punt::note(FileOperation::Read, std.as_fd());
        prepare_read(duty.shared(), &std);
        buf.reserve(max);
        let ready = take_back(&std, ahead, || duty.shared().lock().ahead.clear());
        let result = loop {
            if let Err(error) = ready {
                break Err(error);
            }
            match sys::read(std.as_fd(), &mut buf, max, sys::AT_CURSOR, Wait::Allowed) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => break result,
            }
        };
        duty.end(std, |cursor| cursor.finish_read(buf, result));
    });
}

/// What a write in flight accepted.
pub(super) enum Accepted {
    Bytes(Vec<u8>),
    Pipe(FilledPipe),
}

impl Accepted {
    /// Returns memory for the next bytes.
    fn write(self, mut std: &StdFile) -> (Vec<u8>, io::Result<()>) {
        match self {
            Accepted::Bytes(bytes) => {
                let result = std.write_all(&bytes);
                (bytes, result)
            }
            Accepted::Pipe(pipe) => (Vec::new(), pipe.write(std)),
        }
    }
}

/// Writes what was accepted at the cursor, and then what was queued meanwhile, until nothing is
/// left. Once this returns, the bytes reach the kernel without another call on the handle. If the
/// runtime accepts no more jobs, the write has instead ended as failed.
pub(super) fn spawn_write(
    runtime: &Handle,
    shared: &Arc<Shared>,
    std: Arc<StdFile>,
    mut accepted: Accepted,
    ahead: i64,
) {
    let duty = Duty::new(shared);
    pool::spawn_mandatory(runtime, move || {
        punt::note(FileOperation::Write, std.as_fd());
        learn_facts(duty.shared(), &std);
        let mut ready = take_back(&std, ahead, || duty.shared().lock().ahead.clear());
        // A waker that panics must not keep what was accepted from being written.
        let mut panics = FirstPanic::default();
        let followers = loop {
            let (memory, result) = match std::mem::replace(&mut ready, Ok(())) {
                Ok(()) => accepted.write(&std),
                Err(error) => (Vec::new(), Err(error)),
            };
            let mut cursor = duty.shared().lock();
            // Decided under the lock: a write accepted after this starts a job of its own.
            if let Some(next) = cursor.finish_write(memory, result) {
                accepted = Accepted::Bytes(next);
            } else {
                // Before the lock is let go, so that a handle seen idle owns the file.
                drop(std);
                break cursor.take_followers();
            }
            drop(cursor);
            // A writer may wait for room in the queue.
            panics.catch(|| duty.shared().wake_all());
        };
        panics.catch(|| duty.discharge());
        for Follower(call) in followers {
            panics.catch(call);
        }
        panics.resume();
    });
}

/// Runs `call`, which needs neither the kernel's cursor nor ours: on the worker of the write in
/// flight, behind that, if there is one (C7), else as a job of its own. The result goes to the
/// returned future; `call` runs even if that is dropped.
pub(super) fn spawn_behind_write(
    runtime: &Handle,
    mut cursor: MutexGuard<'_, Cursor>,
    std: Arc<StdFile>,
    call: fn(&StdFile) -> io::Result<()>,
) -> impl Future<Output = io::Result<()>> + use<> {
    let (sender, receiver) = oneshot::channel();
    let follow = move |is_alone: bool| {
        if is_alone {
            punt::note(FileOperation::Sync, std.as_fd());
        }
        let answer = call(&std);
        // The receiver may close its handle and expect the file to be closed.
        drop(std);
        let _ = sender.send(answer);
    };
    if cursor.operation() == Some(Operation::Write) {
        cursor.follow_write(Follower(Box::new(move || follow(false))));
    } else {
        drop(cursor);
        pool::spawn_detached(runtime, move || follow(true));
    }
    async move {
        receiver
            .await
            .unwrap_or_else(|_| Err(pool::background_task_failed()))
    }
}

/// Moves the cursor, in two steps if `first` is given.
pub(super) fn spawn_seek(
    runtime: &Handle,
    shared: &Arc<Shared>,
    std: Arc<StdFile>,
    first: Option<SeekFrom>,
    then: SeekFrom,
) {
    let duty = Duty::new(shared);
    pool::spawn_detached(runtime, move || {
        punt::note(FileOperation::Seek, std.as_fd());
        learn_facts(duty.shared(), &std);
        let result = seek(&std, first, then);
        duty.end(std, |cursor| {
            cursor.finish(Operation::Seek);
            cursor.set_seek_end(result);
        });
    });
}

/// The plain seek behind [`spawn_seek`].
pub(super) fn seek(
    mut std: &StdFile,
    first: Option<SeekFrom>,
    then: SeekFrom,
) -> Result<u64, SeekError> {
    if let Some(first) = first {
        std.seek(first).map_err(SeekError::before)?;
    }
    std.seek(then).map_err(|error| SeekError {
        error,
        has_moved: first.is_some(),
    })
}

/// Runs `f`, which changes the file as a whole, while the handle is busy with it. The result goes
/// to the returned future; `f` runs even if that is dropped.
pub(super) fn spawn_whole<F, T>(
    runtime: &Handle,
    shared: &Arc<Shared>,
    std: Arc<StdFile>,
    ahead: i64,
    f: F,
) -> impl Future<Output = io::Result<T>> + use<F, T>
where
    F: FnOnce(&StdFile) -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let duty = Duty::new(shared);
    pool::run_on(runtime, move || {
        punt::note(FileOperation::Write, std.as_fd());
        let ready = take_back(&std, ahead, || duty.shared().lock().ahead.clear());
        let result = ready.and_then(|()| f(&std));
        duty.end(std, |cursor| cursor.finish(Operation::Whole));
        result
    })
}
