//! The report of a stall has the stack of the thread, if it was asked for: the function that blocks
//! is in it. And a thread that is asked goes on with what it did.
#![cfg(not(target_arch = "arm"))]

use std::io::Read;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use yamanote::insight::Stall;
use yamanote::runtime::{Handle, Runtime};
use yamanote_test::{Setup, builder, in_own_process, matrix};

const LIMIT: Duration = Duration::from_millis(150);

/// Stalls are noticed after two limits; where something else takes the processors, later.
const BLOCKED: Duration = Duration::from_millis(1_000);

fn watched(setup: Setup, backtrace: bool) -> (Runtime, Receiver<Stall>) {
    let (tell, told) = mpsc::channel();
    let runtime = builder!(setup)
        .stall_after(LIMIT)
        .stall_backtrace(backtrace)
        .on_stall(move |stall| drop(tell.send(stall.clone())))
        .build()
        .unwrap();
    (runtime, told)
}

#[track_caller]
fn next(told: &Receiver<Stall>) -> Stall {
    let stall = told.recv_timeout(Duration::from_secs(30));
    stall.expect("a stall is told of")
}

/// The names of the functions that the addresses are in.
fn names(addresses: &[usize]) -> Vec<String> {
    let mut names = Vec::new();
    for &address in addresses {
        let behind = std::ptr::without_provenance_mut(address + 1);
        backtrace::resolve(behind, |symbol| {
            names.extend(symbol.name().map(|name| name.to_string()));
        });
    }
    names
}

/// Runs `block` in a task, and looks for the function `name` in what is said of it.
#[track_caller]
fn names_it(setup: Setup, name: &str, block: impl FnOnce() + Send + 'static) {
    let (runtime, told) = watched(setup, true);
    let task = runtime.spawn(async move { block() });
    runtime.block_on(task).unwrap();
    let (begin, end) = (next(&told), next(&told));
    let stack = begin.stack().expect("it was asked for");
    let names = names(stack.addresses());
    let is_it = |it: &String| it.contains(name);
    assert!(names.iter().any(is_it), "{name} is not in {names:#?}");
    let of_handler = |it: &String| it.contains("signal_hook_registry") || it.contains("sys::stack");
    assert!(!names.iter().any(of_handler), "{names:#?}");
    let text = begin.to_string();
    let (line, below) = text.split_once('\n').expect("it has a stack");
    assert!(line.contains("spawned at"), "{line}");
    assert!(below.trim_start().starts_with("0: "), "{text}");
    if cfg!(feature = "stall-backtrace") {
        assert!(
            below.contains(name) && below.contains("stall_backtrace.rs:"),
            "{text}"
        );
        assert!(
            !below.contains("src/runtime/task/run.rs"),
            "it ends with the task: {text}"
        );
    }
    assert!(end.is_over() && end.stack().is_none());
    assert!(!end.to_string().contains('\n'), "{end}");
}

/// Whether the runtime has noticed; who waits for it does not wait for ever.
fn is_noticed(start: Instant) -> bool {
    Handle::current().metrics().stalls() > 0 || start.elapsed() > Duration::from_secs(60)
}

// None is inlined, nor ends with a call that could take its place on the stack.

#[inline(never)]
fn blocks_in_a_sleep() {
    let begin = Instant::now();
    while !is_noticed(begin) {
        let start = Instant::now();
        std::thread::sleep(BLOCKED);
        assert!(start.elapsed() >= BLOCKED, "it has slept on");
    }
}

#[inline(never)]
fn blocks_in_a_lock(lock: &Mutex<u32>) {
    let mut held = lock.lock().unwrap();
    *held += 1;
}

#[inline(never)]
fn blocks_in_a_read(from: &mut impl Read) {
    let mut byte = [0];
    // Once: it is not interrupted, as far as the program can see.
    let read = from.read(&mut byte).unwrap();
    assert_eq!((read, byte), (1, [7]));
}

