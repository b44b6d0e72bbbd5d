//! The one switch between `std` and [loom](https://docs.rs/loom): a structure that is model-checked
//! takes its atomics, locks and cells from here.
#![forbid(unsafe_code)]
#![allow(unused_imports)]

#[cfg(not(all(test, loom)))]
mod imp {
    pub(crate) mod sync {
        pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
        pub(crate) mod atomic {
            pub(crate) use std::sync::atomic::{
                AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
                Ordering, fence,
            };
        }
    }
    pub(crate) mod cell {
        /// `std::cell::UnsafeCell` with loom's closure interface.
        #[derive(Debug, Default)]
        pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

        impl<T> UnsafeCell<T> {
            pub(crate) const fn new(value: T) -> Self {
                UnsafeCell(std::cell::UnsafeCell::new(value))
            }

            /// Calls `f` with the cell's address; the caller answers for shared access.
            pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
                f(self.0.get())
            }

            /// Calls `f` with the cell's address; the caller answers for exclusive access.
            pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
                f(self.0.get())
            }
        }
    }
    pub(crate) mod thread {
        pub(crate) use std::thread::{JoinHandle, Thread, current, park, spawn, yield_now};
    }
    pub(crate) mod hint {
        pub(crate) use std::hint::spin_loop;
    }
}

#[cfg(all(test, loom))]
mod imp {
    pub(crate) mod sync {
        pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
        pub(crate) mod atomic {
            pub(crate) use loom::sync::atomic::{
                AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
                Ordering, fence,
            };
        }
    }
    pub(crate) use loom::{cell, hint, thread};
}

pub(crate) use imp::*;
