//! `epoll`: sets of open files to be watched, and lists of those that something has happened to.
//!
//! A file is put at the end of the list when something happens to it that the set asks for. A wait
//! takes files from the front, and reports those that are ready then; one that is watched for its
//! level goes back to the end.
#![forbid(unsafe_code)]

use super::Kernel;
use super::files::{Errno, FileId, Object};
use super::thread::Key;
use std::collections::{BTreeMap, VecDeque};

/// A descriptor and the file that it named when it was added: what a set knows a file by.
type Member = (i32, FileId);

#[derive(Debug, Default)]
pub(crate) struct Epoll {
    members: BTreeMap<Member, Interest>,
    /// Members that something has happened to, each once.
    ready: VecDeque<Member>,
}

#[derive(Debug)]
struct Interest {
    /// As it was asked for, and `EPOLLERR` and `EPOLLHUP`. Flags only once a one-shot was reported.
    events: u32,
    data: u64,
    is_listed: bool,
}

/// A set that a file is in, as the file knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watcher {
    epoll: FileId,
    fd: i32,
    is_exclusive: bool,
}

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
const ALWAYS: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;
const EXCLUSIVE: u32 = libc::EPOLLEXCLUSIVE as u32;
const ONESHOT: u32 = libc::EPOLLONESHOT as u32;
const EDGE: u32 = libc::EPOLLET as u32;
const WAKEUP: u32 = libc::EPOLLWAKEUP as u32;
const FLAGS: u32 = EXCLUSIVE | ONESHOT | EDGE | WAKEUP;

/// With the other names of the same events, which counters and alarms do not know.
fn with_synonyms(object: &Object, events: u32) -> u32 {
    let mut all = events;
    if matches!(object, Object::Counter(_) | Object::Alarm(_)) {
        return events;
    }
    if events & IN != 0 {
        all |= libc::EPOLLRDNORM as u32;
    }
    if events & OUT != 0 {
        all |= libc::EPOLLWRNORM as u32;
    }
    all
}

impl Epoll {
    fn forget(&mut self, member: Member) -> Option<Interest> {
        let interest = self.members.remove(&member)?;
        if interest.is_listed {
            self.ready.retain(|other| *other != member);
        }
        Some(interest)
    }
}

impl Kernel {
    fn epoll(&self, id: FileId) -> Result<&Epoll, Errno> {
        match self.find_file(id).map(|file| &file.object) {
            Some(Object::Epoll(epoll)) => Ok(epoll),
            _ => Err(libc::EINVAL),
        }
    }

    fn epoll_mut(&mut self, id: FileId) -> Result<&mut Epoll, Errno> {
        match self.find_file_mut(id).map(|file| &mut file.object) {
            Some(Object::Epoll(epoll)) => Ok(epoll),
            _ => Err(libc::EINVAL),
        }
    }

    // --- the set

    pub(crate) fn epoll_add(
        &mut self,
        id: FileId,
        fd: i32,
        events: u32,
        data: u64,
    ) -> Result<(), Errno> {
        const WITH_EXCLUSIVE: u32 = IN | OUT | ALWAYS | WAKEUP | EDGE | EXCLUSIVE;
        let member = (fd, self.file_of(fd).ok_or(libc::EBADF)?);
        let is_exclusive = events & EXCLUSIVE != 0;
        match self.file(member.1).object {
            Object::Disk(_) => return Err(libc::EPERM),
            _ if self.epoll(id).is_err() => return Err(libc::EINVAL),
            Object::Epoll(_) if is_exclusive => return Err(libc::EINVAL),
            _ if is_exclusive && events & !WITH_EXCLUSIVE != 0 => return Err(libc::EINVAL),
            Object::Epoll(_) if self.epoll_reaches(member.1, id) => return Err(libc::ELOOP),
            _ => {}
        }
        if self.epoll(id)?.members.contains_key(&member) {
            return Err(libc::EEXIST);
        }
        let interest = Interest {
            events: events | ALWAYS,
            data,
            is_listed: false,
        };
        self.epoll_mut(id)?.members.insert(member, interest);
        let watcher = Watcher {
            epoll: id,
            fd,
            is_exclusive,
        };
        let watchers = &mut self.file_mut(member.1).watchers;
        // The last to come is told first, and those of whom one is told come after all others.
        match is_exclusive {
            true => watchers.push(watcher),
            false => watchers.insert(0, watcher),
        }
        self.list_if_ready(id, member);
        Ok(())
    }

    pub(crate) fn epoll_modify(
        &mut self,
        id: FileId,
        fd: i32,
        events: u32,
        data: u64,
    ) -> Result<(), Errno> {
        let member = (fd, self.file_of(fd).ok_or(libc::EBADF)?);
        let epoll = self.epoll_mut(id)?;
        if events & EXCLUSIVE != 0 {
            return Err(libc::EINVAL);
        }
        let interest = epoll.members.get_mut(&member).ok_or(libc::ENOENT)?;
        if interest.events & EXCLUSIVE != 0 {
            return Err(libc::EINVAL);
        }
        interest.events = events | ALWAYS;
        interest.data = data;
        self.list_if_ready(id, member);
        Ok(())
    }

    pub(crate) fn epoll_delete(&mut self, id: FileId, fd: i32) -> Result<(), Errno> {
        let member = (fd, self.file_of(fd).ok_or(libc::EBADF)?);
        let epoll = self.epoll_mut(id)?;
        epoll.forget(member).ok_or(libc::ENOENT)?;
        self.remove_watcher(member, id);
        Ok(())
    }

