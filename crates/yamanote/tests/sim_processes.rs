//! Signals to hosts, and programs whose processes end before they do.
#![cfg(feature = "sim")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::signal::ctrl_c;
use yamanote::signal::unix::{SignalKind, signal};
use yamanote::sim::{self, Sim};
use yamanote::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

#[sim::test(seeds = 50)]
async fn a_signal_is_heard_on_its_host_alone(sim: Sim) {
    let (a, b) = (sim.host("a"), sim.host("b").current_thread());
    let listen = |kind: SignalKind| async move {
        let mut heard = signal(kind).unwrap();
        let mut other = signal(SignalKind::hangup()).unwrap();
        yamanote::select! {
            _ = heard.recv() => {}
            result = ctrl_c() => panic!("interrupted: {result:?}"),
            _ = other.recv() => panic!("hung up"),
        }
        sim::now()
    };
    let on_a = a.start(move || listen(SignalKind::terminate()));
    let on_b = b.start(move || listen(SignalKind::terminate()));
    sim.sleep(SECOND).await;
    b.signal(SignalKind::terminate());
    assert!(on_b.await.unwrap() < 2 * SECOND);
    sim.sleep(SECOND).await;
    assert!(!on_a.is_finished() && a.is_up());
    a.signal(SignalKind::terminate());
    assert!(on_a.await.unwrap() >= 2 * SECOND);
}

#[sim::test(seeds = 30)]
async fn an_interrupt_reaches_every_listener_and_every_life(sim: Sim) {
    let host = sim.host("a").worker_threads(3);
    let heard = Arc::new(AtomicU32::new(0));
    let count = heard.clone();
    let run = host.start(move || {
        let count = count.clone();
        async move {
            let mut tasks = yamanote::task::JoinSet::new();
            for _ in 0..5 {
                let count = count.clone();
                tasks.spawn(async move {
                    ctrl_c().await.unwrap();
                    count.fetch_add(1, SeqCst);
                });
            }
            tasks.join_all().await;
            // The default does not come back.
            std::future::pending::<()>().await;
        }
    });
    for life in 1..4 {
        sim.sleep(SECOND).await;
        host.ctrl_c();
        sim.sleep(SECOND).await;
        assert_eq!(heard.load(SeqCst), 5 * life);
        host.ctrl_c();
        sim.sleep(SECOND).await;
        assert!(host.is_up() && !run.is_finished());
        host.restart().await;
    }
}

/// Writes without a sync, answers one byte, and then waits for ever.
async fn serve() {
    std::fs::write("/data", "unsynced").unwrap();
    let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"x").await.unwrap();
    std::future::pending::<()>().await;
}

async fn read_to_end() -> (Vec<u8>, Option<std::io::Error>) {
    let mut stream = TcpStream::connect("server:80").await.unwrap();
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).await.err();
    (bytes, error)
}

#[sim::test(seeds = 50)]
async fn an_unheard_signal_ends_the_process_and_not_the_machine(sim: Sim) {
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::from_raw(9),
    ] {
        let server = sim.host("server");
        server.disk().crash_keeps(sim::Keeps::Synced);
        let run = server.start(serve);
        sim.sleep(SECOND).await;
        let client = sim.host("client").run(read_to_end());
        sim.sleep(SECOND).await;
        server.signal(kind);
        assert!(!server.is_up());
        let ended = run.await.unwrap_err();
        assert_eq!(ended.signal(), Some(kind.as_raw_value()));
        assert_eq!(
            (ended.code(), ended.is_panic(), ended.is_exit()),
            (None, false, false)
        );
        assert!(
            ended.to_string().contains("\"server\" was ended by SIG"),
            "{ended}"
        );
        // The kernel says so to the peer.
        let (bytes, error) = client.await.unwrap();
        assert_eq!(bytes, b"x");
        assert!(error.is_none(), "{error:?}");
        // And the disk has what was written.
        let look = server.run(async { std::fs::read_to_string("/data").unwrap() });
        assert_eq!(look.await.unwrap(), "unsynced");
    }
}

