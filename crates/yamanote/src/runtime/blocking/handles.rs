//! The handles of the pool's threads: who joins which.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io;
use std::mem;
use std::thread::{self, JoinHandle};

#[derive(Default)]
pub(super) struct Handles {
    threads: HashMap<u64, Thread>,
    next_thread: u64,
    /// The thread that ended last, and those that ended before they were known to run. The next to
    /// end joins them, so that no ended thread is left behind.
    ended: Vec<JoinHandle<()>>,
    /// Whether the shutdown waits for threads that are being started.
    is_awaited: bool,
}

enum Thread {
    /// Its handle is not here yet.
    Starting,
    /// It has ended, and its handle is not here yet.
    Ended,
    Running(JoinHandle<()>),
}

impl Handles {
    /// The number of a thread that is about to be started; [`started`](Self::started) follows.
    pub(super) fn starts(&mut self) -> u64 {
        let number = self.next_thread;
        self.next_thread += 1;
        self.threads.insert(number, Thread::Starting);
        number
    }

    /// The thread has been started, or could not be; it may have ended already.
    pub(super) fn started(
        &mut self,
        number: u64,
        started: io::Result<JoinHandle<()>>,
    ) -> io::Result<()> {
        let thread = self.threads.remove(&number);
        let handle = started?;
        match thread {
            Some(Thread::Ended) => self.ended.push(handle),
            _ => {
                self.threads.insert(number, Thread::Running(handle));
            }
        }
        Ok(())
    }

    /// Whether the shutdown has to wait for a handle; it will be told.
    pub(super) fn awaits(&mut self) -> bool {
        self.is_awaited = !self.all_started();
        self.is_awaited
    }

    /// Whether the shutdown waited, and has no more to wait for.
    pub(super) fn were_awaited(&mut self) -> bool {
        self.is_awaited && self.all_started() && mem::take(&mut self.is_awaited)
    }

    /// All of them; a thread that is started later gets a number of its own all the same.
    pub(super) fn take(&mut self) -> Handles {
        let none = Handles {
            next_thread: self.next_thread,
            ..Handles::default()
        };
        mem::replace(self, none)
    }

    fn all_started(&self) -> bool {
        let mut threads = self.threads.values();
        threads.all(|thread| matches!(thread, Thread::Running(_)))
    }

    /// Notes the end of a thread; returns those to be joined by it.
    pub(super) fn retire(&mut self, number: u64) -> Vec<JoinHandle<()>> {
        match self.threads.remove(&number) {
            Some(Thread::Running(own)) => mem::replace(&mut self.ended, vec![own]),
            Some(_) => {
                self.threads.insert(number, Thread::Ended);
                Vec::new()
            }
            // The shutdown has taken it.
            None => Vec::new(),
        }
    }

    pub(super) fn join_all(self) {
        let own = thread::current().id();
        let running = self
            .threads
            .into_values()
            .filter_map(|thread| match thread {
                Thread::Running(handle) => Some(handle),
                Thread::Starting | Thread::Ended => None,
            });
        for handle in running.chain(self.ended) {
            if handle.thread().id() != own {
                let _ = handle.join();
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Handles;
    use std::io;
    use std::thread;

    /// The thread that starts it was slow: the next to end joins it all the same.
    #[test]
    fn a_thread_that_ends_before_it_is_known_to_run() {
        let mut handles = Handles::default();
        let (early, next) = (handles.starts(), handles.starts());
        assert!(handles.retire(early).is_empty());
        assert!(handles.awaits());
        handles.started(early, Ok(thread::spawn(|| ()))).unwrap();
        assert!(handles.awaits());
        assert!(!handles.were_awaited());
        handles.started(next, Ok(thread::spawn(|| ()))).unwrap();
        assert!(handles.were_awaited());
        assert!(!handles.were_awaited());
        assert!(!handles.awaits());
        let joined = handles.retire(next);
        assert_eq!(joined.len(), 1);
        joined.into_iter().for_each(|it| it.join().unwrap());
        let rest = handles.take();
        assert_eq!((rest.threads.len(), rest.ended.len()), (0, 1));
        rest.join_all();
        assert_eq!(handles.starts(), 2);
    }

    #[test]
    fn a_thread_that_cannot_be_started_is_not_waited_for() {
        let mut handles = Handles::default();
        let number = handles.starts();
        assert!(handles.awaits());
        let refused = handles.started(number, Err(io::Error::other("no thread")));
        assert_eq!(refused.unwrap_err().to_string(), "no thread");
        assert!(handles.were_awaited());
        assert!(handles.take().threads.is_empty());
    }
}