    /// Whether the set is `other`, or contains it, itself or in another set.
    fn epoll_reaches(&self, id: FileId, other: FileId) -> bool {
        let inner = |epoll: &Epoll| {
            let mut members = epoll.members.keys();
            members.any(|(_, file)| self.epoll_reaches(*file, other))
        };
        id == other || self.epoll(id).is_ok_and(inner)
    }

    fn remove_watcher(&mut self, (fd, file): Member, epoll: FileId) {
        if let Some(file) = self.find_file_mut(file) {
            let is_other = |watcher: &Watcher| (watcher.epoll, watcher.fd) != (epoll, fd);
            file.watchers.retain(is_other);
        }
    }

    /// The file is about to be closed: it is in no set any more.
    pub(super) fn forget_watchers(&mut self, id: FileId) {
        for watcher in std::mem::take(&mut self.file_mut(id).watchers) {
            if let Ok(epoll) = self.epoll_mut(watcher.epoll) {
                epoll.forget((watcher.fd, id));
            }
        }
    }

    /// The set has been closed.
    pub(super) fn epoll_close(&mut self, id: FileId, epoll: Epoll) {
        for member in epoll.members.into_keys() {
            self.remove_watcher(member, id);
        }
        self.wake(Key::Events(id.0), usize::MAX);
    }

    // --- the list

    /// [`Kernel::readiness`], by all names, for someone who asks. Of a set, that takes those at the
    /// front of its list off that are not ready any more, as in Linux.
    pub(crate) fn poll_file(&mut self, id: FileId) -> u32 {
        while let Some(member) = self.epoll(id).ok().and_then(|epoll| epoll.ready.front()) {
            let member = *member;
            let ready = self.poll_file(member.1);
            let Ok(epoll) = self.epoll_mut(id) else { break };
            match epoll.members.get_mut(&member) {
                Some(interest) if ready & interest.events & !FLAGS != 0 => break,
                Some(interest) => interest.is_listed = false,
                None => {}
            }
            epoll.ready.pop_front();
        }
        let file = self.find_file(id);
        file.map_or(0, |file| with_synonyms(&file.object, self.readiness(id)))
    }

    fn list_if_ready(&mut self, id: FileId, member: Member) {
        let ready = self.poll_file(member.1);
        self.list(id, member, ready);
    }

    /// Puts the member on the list if it asks for any of `events`. True if a thread that waits has
    /// been woken for that.
    fn list(&mut self, id: FileId, member: Member, events: u32) -> bool {
        let Ok(epoll) = self.epoll_mut(id) else {
            return false;
        };
        let Some(interest) = epoll.members.get_mut(&member) else {
            return false;
        };
        if interest.events & !FLAGS & events == 0 {
            return false;
        }
        if !std::mem::replace(&mut interest.is_listed, true) {
            epoll.ready.push_back(member);
        }
        let woken = self.wake(Key::Events(id.0), 1);
        // The set is a file itself, which can be polled, or be in another set.
        self.changed(id, IN);
        woken > 0
    }

    /// Tells the sets which the file is in that these events have happened; 0 stands for any.
    pub(super) fn tell_watchers(&mut self, id: FileId, events: u32) {
        let events = match (events, self.find_file(id)) {
            (_, None) => return,
            (0, _) => !FLAGS,
            (some, Some(file)) => with_synonyms(&file.object, some),
        };
        for at in 0.. {
            let watchers = self.find_file(id).map(|file| &file.watchers);
            let Some(watcher) = watchers.and_then(|all| all.get(at)).copied() else {
                return;
            };
            let has_woken = self.list(watcher.epoll, (watcher.fd, id), events);
            if has_woken && watcher.is_exclusive {
                return;
            }
        }
    }

    /// Whether a wait would find anything.
    pub(super) fn epoll_readiness(&self, epoll: &Epoll) -> u32 {
        let is_ready = epoll.ready.iter().any(|member| {
            let interest = epoll.members.get(member);
            let events = interest.map_or(0, |interest| interest.events & !FLAGS);
            let file = self.find_file(member.1);
            file.is_some_and(|file| {
                with_synonyms(&file.object, self.readiness(member.1)) & events != 0
            })
        });
        if is_ready { IN } else { 0 }
    }

    /// Takes up to `most` events, each with its data, off the list.
    pub(crate) fn epoll_take(
        &mut self,
        id: FileId,
        most: usize,
        found: &mut Vec<(u32, u64)>,
    ) -> Result<(), Errno> {
        for _ in 0..self.epoll(id)?.ready.len() {
            if found.len() == most {
                break;
            }
            let Some(member) = self.epoll_mut(id)?.ready.pop_front() else {
                break;
            };
            let ready = self.poll_file(member.1);
            let epoll = self.epoll_mut(id)?;
            let Some(interest) = epoll.members.get_mut(&member) else {
                continue;
            };
            interest.is_listed = false;
            let events = ready & interest.events & !FLAGS;
            if events == 0 {
                continue;
            }
            found.push((events, interest.data));
            if interest.events & ONESHOT != 0 {
                interest.events &= FLAGS;
            } else if interest.events & EDGE == 0 {
                interest.is_listed = true;
                epoll.ready.push_back(member);
            }
        }
        // What is left is for the next that waits.
        if !self.epoll(id)?.ready.is_empty() {
            self.wake(Key::Events(id.0), 1);
        }
        Ok(())
    }
}
