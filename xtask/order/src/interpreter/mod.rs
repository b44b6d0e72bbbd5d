//! Runs a program and writes down what happened, in which order. Included twice: once with `rt`
//! meaning Tokio, once with `rt` meaning Yamanote.
#![forbid(unsafe_code)]

mod channel;
mod here;
mod host;
mod log;
mod talk;
mod time;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::rt;
use crate::program::{Phase, Program};
use rt::runtime::Runtime;
use send_wrapper::SendWrapper;

use here::{once, sequence, task};
use host::{Host, MAIN, STUCK, until_stuck};
use log::{LOG, START, log, traced};
use world::World;

/// The most that a program may wait for in all, on a paused clock.
const ENOUGH: Duration = Duration::from_secs(3600);

/// The name of a runtime: it says which crate is linked.
pub fn crate_name() -> &'static str {
    std::any::type_name::<Runtime>()
}

/// Runs `program`; the log is what happened.
pub fn run(program: &Program) -> String {
    LOG.take();
    START.set(None);
    STUCK.store(false, SeqCst);
    let ended = catch_unwind(AssertUnwindSafe(|| run_inside(program)));
    if let Err(panic) = ended {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        log(format_args!("panicked: {}", text.unwrap_or("?")));
    }
    *MAIN.lock().expect("not poisoned") = None;
    LOG.take()
}

fn run_inside(program: &Program) {
    let host = Rc::new(Host::new(program));
    let world = Rc::new(World::new(program, &host));
    for (number, phase) in program.phases.iter().enumerate() {
        log(format_args!("| {number}"));
        run_phase(&host, &world, phase, program.paused);
    }
    log("| end");
    // Tasks that are left hold the world; it holds nothing that ends with it.
    let Ok(host) = Rc::try_unwrap(host) else {
        panic!("the runtime is shared");
    };
    match host {
        Host::Runtime(runtime, set) => {
            drop(runtime);
            log("| set");
            drop(set);
        }
        Host::Local(runtime) => drop(runtime),
    }
    world.clear();
}

fn run_phase(host: &Host, world: &Rc<World>, phase: &Phase, paused: bool) {
    for body in &phase.before {
        let future = SendWrapper::new(task(world, body, host.is_local()));
        let handle = host.handle().spawn(future);
        world.keep(body.id, handle);
    }
    if let Host::Runtime(_, Some(set)) = host {
        for body in &phase.local_before {
            world.keep(body.id, set.spawn_local(task(world, body, true)));
        }
    }
    let local = !matches!(host, Host::Runtime(_, None));
    once(sequence(world, "out".into(), &phase.outside, local));
    let main = traced(
        "main".into(),
        sequence(world, "main".into(), &phase.main, local),
    );
    match paused {
        true => host.block_on(async {
            if START.get().is_none() {
                START.set(Some(rt::time::Instant::now()));
            }
            if rt::time::timeout(ENOUGH, main).await.is_err() {
                log("stuck");
            }
        }),
        false => host.block_on(until_stuck(main)),
    }
}
