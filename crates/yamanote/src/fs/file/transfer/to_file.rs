//! From file to file in jobs of the blocking pool: by copy_file_range(2), or by large reads and
//! writes on file systems that would do no more than that themselves.
//!
//! Both handles are busy while a job runs, so that whatever they do later comes after it. It moves
//! both cursors over what it copied. If the copy's future is dropped meanwhile, both files keep
//! what the job did.
//!
//! A job is over after a moment, and soon after the future was dropped. So it asks for a few
//! megabytes at a time; for more where that is quick, because the file system shares blocks instead
//! of copying them.
#![forbid(unsafe_code)]

use std::fs::File as StdFile;
use std::future::Future;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::{OpenFile, has_nothing_first};
use crate::fs::cached::position_and_rest;
use crate::fs::file::cursor::{Cursor, Operation};
use crate::fs::file::jobs::{Duty, learn_facts, take_back};
use crate::fs::file::shared::{Shared, Side};
use crate::fs::pool;
use crate::fs::punt;
use crate::fs::strategy::Facts;
use crate::io::splice::uninterrupted;
use crate::io::transfer::{Ends, Moved, Mover, Next};
use crate::loom::sync::MutexGuard;
use crate::runtime::context;
use crate::runtime::punts::FileOperation;
use crate::sync::oneshot;
use crate::sys::file_copy::copy_file_range;
use crate::sys::fs::{self as sys, Wait};

/// The most that a job is asked for. The copy takes it from what the source may give, and gives
/// back what was not copied, so that a copy that is dropped never exceeds a limit.
const JOB_MAX: u64 = 1 << 50;

/// After this time a job makes no other call.
const JOB_TIME: Duration = Duration::from_millis(20);

/// What the first call of a job asks for. One that is followed by another within a quarter of the
/// job's time doubles it.
const STEP_MIN: u64 = 2 << 20;
const STEP_MAX: u64 = 1 << 30;

/// Into a file system in memory, so much is read and written without a job.
const INLINE: u64 = 32 * 1024;

/// The buffer of a job that has to read and write.
const BUFFER: usize = 256 * 1024;

/// The mover of one copy.
#[derive(Debug)]
pub(super) struct ToFile {
    source: OpenFile,
    sink: OpenFile,
    job: Option<Job>,
}

/// A job under way.
#[derive(Debug)]
struct Job {
    reserved: u64,
    answer: oneshot::Receiver<Copied>,
}

/// What a job has done.
#[derive(Debug, Default)]
struct Copied {
    count: u64,
    end: JobEnd,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum JobEnd {
    /// The time was over, or everything was copied.
    InTime,
    /// The source gave nothing.
    NothingCame,
    /// Something did not work: reads and writes find out what. So does a job that never ran.
    #[default]
    Refused,
}

impl ToFile {
    pub(super) fn new(source: OpenFile, sink: OpenFile) -> ToFile {
        ToFile {
            source,
            sink,
            job: None,
        }
    }

    /// Ready when the job under way is over.
    fn poll_job(&mut self, cx: &mut Context<'_>, ends: &mut Ends<'_>) -> Poll<Moved> {
        let job = self.job.as_mut().expect("started before");
        let Copied { count, end } = ready!(Pin::new(&mut job.answer).poll(cx)).unwrap_or_default();
        let rest = job.reserved - count;
        self.job = None;
        (ends.source)(&mut |source| source.give_back(rest));
        let _ = context::with_current(|runtime| runtime.count_kernel_copied_bytes(count));
        let next = match end {
            JobEnd::InTime => Next::Again,
            // A read finds out whether that is the end.
            JobEnd::NothingCame | JobEnd::Refused => Next::GiveUp,
        };
        Poll::Ready(Moved { count, next })
    }

    /// What the visits of both ends say: how many bytes may go from one to the other.
    fn most(&self, ends: &mut Ends<'_>) -> Result<u64, Next> {
        let mut most = Err(Next::Plain);
        (ends.source)(&mut |source| {
            (ends.sink)(&mut |sink| {
                most = match sink.is_after_flush() {
                    true => Err(Next::Flush),
                    false => Ok(source.most().min(JOB_MAX)),
                };
            });
        });
        match most {
            Ok(0) => Err(Next::Plain),
            Ok(_) if self.is_done_inline() => Err(Next::GiveUp),
            most => most,
        }
    }

    /// Whether there is nothing, or so little that a few reads and writes do it without a job.
    fn is_done_inline(&self) -> bool {
        let (Some(source), Some(sink)) = (self.source.facts(), self.sink.facts()) else {
            return false;
        };
        let file = self.source.std.as_fd();
        let rest = match source.size_if_read_only() {
            Some(size) if size <= INLINE => size,
            _ => match source.look(|| position_and_rest(file)) {
                Some(Ok((_, rest))) => rest,
                _ => return false,
            },
        };
        rest == 0 || (sink.is_in_memory() && rest <= INLINE)
    }