#[sim::test(seeds = 20)]
async fn some_signals_do_nothing_and_some_stop(sim: Sim) {
    let host = sim.host("a");
    let ticks = Arc::new(AtomicU32::new(0));
    let count = ticks.clone();
    let run = host.start(move || {
        let count = count.clone();
        async move {
            loop {
                sleep(SECOND).await;
                count.fetch_add(1, SeqCst);
            }
        }
    });
    for kind in [
        SignalKind::pipe(),
        SignalKind::child(),
        SignalKind::window_change(),
        SignalKind::from_raw(18),
    ] {
        host.signal(kind);
        sim.sleep(2 * SECOND).await;
        assert!(host.is_up() && !run.is_finished());
    }
    host.signal(SignalKind::from_raw(19));
    let before = ticks.load(SeqCst);
    sim.sleep(10 * SECOND).await;
    assert_eq!(ticks.load(SeqCst), before);
    host.signal(SignalKind::from_raw(18));
    sim.sleep(10 * SECOND).await;
    assert!(ticks.load(SeqCst) > before);
    host.crash();
    // Nobody is there.
    host.signal(SignalKind::terminate());
}

#[sim::test(seeds = 50)]
async fn an_exit_ends_the_process_of_its_host(sim: Sim) {
    let server = sim.host("server");
    let late = Arc::new(AtomicU32::new(0));
    let count = late.clone();
    let run = server.start(move || {
        let count = count.clone();
        async move {
            yamanote::spawn(async {
                sleep(2 * SECOND).await;
                std::process::exit(3)
            });
            yamanote::spawn(async move {
                sleep(3 * SECOND).await;
                count.fetch_add(1, SeqCst);
            });
            serve().await;
        }
    });
    sim.sleep(SECOND).await;
    let client = sim.host("client").run(read_to_end());
    let ended = run.await.unwrap_err();
    assert!(ended.is_exit() && !server.is_up());
    assert_eq!((ended.code(), ended.signal()), (Some(3), None));
    assert_eq!(ended.to_string(), "host \"server\" has exited with code 3");
    let (bytes, error) = client.await.unwrap();
    assert_eq!((bytes, error.is_none()), (b"x".to_vec(), true));
    sim.sleep(10 * SECOND).await;
    assert_eq!(late.load(SeqCst), 0);
    // As often as one likes, on any thread.
    for _ in 0..3 {
        let exit = || std::process::exit(4);
        let ended = sim
            .host("task")
            .run(async move { exit() })
            .await
            .unwrap_err();
        assert!(ended.is_exit(), "{ended}");
        let job = async move { yamanote::task::spawn_blocking(exit).await.unwrap() };
        let ended = sim.host("job").current_thread().run(job).await.unwrap_err();
        assert!(ended.is_exit(), "{ended}");
    }
}

#[sim::test(seeds = 20)]
async fn an_abort_is_a_signal(sim: Sim) {
    let host = sim.host("a");
    let lives = Arc::new(AtomicU32::new(0));
    let count = lives.clone();
    let run = host.start(move || {
        let life = count.fetch_add(1, SeqCst);
        async move {
            sleep(SECOND).await;
            if life < 2 {
                std::process::abort();
            }
        }
    });
    let ended = run.await.unwrap_err();
    assert_eq!(ended.signal(), Some(6), "{ended}");
    sim.sleep(SECOND).await;
    host.restart().await;
    sim.until(|| !host.is_up(), 3 * SECOND).await.unwrap();
    host.restart().await;
    sim.until(|| !host.is_up(), 3 * SECOND).await.unwrap();
    assert_eq!(lives.load(SeqCst), 3);
}

