//! Programs that do not come to their end: panics on the hosts of a simulation, exits, signals.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::panic::{self, PanicHookInfo};

use yamanote_sim::{HostId, hosts, signals};

use super::ended::panic_text;
use super::experiment::Sim;

/// From now on a panic on a host of `sim` fails it, if the host does not allow panics. Panics of
/// what a crash has ended are nobody's business.
pub(super) fn watch(sim: Sim) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !yamanote_sim::is_inside() {
            return before(info);
        }
        let life = hosts::current_life();
        if life.host != HostId::DRIVER && !hosts::is_alive(life) {
            return;
        }
        let seconds = yamanote_sim::now().as_secs_f64();
        let place = match sim.host_of(life.host) {
            Some(host) => format!("host {:?}", host.name()),
            None => "the experiment".to_owned(),
        };
        let _ = writeln!(std::io::stderr(), "{place}, at {seconds:.6} s:");
        before(info);
        tell(&sim, life.host, info);
    }));
}

/// From now on hosts of `sim` are told when their processes end before their programs do.
pub(super) fn watch_ends(sim: Sim) {
    signals::tell_ends_by(move |life, how| {
        if let Some(host) = sim.host_of(life.host) {
            host.has_ended(how);
        }
    });
}

fn tell(sim: &Sim, host: HostId, info: &PanicHookInfo<'_>) {
    let Some(host) = sim.host_of(host) else {
        return;
    };
    let text = panic_text(info.payload());
    yamanote_sim::note_as(host.id(), "panic", text);
    if !host.tolerates_panics() {
        let place = info.location().map(|at| format!(" at {at}"));
        let place = place.unwrap_or_default();
        sim.fail(format!("host {:?} panicked{place}: {text}", host.name()));
    }
}
