//! `eventfd`: a number that writes add to and reads take.
#![forbid(unsafe_code)]

use super::Kernel;
use super::files::{Errno, FileId, Object, room, scatter, total};
use std::io::{IoSlice, IoSliceMut};

#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) value: u64,
    /// A read takes 1.
    pub(crate) is_semaphore: bool,
}

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;

impl Counter {
    pub(super) fn readiness(&self) -> u32 {
        let readable = if self.value > 0 { IN } else { 0 };
        let writable = if self.value < u64::MAX - 1 { OUT } else { 0 };
        readable | writable
    }
}

impl Kernel {
    fn counter(&mut self, id: FileId) -> Result<&mut Counter, Errno> {
        match &mut self.file_mut(id).object {
            Object::Counter(counter) => Ok(counter),
            _ => Err(libc::EINVAL),
        }
    }

    pub(super) fn counter_read(
        &mut self,
        id: FileId,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<usize, Errno> {
        let counter = self.counter(id)?;
        if room(bufs) < 8 {
            return Err(libc::EINVAL);
        }
        let taken = match counter.value {
            0 => return Err(libc::EAGAIN),
            _ if counter.is_semaphore => 1,
            all => all,
        };
        counter.value -= taken;
        scatter(&taken.to_ne_bytes(), bufs);
        self.changed(id, OUT);
        Ok(8)
    }

    pub(super) fn counter_write(
        &mut self,
        id: FileId,
        bufs: &[IoSlice<'_>],
    ) -> Result<usize, Errno> {
        let counter = self.counter(id)?;
        // Exactly so many since Linux 6.9, at least before.
        if total(bufs) != 8 {
            return Err(libc::EINVAL);
        }
        let mut bytes = [0; 8];
        let given = bufs.iter().flat_map(|buf| buf.iter());
        bytes
            .iter_mut()
            .zip(given)
            .for_each(|(to, from)| *to = *from);
        let added = u64::from_ne_bytes(bytes);
        if added == u64::MAX {
            return Err(libc::EINVAL);
        }
        match counter.value.checked_add(added) {
            None | Some(u64::MAX) => return Err(libc::EAGAIN),
            Some(sum) => counter.value = sum,
        }
        self.changed(id, IN);
        Ok(8)
    }
}
