//! A future together with the place for its output: one branch of `join!` or `try_join!`.
#![forbid(unsafe_code)]

use pin_project_lite::pin_project;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// A branch: running, done, or done and its output taken.
    ///
    /// `repr(C)` keeps the discriminant beside the future. In the default layout it may lie in a
    /// niche of the future's own bytes. A future that borrows from itself, as async blocks do,
    /// would then have those bytes read through another pointer while it holds its borrows.
    #[repr(C)]
    #[project = MaybeDoneProj]
    #[project_replace = MaybeDoneOwned]
    #[derive(Debug)]
    pub enum MaybeDone<F: Future> {
        Running { #[pin] future: F },
        Done { output: F::Output },
        Taken,
    }
}

/// A branch that has yet to run.
pub fn maybe_done<F: IntoFuture>(future: F) -> MaybeDone<F::IntoFuture> {
    MaybeDone::Running {
        future: future.into_future(),
    }
}

impl<F: Future> MaybeDone<F> {
    /// Polls the future if it still runs; ready once the output is there.
    pub fn poll_done(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let output = match self.as_mut().project() {
            MaybeDoneProj::Running { future } => ready!(future.poll(cx)),
            MaybeDoneProj::Done { .. } => return Poll::Ready(()),
            MaybeDoneProj::Taken => panic!("a joined future was polled after it had completed"),
        };
        self.set(MaybeDone::Done { output });
        Poll::Ready(())
    }

    /// Takes the output of a branch that is done.
    pub fn take_output(self: Pin<&mut Self>) -> F::Output {
        match self.project_replace(MaybeDone::Taken) {
            MaybeDoneOwned::Done { output } => output,
            _ => unreachable!("the branch is done"),
        }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> MaybeDone<F> {
    /// Takes the error, if the branch is done and has failed.
    pub fn take_error(self: Pin<&mut Self>) -> Option<E> {
        if !matches!(&*self, MaybeDone::Done { output: Err(_) }) {
            return None;
        }
        self.take_output().err()
    }

    /// Takes the value of a branch that is done and has not failed.
    pub fn take_ok(self: Pin<&mut Self>) -> T {
        match self.take_output() {
            Ok(value) => value,
            Err(_) => unreachable!("an error ends the join at once"),
        }
    }
}
