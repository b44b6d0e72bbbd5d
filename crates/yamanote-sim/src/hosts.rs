//! Hosts, as the experiment sees them.
#![forbid(unsafe_code)]

use crate::inside;
use crate::kernel::host::{HostId, Life};
use crate::kernel::trap::Moment;
use std::net::Ipv4Addr;

/// A new host, which is down.
///
/// # Panics
///
/// Outside of a world.
pub fn add(name: &str) -> HostId {
    inside().inside(|kernel| kernel.add_host(name))
}

/// The host of that name.
pub fn named(name: &str) -> Option<HostId> {
    inside().inside(|kernel| kernel.host_named(name))
}

/// The host that the calling thread is part of.
pub fn current() -> HostId {
    inside().life().host
}

/// The life of it that the calling thread is part of.
pub fn current_life() -> Life {
    inside().life()
}

pub fn name(host: HostId) -> String {
    inside().inside(|kernel| kernel.host(host).name.clone())
}

pub fn address(host: HostId) -> Ipv4Addr {
    inside().inside(|kernel| kernel.host(host).address)
}

/// What the host's wall clock is ahead of the others', in nanoseconds.
pub fn set_skew(host: HostId, ns: i64) {
    inside().inside(|kernel| kernel.host_mut(host).skew_ns = ns);
}

/// The host begins a life, whose first thread runs `program`. Returns at once.
///
/// # Panics
///
/// If it is up, or no thread is to be had.
pub fn start(host: HostId, program: impl FnOnce() + Send + 'static) -> Life {
    let me = inside();
    let (life, name) = me.inside(|kernel| {
        let entry = kernel.host_mut(host);
        assert!(!entry.is_up, "host {:?} is up", entry.name);
        entry.is_up = true;
        entry.has_crashed = false;
        entry.life += 1;
        let number = entry.life;
        let name = entry.name.clone();
        let life = Life { host, number };
        kernel.next_life = Some(life);
        kernel.note(host, "start", &[u64::from(number)], String::new);
        (life, name)
    });
    let thread = std::thread::Builder::new().name(name).spawn(program);
    drop(thread.expect("a thread can be had"));
    life
}

/// The host ends its life: what its threads do from now on reaches nobody.
pub fn crash(host: HostId) {
    inside().inside(|kernel| kernel.crash_host(host));
}

/// Has the host crash by itself at the next such moment; `None`: not any more.
pub fn crash_at(host: HostId, moment: Option<Moment>) {
    inside().inside(|kernel| kernel.set_trap(host, moment));
}

/// Whether the host's last life has ended in a crash, and no other has begun.
pub fn has_crashed(host: HostId) -> bool {
    inside().inside(|kernel| kernel.host(host).has_crashed)
}

/// The life ends in good order, if it has not ended yet: its program has come to its end.
pub fn end(life: Life) {
    inside().inside(|kernel| kernel.end_life(life, "end", &[], String::new));
}

/// Lets the threads of the host run, or not. Its clocks go on.
pub fn set_paused(host: HostId, is_paused: bool) {
    inside().inside(|kernel| {
        if kernel.host(host).is_paused != is_paused {
            kernel.set_paused(host, is_paused);
            let code = if is_paused { "pause" } else { "resume" };
            kernel.note(host, code, &[], String::new);
        }
    });
}

/// Whether the host is in a life.
pub fn is_up(host: HostId) -> bool {
    inside().inside(|kernel| kernel.host(host).is_up)
}

/// Whether the host is in that life still.
pub fn is_alive(life: Life) -> bool {
    inside().inside(|kernel| !kernel.is_over(life))
}
