//! From the number in a kernel event back to its source, without a lock.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use super::source::Source;
use crate::util::counter::Counter;
use crate::util::poison::unpoisoned;
use crate::util::wake_list::WakeList;

/// Pages of doubling length, never moved or freed, so that a look-up needs no lock. A source lives
/// as long as the table and serves one descriptor after another: a connection costs an allocation
/// here only if there have never been as many at the same time.
pub(super) struct Table {
    pages: [OnceLock<Page>; PAGES],
    free: Mutex<Free>,
    /// Registrations alive. Written with `free` locked. Relaxed: a thread sees its own, and nobody
    /// waits to see those of others.
    live: AtomicUsize,
    /// Registrations that ever were. Written as `live` is.
    registered: Counter,
}

type Page = Box<[OnceLock<Arc<Source>>]>;

const FIRST_PAGE_LEN: usize = 64;
/// Enough for 2^26 descriptors, the most Linux lets a process have by default being 2^20. Where a
/// pointer has 32 bits, as many as a token can name beside its generation.
const PAGES: usize = if usize::BITS >= 64 { 20 } else { 14 };

struct Free {
    /// Sources no registration uses, the last used on top.
    released: Vec<u32>,
    /// Sources made so far.
    len: u32,
    is_shutdown: bool,
}

/// The table is shut down.
#[derive(Debug)]
pub(super) struct ShutDown;

impl Table {
    pub(super) fn new() -> Self {
        Table {
            pages: [const { OnceLock::new() }; PAGES],
            free: Mutex::new(Free {
                released: Vec::new(),
                len: 0,
                is_shutdown: false,
            }),
            live: AtomicUsize::new(0),
            registered: Counter::new(),
        }
    }

    /// A source for a new registration, and its number.
    pub(super) fn insert(&self) -> Result<(u32, Arc<Source>), ShutDown> {
        let mut free = self.lock();
        if free.is_shutdown {
            return Err(ShutDown);
        }
        let index = match free.released.pop() {
            Some(index) => index,
            None => {
                free.len += 1;
                free.len - 1
            }
        };
        // Made under the lock, so that `shut_down` finds a source at every number below `len`.
        let (page, offset) = address(index);
        let page = self.pages[page].get_or_init(|| new_page(page));
        let source = page[offset].get_or_init(|| Arc::new(Source::new()));
        let source = Arc::clone(source);
        self.live.store(self.live() + 1, Relaxed);
        self.registered.add(1);
        Ok((index, source))
    }

    pub(super) fn get(&self, index: u32) -> Option<&Source> {
        let (page, offset) = address(index);
        let page = self.pages.get(page)?.get()?;
        page[offset].get().map(|source| &**source)
    }

    /// Ends the registration that [`insert`](Table::insert) began.
    pub(super) fn release(&self, index: u32, source: &Source) {
        source.release();
        let mut free = self.lock();
        free.released.push(index);
        self.live.store(self.live() - 1, Relaxed);
    }

    /// Refuses registrations from now on and ends every wait.
    pub(super) fn shut_down(&self, wakers: &mut WakeList) {
        let len = {
            let mut free = self.lock();
            free.is_shutdown = true;
            free.len
        };
        for source in (0..len).filter_map(|index| self.get(index)) {
            source.shut_down(wakers);
        }
    }

    /// Registrations that ever were.
    pub(super) fn registered(&self) -> u64 {
        self.registered.get()
    }

    /// Registrations alive.
    pub(super) fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        unpoisoned(self.free.lock())
    }
}

fn new_page(page: usize) -> Page {
    (0..FIRST_PAGE_LEN << page)
        .map(|_| OnceLock::new())
        .collect()
}

/// Page and offset of a number: page p starts at `FIRST_PAGE_LEN * (2^p - 1)`.
fn address(index: u32) -> (usize, usize) {
    let index = index as usize;
    let page = (index / FIRST_PAGE_LEN + 1).ilog2() as usize;
    (page, index - FIRST_PAGE_LEN * ((1 << page) - 1))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_fill_the_pages_in_order() {
        let mut expected = (0, 0);
        for index in 0..10_000 {
            assert_eq!(address(index), expected);
            expected.1 += 1;
            if expected.1 == FIRST_PAGE_LEN << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert!(address(u32::MAX).0 >= PAGES, "get() must answer None");
    }

    #[test]
    fn a_released_source_comes_back_under_another_generation() {
        let table = Table::new();
        let (index, source) = table.insert().unwrap();
        let generation = source.generation();
        table.release(index, &source);
        assert_eq!(table.live(), 0);
        let (again, same) = table.insert().unwrap();
        assert_eq!(again, index);
        assert!(Arc::ptr_eq(&source, &same));
        assert_ne!(same.generation(), generation);
        assert_eq!(table.live(), 1);
    }

    #[test]
    fn nothing_registers_after_shutdown() {
        let table = Table::new();
        let (_, source) = table.insert().unwrap();
        table.shut_down(&mut WakeList::new());
        assert!(table.insert().is_err());
        assert!(source.look(super::super::Interest::READABLE).is_shutdown);
    }
}