#[inline(never)]
fn blocks_in_a_loop() {
    let start = Instant::now();
    while !is_noticed(start) {
        std::hint::spin_loop();
    }
}

matrix! {
    fn a_sleep(setup: Setup) {
        names_it(setup, "blocks_in_a_sleep", blocks_in_a_sleep);
    }

    fn a_computation(setup: Setup) {
        names_it(setup, "blocks_in_a_loop", blocks_in_a_loop);
    }

    fn a_lock_that_another_thread_holds(setup: Setup) {
        let lock = Arc::new(Mutex::new(0));
        let (taken, is_taken) = mpsc::channel();
        let theirs = lock.clone();
        let thread = std::thread::spawn(move || {
            let _held = theirs.lock().unwrap();
            taken.send(()).unwrap();
            std::thread::sleep(BLOCKED);
        });
        is_taken.recv().unwrap();
        let ours = lock.clone();
        names_it(setup, "blocks_in_a_lock", move || blocks_in_a_lock(&ours));
        thread.join().unwrap();
        assert_eq!(*lock.lock().unwrap(), 1);
    }

    fn a_read_of_a_pipe(setup: Setup) {
        let (mut from, mut to) = yamanote_test::pipe();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(BLOCKED);
            std::io::Write::write_all(&mut to, &[7]).unwrap();
        });
        names_it(setup, "blocks_in_a_read", move || blocks_in_a_read(&mut from));
        thread.join().unwrap();
    }

    /// A thread that does not answer is told of without a stack, and not waited for.
    alone fn a_thread_that_blocks_the_signal(setup: Setup) {
        let (runtime, told) = watched(setup, true);
        let task = runtime.spawn(async {
            yamanote_test::block_signals();
            std::thread::sleep(5 * BLOCKED);
        });
        runtime.block_on(task).unwrap();
        let (begin, end) = (next(&told), next(&told));
        assert_eq!(begin.stack().unwrap().addresses(), [0usize; 0], "{begin}");
        assert!(begin.to_string().ends_with("the thread does not answer"), "{begin}");
        assert!(end.is_over());
    }

    /// Unless it is asked for there is no stack, and nobody is interrupted.
    alone fn nobody_asks(setup: Setup) {
        let (runtime, told) = watched(setup, false);
        let task = runtime.spawn(async { blocks_in_a_sleep() });
        runtime.block_on(task).unwrap();
        assert!(next(&told).stack().is_none());
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
        assert_eq!(caught >> (libc::SIGURG - 1) & 1, 0, "nobody handles the signal");
    }
}

/// The operator's word counts more than the program's, and has the report written out.
#[test]
fn the_environment_asks() {
    const VARIABLE: &str = "YAMANOTE_STALL_BACKTRACE";
    in_own_process(module_path!(), "the_environment_asks", || {
        let stalls = |backtrace: bool| {
            let (tell, told) = mpsc::channel();
            let runtime = yamanote::runtime::Builder::new_current_thread()
                .stall_after(LIMIT)
                .stall_backtrace(backtrace)
                .on_stall(move |stall: &Stall| drop(tell.send(stall.clone())))
                .build();
            runtime.map(|runtime| {
                runtime.block_on(async { blocks_in_a_sleep() });
                next(&told)
            })
        };
        // SAFETY: this process has no other thread that reads or writes the environment.
        unsafe { std::env::set_var(VARIABLE, "1") };
        let addresses = stalls(false).unwrap().stack().unwrap().addresses().to_vec();
        let names = names(&addresses);
        assert!(
            names.iter().any(|it| it.contains("blocks_in_a_sleep")),
            "{names:#?}"
        );
        // SAFETY: as above.
        unsafe { std::env::set_var(VARIABLE, "0") };
        assert!(stalls(true).unwrap().stack().is_none());
        // SAFETY: as above.
        unsafe { std::env::set_var(VARIABLE, "perhaps") };
        assert!(stalls(true).unwrap_err().to_string().contains(VARIABLE));
    });
}