/// What a program's process leaves open when it ends, others are told of.
#[sim::test(seeds = 20)]
async fn the_end_of_a_program_closes_what_its_threads_have(sim: Sim) {
    let server = sim.host("server").start(|| async {
        let listener = std::net::TcpListener::bind("0.0.0.0:80").unwrap();
        let (stream, _) = yamanote::task::spawn_blocking(move || listener.accept().unwrap())
            .await
            .unwrap();
        let kept = Mutex::new(Some(stream));
        std::thread::spawn(move || {
            let _stream = kept.lock().unwrap().take();
            std::thread::park();
        });
        sleep(SECOND).await;
    });
    sim.sleep(SECOND).await;
    let client = sim.host("client").run(async {
        let mut stream = TcpStream::connect("server:80").await.unwrap();
        stream.read(&mut [0; 8]).await
    });
    server.await.unwrap();
    let limit = sim::now() + 10 * SECOND;
    assert_eq!(client.await.unwrap().unwrap(), 0);
    assert!(sim::now() < limit);
}

/// `kill`, of the calling thread's own process or another: an error number, or 0.
fn kill(process: i32, kind: SignalKind) -> i32 {
    // SAFETY: no pointers.
    match unsafe { libc::kill(process, kind.as_raw_value()) } {
        0 => 0,
        _ => std::io::Error::last_os_error().raw_os_error().unwrap(),
    }
}

async fn signal_itself() {
    let own = i32::try_from(std::process::id()).unwrap();
    let mut heard = signal(SignalKind::user_defined1()).unwrap();
    for _ in 0..3 {
        assert_eq!(kill(own, SignalKind::user_defined1()), 0);
        heard.recv().await;
    }
    // What is there really is not reached.
    assert_eq!(kill(1, SignalKind::user_defined2()), libc::ESRCH);
    assert_eq!(kill(own, SignalKind::from_raw(65)), libc::EINVAL);
}

#[sim::test(seeds = 20)]
async fn a_program_sends_itself_signals(sim: Sim) {
    let host = sim.host("a");
    let run = host.start(|| async {
        signal_itself().await;
        kill(0, SignalKind::user_defined2());
        unreachable!("nobody listens to that");
    });
    sim.host("b").run(signal_itself()).await.unwrap();
    assert_eq!(run.await.unwrap_err().signal(), Some(libc::SIGUSR2));
}

#[test]
#[ignore = "another test simulates it"]
fn a_program_that_knows_nothing() {
    let runtime = yamanote::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(signal_itself());
}

#[test]
fn a_program_that_knows_nothing_sends_itself_signals() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["a_program_that_knows_nothing", "--exact", "--ignored"]);
    command.env("YAMANOTE_DRIVER", "sim");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn run(test: &str, variables: &[(&str, &str)]) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sim_processes");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]);
    command.env("YAMANOTE_SIM_DIR", &directory);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    directory
}

#[test]
fn runs_with_signals_and_exits_are_alike() {
    let variables = [("YAMANOTE_SIM_CHECK", "1"), ("YAMANOTE_SIM_SEEDS", "10")];
    for test in [
        "a_signal_is_heard_on_its_host_alone",
        "an_unheard_signal_ends_the_process_and_not_the_machine",
        "an_exit_ends_the_process_of_its_host",
        "an_abort_is_a_signal",
    ] {
        run(test, &variables);
    }
}

#[test]
fn what_has_ended_a_process_stands_in_the_trace() {
    let seed = [("YAMANOTE_SIM_SEED", "1")];
    let of = |test: &str, end: &str| {
        let file = run(test, &seed).join(format!("{test}-1.{end}"));
        std::fs::read_to_string(file).unwrap()
    };
    let test = "an_unheard_signal_ends_the_process_and_not_the_machine";
    for end in ["txt", "html"] {
        let text = of(test, end);
        assert!(text.contains("signal=SIGTERM effect=Ended"), "{text}");
        assert!(text.contains("killed"), "{text}");
    }
    let text = of("an_exit_ends_the_process_of_its_host", "txt");
    assert!(
        text.contains("code=3") && text.contains("code=unknown"),
        "{text}"
    );
    let text = of("a_signal_is_heard_on_its_host_alone", "txt");
    assert!(text.contains("signal=SIGTERM effect=Heard"), "{text}");
}
