//! Crashes at the worst moment: when what a program has done is not on the disk yet.
#![forbid(unsafe_code)]

use super::Kernel;
use super::host::{HostId, Life};

/// A moment at which a host crashes by itself, if it has been asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// After a write to a file, or a change of a name, before a sync.
    Write,
    /// After something was sent while a change of the disk is not synced that is younger than the
    /// trap: who had to sync first and did not has told others of what is lost now.
    Send,
}

/// What a host crashes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trap {
    moment: Moment,
    /// The last change of its disk before.
    since: u64,
}

impl Kernel {
    /// Has the host crash at the next such moment, or not any more.
    pub(crate) fn set_trap(&mut self, host: HostId, moment: Option<Moment>) {
        let since = self.disk_of(host).tree.last_change();
        self.host_mut(host).trap = moment.map(|moment| Trap { moment, since });
    }

    /// It is such a moment for a host.
    pub(crate) fn come_by(&mut self, host: HostId, moment: Moment) {
        let Some(trap) = self.host(host).trap else {
            return;
        };
        if trap.moment != moment {
            return;
        }
        if moment == Moment::Write || self.disk_of(host).tree.is_pending_since(trap.since) {
            self.note(host, "trap", &[moment as u64], || format!("at={moment:?}"));
            self.crash_host(host);
        }
    }

    /// The host ends its life: what its threads do from now on reaches nobody.
    pub(crate) fn crash_host(&mut self, host: HostId) {
        let entry = self.host_mut(host);
        entry.trap = None;
        if std::mem::take(&mut entry.is_up) {
            entry.has_crashed = true;
            let number = entry.life;
            self.note(host, "crash", &[u64::from(number)], String::new);
            self.life_crashed(Life { host, number });
            self.disk_crash(host);
        }
    }
}