    /// Ready, with both cursors, when an operation may begin at both.
    fn poll_both_free(&self, cx: &mut Context<'_>) -> Poll<Both<'_>> {
        loop {
            drop(ready!(self.source.shared.poll_free(Side::Reader, cx)));
            drop(ready!(self.sink.shared.poll_free(Side::Writer, cx)));
            let both = Both::lock(&self.source.shared, &self.sink.shared);
            if both.source.is_free() && both.sink.is_free() {
                return Poll::Ready(both);
            }
        }
    }

    /// Starts a job for up to `most` bytes; `None`: it is not the time for one.
    fn start(&self, most: u64, mut both: Both<'_>) -> Option<Job> {
        let is_clean = has_nothing_first(&both.source) && both.sink.write_error.is_none();
        let runtime = pool::live_runtime().ok()?;
        if !is_clean {
            return None;
        }
        both.source.begin(Operation::Copy);
        both.sink.begin(Operation::Copy);
        let ahead = both.sink.ahead.distance();
        drop(both);
        let (sender, answer) = oneshot::channel();
        let (source, sink) = (self.source.clone(), self.sink.clone());
        let duties = (Duty::new(&source.shared), Duty::new(&sink.shared));
        pool::spawn_detached(&runtime, move || {
            punt::note(FileOperation::Copy, source.std.as_fd());
            let copied = match take_back(&sink.std, ahead, || sink.shared.lock().ahead.clear()) {
                Ok(()) => copy(&source, &sink, most, || !sender.is_closed()),
                Err(_) => Copied::default(),
            };
            duties
                .0
                .end(source.std, |cursor| cursor.finish(Operation::Copy));
            duties
                .1
                .end(sink.std, |cursor| cursor.finish(Operation::Copy));
            let _ = sender.send(copied);
        });
        Some(Job {
            reserved: most,
            answer,
        })
    }
}

impl Mover for ToFile {
    fn poll_move(&mut self, cx: &mut Context<'_>, mut ends: Ends<'_>) -> Poll<io::Result<Moved>> {
        if self.job.is_none() {
            let most = match self.most(&mut ends) {
                Ok(most) => most,
                Err(next) => return Poll::Ready(Ok(Moved { count: 0, next })),
            };
            let both = ready!(self.poll_both_free(cx));
            match self.start(most, both) {
                Some(job) => self.job = Some(job),
                None => {
                    let next = Next::Plain;
                    return Poll::Ready(Ok(Moved { count: 0, next }));
                }
            }
            (ends.source)(&mut |source| source.take(most));
        }
        self.poll_job(cx, &mut ends).map(Ok)
    }

    fn read_held(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

/// The cursors of both ends.
struct Both<'a> {
    source: MutexGuard<'a, Cursor>,
    sink: MutexGuard<'a, Cursor>,
}

impl<'a> Both<'a> {
    /// Always in the same order: another copy may go the other way.
    fn lock(source: &'a Shared, sink: &'a Shared) -> Both<'a> {
        if std::ptr::from_ref(source) < std::ptr::from_ref(sink) {
            let source = source.lock();
            let sink = sink.lock();
            Both { source, sink }
        } else {
            let sink = sink.lock();
            let source = source.lock();
            Both { source, sink }
        }
    }
}

/// Copies up to `most` bytes for as long as a job may, while `is_wanted`.
fn copy(source: &OpenFile, sink: &OpenFile, most: u64, is_wanted: impl Fn() -> bool) -> Copied {
    let mut copied = Copied::default();
    for file in [source, sink] {
        learn_facts(&file.shared, &file.std);
        // Each read or write of a device or a pipe may be a message, and direct ones are aligned.
        if !file.shared.facts.get().is_some_and(Facts::is_plain) {
            return copied;
        }
    }
    if is_same_file(&source.std, &sink.std) {
        return copied; // It depends on the size of each read what such a copy does.
    }
    let began = Instant::now();
    let mut step = STEP_MIN;
    let copies_ranges = source.shared.facts.get().is_some_and(Facts::copies_ranges);
    let mut way = match copies_ranges {
        true => Way::Ranges,
        false => Way::Buffer(Vec::with_capacity(BUFFER)),
    };
    loop {
        if copied.count == most || began.elapsed() >= JOB_TIME || !is_wanted() {
            copied.end = JobEnd::InTime;
            return copied;
        }
        let asked = usize::try_from(step.min(most - copied.count)).unwrap_or(usize::MAX);
        match way.step(&source.std, &sink.std, asked) {
            Ok(0) => {
                copied.end = JobEnd::NothingCame;
                return copied;
            }
            Ok(n) => copied.count += n as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => match way {
                Way::Ranges => way = Way::Buffer(Vec::with_capacity(BUFFER)),
                Way::Buffer(_) => return copied,
            },
        }
        if began.elapsed() < JOB_TIME / 4 {
            step = (step * 2).min(STEP_MAX);
        }
    }
}

fn is_same_file(a: &StdFile, b: &StdFile) -> bool {
    let identify = |file: &StdFile| file.metadata().map(|file| (file.dev(), file.ino()));
    match (identify(a), identify(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => true,
    }
}

/// How a job copies.
enum Way {
    Ranges,
    /// Where that is quicker, and for other file systems, kernels and modes.
    Buffer(Vec<u8>),
}

impl Way {
    fn step(&mut self, from: &StdFile, to: &StdFile, asked: usize) -> io::Result<usize> {
        match self {
            Way::Ranges => copy_file_range(from.as_fd(), to.as_fd(), asked),
            Way::Buffer(buffer) => read_and_write(from, to, buffer, asked),
        }
    }
}

/// Reads once and writes what came. What cannot be written stays in the source.
fn read_and_write(
    mut from: &StdFile,
    to: &StdFile,
    buffer: &mut Vec<u8>,
    asked: usize,
) -> io::Result<usize> {
    buffer.clear();
    let asked = asked.min(BUFFER);
    let n = sys::read(from.as_fd(), buffer, asked, sys::AT_CURSOR, Wait::Allowed)?;
    let mut written = 0;
    while written < n {
        match uninterrupted(|| sys::write(to.as_fd(), &buffer[written..], sys::AT_CURSOR)) {
            Ok(more) if more > 0 => written += more,
            answer => {
                from.seek(SeekFrom::Current(written as i64 - n as i64))?;
                return match written {
                    0 => answer.and(Err(io::ErrorKind::WriteZero.into())),
                    _ => Ok(written),
                };
            }
        }
    }
    Ok(written)
}
