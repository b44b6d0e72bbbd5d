//! The end of an operation, in every order with tasks that wait for it, come meanwhile or give up.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::task::Poll;

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use super::{Shared, Side};
use crate::fs::file::cursor::Operation;

/// As a job ends a read.
fn end_read(shared: &Shared) {
    shared.lock().finish_read(b"x".to_vec(), Ok(1));
    shared.wake_all();
}

/// As `File::poll_read` waits.
async fn read(shared: &Shared) -> usize {
    poll_fn(|cx| {
        shared
            .poll_free(Side::Reader, cx)
            .map(|cursor| cursor.ahead.unread().len())
    })
    .await
}

/// As `File::flush` waits.
async fn flush(shared: &Shared) -> bool {
    poll_fn(|cx| {
        shared
            .poll_free(Side::Writer, cx)
            .map(|mut cursor| cursor.write_error.take())
    })
    .await
    .is_some()
}

/// As `File::sync_all` waits.
async fn idle(shared: &Shared) {
    shared.until(|cursor| cursor.is_free().then_some(())).await;
}

/// A call that is given up after its first poll.
async fn give_up(shared: &Shared) {
    let mut call = pin!(idle(shared));
    poll_fn(|cx| {
        let _ = call.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

fn busy(operation: Operation) -> Arc<Shared> {
    let shared = Arc::new(Shared::default());
    shared.lock().begin(operation);
    shared
}

#[test]
fn loom_file_the_end_of_a_read_meets_its_reader() {
    loom::model(|| {
        let shared = busy(Operation::Read);
        let job = thread::spawn({
            let shared = shared.clone();
            move || end_read(&shared)
        });
        assert_eq!(block_on(read(&shared)), 1);
        job.join().unwrap();
    });
}

#[test]
fn loom_file_two_calls_wait_and_one_gives_up() {
    // With fewer preemptions loom misses the call that does not look again.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let shared = busy(Operation::Read);
        let gives_up = thread::spawn({
            let shared = shared.clone();
            move || block_on(give_up(&shared))
        });
        let waits = thread::spawn({
            let shared = shared.clone();
            move || block_on(idle(&shared))
        });
        end_read(&shared);
        gives_up.join().unwrap();
        waits.join().unwrap();
    });
}

#[test]
fn loom_file_reader_and_writer_are_told_both() {
    loom::model(|| {
        let shared = busy(Operation::Read);
        let writes = thread::spawn({
            let shared = shared.clone();
            move || assert!(!block_on(flush(&shared)))
        });
        let job = thread::spawn({
            let shared = shared.clone();
            move || end_read(&shared)
        });
        assert_eq!(block_on(read(&shared)), 1);
        writes.join().unwrap();
        job.join().unwrap();
    });
}

/// What is queued is written by the worker in flight, or finds the handle idle; and a task that
/// waits for room is woken when there is some.
#[test]
fn loom_file_no_accepted_byte_is_left_behind() {
    loom::model(|| {
        let shared = busy(Operation::Write);
        assert_eq!(shared.lock().queue(&[IoSlice::new(b"a")], 1), 1);
        let job = thread::spawn({
            let shared = shared.clone();
            move || {
                let mut written = 0;
                let mut bytes = Vec::new();
                loop {
                    let mut cursor = shared.lock();
                    let next = cursor.finish_write(bytes, Ok(()));
                    drop(cursor);
                    shared.wake_all();
                    match next {
                        Some(next) => {
                            written += next.len();
                            bytes = next;
                        }
                        None => return written,
                    }
                }
            }
        });
        // There is room for one byte at a time.
        let queued = block_on(poll_fn(|cx| {
            shared.poll_until(Side::Writer, cx, |mut cursor| match cursor.operation() {
                Some(_) => (cursor.queue(&[IoSlice::new(b"b")], 1) == 1).then_some(1),
                None => Some(0),
            })
        }));
        block_on(idle(&shared));
        assert_eq!(job.join().unwrap(), 1 + queued);
    });
}

/// A write fails while another is accepted behind it: that one is not written, the next call learns
/// of the error, and the next write begins with nothing left over.
#[test]
fn loom_file_nothing_follows_a_failed_write() {
    loom::model(|| {
        let shared = busy(Operation::Write);
        let job = thread::spawn({
            let shared = shared.clone();
            move || {
                let full = io::Error::from_raw_os_error(libc::ENOSPC);
                assert!(shared.lock().finish_write(Vec::new(), Err(full)).is_none());
                shared.wake_all();
            }
        });
        let accepted = {
            let mut cursor = shared.lock();
            match cursor.operation() {
                Some(_) => cursor.queue(&[IoSlice::new(b"b")], 8),
                None => 0,
            }
        };
        assert!(accepted <= 1);
        assert!(block_on(flush(&shared)), "the error is told");
        let mut cursor = shared.lock();
        assert!(cursor.take_write_buffer().is_empty());
        cursor.begin(Operation::Write);
        drop(cursor);
        job.join().unwrap();
    });
}
