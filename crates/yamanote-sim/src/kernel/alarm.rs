//! `timerfd`: a descriptor that is readable once a time has come.
#![forbid(unsafe_code)]

use super::Kernel;
use super::files::{Errno, FileId, Object, room, scatter};
use super::timers::TimerId;
use std::io::IoSliceMut;

#[derive(Debug)]
pub(crate) struct Alarm {
    pub(crate) clock: i32,
    /// When it rings, or has rung first since it was read.
    due: Option<u64>,
    /// What lies between that and the next time; 0: there is none.
    interval: u64,
    has_rung: bool,
    timer: Option<TimerId>,
}

const IN: u32 = libc::EPOLLIN as u32;

impl Alarm {
    pub(crate) fn new(clock: i32) -> Alarm {
        Alarm {
            clock,
            due: None,
            interval: 0,
            has_rung: false,
            timer: None,
        }
    }

    pub(super) fn readiness(&self) -> u32 {
        if self.has_rung { IN } else { 0 }
    }
}

impl Kernel {
    pub(crate) fn alarm(&self, id: FileId) -> Result<&Alarm, Errno> {
        match &self.file(id).object {
            Object::Alarm(alarm) => Ok(alarm),
            _ => Err(libc::EINVAL),
        }
    }

    fn alarm_mut(&mut self, id: FileId) -> Result<&mut Alarm, Errno> {
        match self.find_file_mut(id).map(|file| &mut file.object) {
            Some(Object::Alarm(alarm)) => Ok(alarm),
            _ => Err(libc::EINVAL),
        }
    }

    /// Nanoseconds until it rings, 0 if it will not, and the interval.
    pub(crate) fn alarm_left(&self, id: FileId) -> Result<(u64, u64), Errno> {
        let alarm = self.alarm(id)?;
        let left = match alarm.due {
            // The next time, if it has rung.
            Some(due) if due <= self.now && alarm.interval > 0 => {
                alarm.interval - (self.now - due) % alarm.interval
            }
            Some(due) if alarm.has_rung => due.saturating_sub(self.now),
            Some(due) => due.saturating_sub(self.now).max(1),
            None => 0,
        };
        Ok((left, alarm.interval))
    }

    pub(crate) fn alarm_set(
        &mut self,
        id: FileId,
        due: Option<u64>,
        interval: u64,
    ) -> Result<(), Errno> {
        let alarm = self.alarm_mut(id)?;
        alarm.has_rung = false;
        alarm.due = due;
        alarm.interval = interval;
        self.alarm_arm(id)
    }

    fn alarm_arm(&mut self, id: FileId) -> Result<(), Errno> {
        let alarm = self.alarm_mut(id)?;
        let due = alarm.due;
        if let Some(old) = alarm.timer.take() {
            self.call_off(old);
        }
        match due {
            Some(due) if due <= self.now => self.alarm_rings(id),
            Some(due) => {
                let timer = self.at(due, move |kernel| kernel.alarm_rings(id));
                self.alarm_mut(id)?.timer = Some(timer);
            }
            None => {}
        }
        Ok(())
    }

    fn alarm_rings(&mut self, id: FileId) {
        if let Ok(alarm) = self.alarm_mut(id) {
            alarm.has_rung = true;
            alarm.timer = None;
            self.changed(id, IN);
        }
    }

    /// How often it has rung since it was set or read.
    pub(super) fn alarm_read(
        &mut self,
        id: FileId,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<usize, Errno> {
        let now = self.now;
        let alarm = self.alarm_mut(id)?;
        if room(bufs) < 8 {
            return Err(libc::EINVAL);
        }
        let (true, Some(due)) = (alarm.has_rung, alarm.due) else {
            return Err(libc::EAGAIN);
        };
        alarm.has_rung = false;
        let more = (now - due).checked_div(alarm.interval);
        let times = 1 + more.unwrap_or(0);
        let interval = alarm.interval;
        alarm.due = more.map(|more| due.saturating_add((more + 1).saturating_mul(interval)));
        scatter(&times.to_ne_bytes(), bufs);
        self.alarm_arm(id)?;
        Ok(8)
    }

    pub(super) fn alarm_close(&mut self, alarm: Alarm) {
        if let Some(timer) = alarm.timer {
            self.call_off(timer);
        }
    }
}
