//! Runs that end their process: what they say, and that they end it at all.

mod support;

use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use support::outcome_of;
use yamanote_sim::processes::End;
use yamanote_sim::{Config, run};

/// How a process ends that runs the experiment, and what it has said.
fn outcome(experiment: fn(), change: fn(&mut Config)) -> (End, String) {
    outcome_of(move || {
        let mut config = Config::new(1);
        change(&mut config);
        let (answer, _) = run(config, experiment);
        u8::from(answer.is_err())
    })
}

/// Waits for what nobody will send.
fn wait_for_ever() {
    let (_sender, receiver) = channel::<()>();
    let _ = receiver.recv();
}

/// What ended long ago leaves nothing that would be due.
fn wait_with_a_limit_and_for_ever() {
    let (sender, receiver) = channel::<()>();
    let helper = thread::spawn(move || receiver.recv_timeout(Duration::from_secs(7200)));
    thread::sleep(Duration::from_secs(1));
    sender.send(()).unwrap();
    helper.join().unwrap().unwrap();
    wait_for_ever();
}

/// Nobody can write to standard error by the lock of `std` any more.
fn wait_with_the_lock_of_standard_error() {
    thread::spawn(|| {
        let _lock = std::io::stderr().lock();
        wait_for_ever();
    });
    thread::sleep(Duration::from_secs(1));
    wait_for_ever();
}

fn compute_with_the_lock_of_standard_error() {
    let _lock = std::io::stderr().lock();
    loop {
        std::hint::spin_loop();
    }
}

/// All of them wait for longer than there is time.
fn sleep_for_ever() {
    thread::spawn(|| {
        let (socket, _other) = UnixDatagram::pair().unwrap();
        socket.set_read_timeout(Some(Duration::MAX)).unwrap();
        let _ = socket.recv(&mut [0]);
    });
    thread::sleep(Duration::MAX);
}

/// An experiment, how it is configured, and what is said of it.
type Case = (fn(), fn(&mut Config), &'static str);

// One test: a child is to be forked while no other thread does anything.
#[test]
fn a_run_that_cannot_go_on_says_why_and_ends_the_process() {
    let hour = |config: &mut Config| config.limit = Some(Duration::from_secs(3600));
    let soon = |config: &mut Config| config.patience = Duration::from_millis(500);
    let cases: [Case; 6] = [
        (wait_for_ever, |_| {}, "deadlock"),
        (wait_with_a_limit_and_for_ever, hour, "deadlock"),
        (
            || thread::sleep(Duration::from_secs(7200)),
            hour,
            "longer than 3600s",
        ),
        (wait_with_the_lock_of_standard_error, |_| {}, "deadlock"),
        (
            compute_with_the_lock_of_standard_error,
            soon,
            "neither waited nor",
        ),
        (sleep_for_ever, |_| {}, "deadlock"),
    ];
    for (number, (experiment, change, expected)) in cases.into_iter().enumerate() {
        let (how, said) = outcome(experiment, change);
        assert_eq!(how, End::Exit(101), "case {number}: {said}");
        assert!(said.contains(expected), "case {number}: {said}");
    }
}
