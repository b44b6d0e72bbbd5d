//! Signals to hosts, and how a host's process ends by one, or by itself.
//!
//! Which signals a program listens to the runtime knows: what handlers are installed is the real
//! process's, and that is the same for all hosts.
#![forbid(unsafe_code)]

use crate::kernel::Kernel;
use crate::kernel::host::{HostId, Life};
use crate::kernel::thread::Key;
use crate::me::Me;
use crate::{inside, me};
use std::sync::OnceLock;

/// How a host's process has ended that has not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this code, if it is known.
    Exit(Option<i32>),
    Signal(i32),
}

/// Tells whoever listens in that life; false if nobody ever has.
pub type Hear = fn(Life, i32) -> bool;

/// Set once, by the runtime.
static HEAR: OnceLock<Hear> = OnceLock::new();

/// Is told of a process that has not come to its end.
type Tell = Box<dyn Fn(Life, End) + Send + Sync>;

/// Set once, by the experiment.
static TELL: OnceLock<Tell> = OnceLock::new();

/// Has signals told to a runtime's listeners.
pub fn hear_by(hear: Hear) {
    let _ = HEAR.set(hear);
}

/// Has somebody told of each process that ends before its program does, when it has.
pub fn tell_ends_by(tell: impl Fn(Life, End) + Send + Sync + 'static) {
    let _ = TELL.set(Box::new(tell));
}

/// What a signal has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing, by default or because nobody is there.
    None,
    /// The program has heard it.
    Heard,
    Ended,
    Stopped,
    Continued,
}

/// Sends a signal to the process of a host.
///
/// # Panics
///
/// If there is no such signal.
pub fn send(host: HostId, signal: i32) -> Effect {
    assert!((1..=64).contains(&signal), "there is no signal {signal}");
    let me = inside();
    let Some(life) = me.inside(|kernel| present_life(kernel, host)) else {
        return Effect::None;
    };
    let is_heard = is_told(life, signal);
    let effect = match default(signal) {
        // Continues whoever is stopped, heard or not.
        Effect::Continued => Effect::Continued,
        _ if is_heard => Effect::Heard,
        by_default => by_default,
    };
    me.inside(|kernel| {
        let text = || format!("signal={} effect={effect:?}", name(signal));
        kernel.note(host, "signal", &[signal as u64, effect as u64], text);
    });
    match effect {
        Effect::None | Effect::Heard => {}
        Effect::Stopped => crate::hosts::set_paused(host, true),
        Effect::Continued => crate::hosts::set_paused(host, false),
        Effect::Ended => end(me, life, End::Signal(signal)),
    }
    effect
}

fn present_life(kernel: &Kernel, host: HostId) -> Option<Life> {
    let entry = kernel.host(host);
    let number = entry.life;
    entry.is_up.then_some(Life { host, number })
}

pub(crate) fn is_told(life: Life, signal: i32) -> bool {
    let can_be = !matches!(signal, libc::SIGKILL | libc::SIGSTOP);
    can_be && HEAR.get().is_some_and(|hear| hear(life, signal))
}

/// What a signal does that nobody listens to. `SIGPIPE` is ignored by every Rust program.
fn default(signal: i32) -> Effect {
    match signal {
        libc::SIGCHLD | libc::SIGPIPE | libc::SIGURG | libc::SIGWINCH => Effect::None,
        libc::SIGCONT => Effect::Continued,
        libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => Effect::Stopped,
        _ => Effect::Ended,
    }
}

/// As `kill -l` has it.
pub fn name(signal: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let index = usize::try_from(signal)
        .ok()
        .and_then(|it| it.checked_sub(1));
    match index.and_then(|index| NAMES.get(index)) {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {signal}"),
    }
}

/// Ends the process of a life, and tells of it.
fn end(me: &Me, life: Life, how: End) {
    let (code, number, text) = match how {
        End::Exit(Some(code)) => ("exit", code as u64, format!("code={code}")),
        End::Exit(None) => ("exit", u64::MAX, "code=unknown".to_owned()),
        End::Signal(signal) => ("killed", signal as u64, format!("signal={}", name(signal))),
    };
    let has_ended = me.inside(|kernel| kernel.end_life(life, code, &[number], || text));
    if let (true, Some(tell)) = (has_ended, TELL.get()) {
        tell(life, how);
    }
}

/// The host's process that the calling thread is of, if what it does to itself is simulated: not
/// the experiment, and not a program that is the real process.
pub(crate) fn own_process() -> Option<(&'static Me, Life)> {
    let me = me::current()?;
    let life = me.life();
    let is_simulated = life.host != HostId::DRIVER && !me.world().is_adopted();
    is_simulated.then_some((me, life))
}

/// The calling thread's process ends; so the thread never runs again.
pub(crate) fn end_own(me: &Me, life: Life, how: End) -> ! {
    end(me, life, how);
    stand_still(me)
}

/// The calling thread never runs again.
pub(crate) fn stand_still(me: &Me) -> ! {
    loop {
        me.wait(None, |kernel| {
            kernel.wait_for(me.id(), Key::Never);
            None::<()>
        });
    }
}
