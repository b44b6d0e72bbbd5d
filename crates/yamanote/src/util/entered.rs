//! Whether this thread is running a runtime's futures now, so that it must not block.
//!
//! Set around `block_on` and around a worker's whole life, lifted for the length of
//! `block_in_place`. A plain thread-local cell at the bottom of the crate, so that what blocks
//! (`blocking_send` and its kin) can ask without knowing the runtime.
#![forbid(unsafe_code)]

use std::cell::Cell;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entered {
    No,
    Yes { allow_block_in_place: bool },
}

thread_local! {
    static ENTERED: Cell<Entered> = const { Cell::new(Entered::No) };
}

/// What this thread does. `No` when the thread's locals are destroyed: no future runs then.
pub(crate) fn get() -> Entered {
    ENTERED.try_with(Cell::get).unwrap_or(Entered::No)
}

/// Whether this thread is running a runtime's futures and so must not block.
pub(crate) fn is_entered() -> bool {
    get() != Entered::No
}

/// Puts the outer value back when dropped.
pub(crate) struct EnteredGuard {
    outer: Entered,
}

impl EnteredGuard {
    pub(crate) fn set(entered: Entered) -> Self {
        EnteredGuard {
            outer: ENTERED.with(|cell| cell.replace(entered)),
        }
    }
}

impl Drop for EnteredGuard {
    fn drop(&mut self) {
        let _ = ENTERED.try_with(|cell| cell.set(self.outer));
    }
}

/// Until it is dropped, a thread that runs a runtime's futures may not become one that blocks: what
/// it runs now cannot move to another thread.
pub(crate) struct NoBlockInPlace {
    _guard: Option<EnteredGuard>,
}

impl NoBlockInPlace {
    pub(crate) fn set() -> Self {
        let allowed = Entered::Yes {
            allow_block_in_place: true,
        };
        NoBlockInPlace {
            _guard: (get() == allowed).then(|| {
                EnteredGuard::set(Entered::Yes {
                    allow_block_in_place: false,
                })
            }),
        }
    }
}
