//! The console: who may ask, what is answered, also when every worker is stuck, and what is left of
//! it at the end.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::Value;
use yamanote::runtime::{Builder, Runtime};
use yamanote_test::{
    Capability, Holdup, Setup, Snapshot, TempDir, builder, matrix, require, rounds,
};

/// One exchange, as `echo REQUEST | nc -U PATH` makes it.
fn exchange(path: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).expect("the console listens");
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn ask(path: &Path) -> Value {
    let answer = exchange(path, "snapshot\n");
    assert_eq!(answer.matches('\n').count(), 1, "one line: {answer}");
    let answer: Value = serde_json::from_str(&answer).expect("the answer is JSON");
    assert_eq!(answer["schema"], 1, "{answer}");
    answer
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// For a test that is alone in its process.
fn set_variable(name: &str, value: impl AsRef<std::ffi::OsStr>) {
    // SAFETY: no other thread of this process looks at the environment now.
    unsafe { env::set_var(name, value) };
}

/// The names of all members, on every level.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| [vec![name.clone()], names(value)].concat())
            .collect(),
        Value::Array(items) => items.iter().flat_map(names).collect(),
        _ => Vec::new(),
    }
}

/// Three tasks that wait for ever, and where they were spawned.
fn three_tasks(runtime: &Runtime) -> String {
    for _ in 0..3 {
        runtime.spawn(std::future::pending::<()>());
    }
    format!("{}:{}:", file!(), line!() - 2)
}

matrix! {
    /// On a current-thread runtime the thread that drives counts them, when it gets to it.
    alone fn tasks_are_told_by_where_they_were_spawned(setup: Setup) {
        let directory = TempDir::new();
        let path = directory.path().join("console.sock");
        let runtime = builder!(setup).console_at(&path).build().unwrap();
        let place = three_tasks(&runtime);
        if setup.workers.is_none() {
            assert!(ask(&path)["runtimes"][0].get("locations").is_none(), "nobody drives");
        }
        let (stop, stopped) = yamanote::sync::oneshot::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(|| runtime.block_on(stopped).unwrap());
            let deadline = Instant::now() + Duration::from_secs(60);
            let told = loop {
                // Absent as long as nobody drives.
                let answer = ask(&path);
                let told = answer.pointer("/runtimes/0/locations/0").cloned();
                let told = told.unwrap_or_default();
                if told["waiting"] == 3 {
                    break told;
                }
                assert!(Instant::now() < deadline, "{told}");
            };
            assert!(told["spawned_at"].as_str().unwrap().starts_with(&place), "{told}");
            assert_eq!(told["count"], 3);
            assert_eq!((&told["running"], &told["runnable"]), (&0.into(), &0.into()));
            assert!(told["oldest_task"].as_u64().unwrap() > 0);
            // Since the last request they have not been polled.
            let before = Instant::now();
            thread::sleep(Duration::from_millis(50));
            let (slept, again) = (before.elapsed(), loop {
                let answer = ask(&path);
                if let Some(told) = answer.pointer("/runtimes/0/locations/0") {
                    break told.clone();
                }
                assert!(Instant::now() < deadline, "{answer}");
            });
            let longest = again["longest_wait_ns"].as_u64().map(Duration::from_nanos);
            assert!(longest >= Some(slept), "{again}");
            // Whatever is told is documented.
            let page = include_str!("../../../docs/console.md");
            let undocumented = |name: &String| {
                !['`', '.', '['].iter().any(|end| page.contains(&format!("{name}{end}")))
            };
            let found: Vec<_> = names(&ask(&path)).into_iter().filter(undocumented).collect();
            assert!(found.is_empty(), "not in docs/console.md: {found:?}");
            stop.send(()).unwrap();
        });
    }

    /// And afterwards the process is as it was before: descriptors, threads, files.
    alone fn a_snapshot_tells_what_there_is(setup: Setup) {
        let directory = TempDir::new();
        let path = directory.path().join("console.sock");
        // Without a watchdog, whose thread comes and goes as it likes.
        let builder = || {
            let mut builder = builder!(setup);
            builder.stall_after(Duration::ZERO);
            builder
        };
        drop(builder().build().unwrap());
        let before = Snapshot::take();
        let runtime = builder().console_at(&path).name("line").build().unwrap();
        assert_eq!(runtime.handle().console_path().as_ref(), Some(&path));
        assert_eq!(mode(&path), 0o600);
        for _ in 0..3 {
            runtime.spawn(std::future::pending::<()>());
        }
        let answer = ask(&path);
        assert_eq!(answer["pid"], std::process::id());
        let program = env::current_exe().unwrap();
        assert_eq!(answer["program"], *program.to_str().unwrap());
        assert_eq!(answer["runtimes"].as_array().unwrap().len(), 1);
        let line = &answer["runtimes"][0];
        assert_eq!(line["name"], "line");
        assert_eq!(line["driver"], *setup.driver.name());
        assert_eq!(line["tasks"]["alive"], 3);
        assert_eq!(line["workers"].as_array().unwrap().len(), setup.workers.unwrap_or(1));
        let flavor = setup.workers.map_or("current_thread", |_| "multi_thread");
        assert_eq!(line["flavor"], *flavor);
        drop(runtime);
        assert!(!path.exists());
        before.assert_restored();
    }

    /// Every worker is in a poll that does not return.
    alone fn it_answers_while_all_workers_are_stuck(setup: Setup) {
        let directory = TempDir::new();
        let path = directory.path().join("console.sock");
        let runtime = builder!(setup).console_at(&path).build().unwrap();
        let workers = setup.workers.unwrap_or(1);
        let (holdup, calls) = Holdup::new(workers);
        for call in calls {
            runtime.spawn(async move { call() });
        }
        let answer = thread::scope(|scope| {
            if setup.workers.is_none() {
                scope.spawn(|| runtime.block_on(yamanote::task::yield_now()));
            }
            holdup.wait();
            ask(&path);
            thread::sleep(Duration::from_millis(500));
            let answer = ask(&path);
            drop(holdup);
            answer
        });
        assert_eq!(answer["runtimes"][0]["tasks"]["alive"], workers);
        // It names the tasks that do it, and says what their threads do.
        for worker in answer["runtimes"][0]["workers"].as_array().unwrap() {
            let polling = &worker["polling"];
            let place = polling["spawned_at"].as_str().unwrap();
            assert!(place.starts_with(file!()), "{polling}");
            assert!(polling["task"].as_u64().unwrap() > 0);
            assert!(polling["activity"].as_str().unwrap().contains("another thread"), "{polling}");
        }
    }

    /// Each answer is whole, and nothing is left of any.
    alone fn it_answers_a_thousand_times_while_tasks_are_born_and_die(setup: Setup) {
        let directory = TempDir::new();
        let path = directory.path().join("console.sock");
        let runtime = builder!(setup).console_at(&path).build().unwrap();
        ask(&path);
        let (stop, mut stopped) = yamanote::sync::oneshot::channel::<()>();
        let busy = async {
            while stopped.try_recv().is_err() {
                let tasks: Vec<_> = (0..16).map(|_| yamanote::spawn(async {})).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            }
        };
        thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let before = Snapshot::take().descriptor_count();
                for _ in 0..rounds(1_000) {
                    assert!(ask(&path)["runtimes"][0]["tasks"]["alive"].as_u64().unwrap() <= 17);
                }
                // The last connection may still be open at its other end.
                let count = || Snapshot::take().descriptor_count();
                while count() > before {
                    thread::sleep(Duration::from_millis(1));
                }
                assert_eq!(count(), before);
                stop.send(()).unwrap();
            });
            runtime.block_on(busy);
            asking.join().unwrap();
        });
        runtime.block_on(async {});
    }

    /// A forked child has neither the thread nor a right to the socket. It may have a console of
    /// its own.
    alone fn a_forked_child_leaves_its_parents_console_alone(setup: Setup) {
        let directory = TempDir::new();
        let path = directory.path().join("console.sock");
        let child_path = directory.path().join("child.sock");
        let runtime = builder!(setup).console_at(&path).build().unwrap();
        // SAFETY: in the child only, where the original is forgotten by `_exit`.
        let mut inherited = Some(unsafe { std::ptr::read(&runtime) });
        // SAFETY: the child needs no lock that another thread may hold but the allocator's, which
        // glibc makes usable in the child.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                drop(inherited.take());
                let mut builder = Builder::new_current_thread();
                let own = builder.console_at(&child_path).build().unwrap();
                assert_eq!(ask(&child_path)["pid"], std::process::id());
                drop(own);
                assert!(!child_path.exists() && path.exists());
            }));
            // SAFETY: leaves without destructors.
            unsafe { libc::_exit(i32::from(done.is_err())) };
        }
        std::mem::forget(inherited);
        let mut status = 0;
        // SAFETY: waits for our own child; `status` is writable.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0, "{status:#x}");
        assert_eq!(ask(&path)["pid"], std::process::id());
        drop(runtime);
        assert!(!path.exists());
    }

    /// The operator's variable is enough. What an ended process has left is cleaned away.
    alone fn the_usual_place_is_in_the_runtime_directory(setup: Setup) {
        let directory = TempDir::new();
        set_variable("XDG_RUNTIME_DIR", directory.path());
        set_variable("YAMANOTE_CONSOLE", "1");
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let stale = directory.path().join(format!("yamanote-{}.sock", ended.id()));
        drop(UnixListener::bind(&stale).unwrap());

        let runtime = builder!(setup).build().unwrap();
        let path = directory.path().join(format!("yamanote-{}.sock", std::process::id()));
        assert_eq!(runtime.handle().console_path().as_ref(), Some(&path));
        assert!(!stale.exists());
        ask(&path);
        runtime.shutdown_background();
        assert!(!path.exists());

        set_variable("YAMANOTE_CONSOLE", "off");
        let runtime = builder!(setup).console(true).build().unwrap();
        assert_eq!(runtime.handle().console_path(), None);
    }

    /// A program that demands a console is told why it has none; one whose operator wants a look
    /// runs without.
    alone fn a_console_that_cannot_be_had(setup: Setup) {
        let directory = TempDir::new();
        set_variable("XDG_RUNTIME_DIR", directory.path().join("missing"));
        let error = builder!(setup).console(true).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("console"), "{error}");

        set_variable("YAMANOTE_CONSOLE", "1");
        let runtime = builder!(setup).build().unwrap();
        assert_eq!(runtime.handle().console_path(), None);

        set_variable("YAMANOTE_CONSOLE", "perhaps");
        let error = builder!(setup).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn runtimes_of_a_process_share_one_console() {
    let test = "runtimes_of_a_process_share_one_console";
    yamanote_test::in_own_process(module_path!(), test, || {
        let directory = TempDir::new();
        let path = directory.path().join("console.sock");
        let build = || Builder::new_current_thread().console_at(&path).build();
        let first = build().unwrap();
        let second = build().unwrap();
        let apart = Builder::new_current_thread().build().unwrap();
        let ids = || -> Vec<u64> {
            let answer = ask(&path);
            let runtimes = answer["runtimes"].as_array().unwrap().iter();
            runtimes.map(|one| one["id"].as_u64().unwrap()).collect()
        };
        let number = |id: yamanote::runtime::Id| id.to_string().parse::<u64>().unwrap();
        let [a, b] = [&first, &second].map(|runtime| number(runtime.handle().id()));
        assert_eq!(ids(), [a, b]);
        assert_eq!(apart.handle().console_path(), None);

        let elsewhere = Builder::new_current_thread()
            .console_at(directory.path().join("other.sock"))
            .build()
            .unwrap_err();
        assert_eq!(elsewhere.kind(), ErrorKind::AddrInUse);
        assert!(
            elsewhere.to_string().contains(path.to_str().unwrap()),
            "{elsewhere}"
        );

        drop(first);
        assert_eq!(ids(), [b]);
        drop(second);
        assert!(!path.exists());
        drop(build().unwrap());
    });
}

/// Nothing is removed but sockets that nobody listens at.
#[test]
fn what_is_at_the_path_already_is_respected() {
    let test = "what_is_at_the_path_already_is_respected";
    yamanote_test::in_own_process(module_path!(), test, || {
        let directory = TempDir::new();
        let path = directory.path().join("console.sock");
        let build = || Builder::new_current_thread().console_at(&path).build();
        fs::write(&path, "precious").unwrap();
        assert_eq!(build().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

        fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        assert_eq!(build().unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(other);
        let runtime = build().unwrap();
        ask(&path);
        // Somebody else takes the place.
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(runtime);
        assert!(path.exists());
    });
}

/// The mode of the socket keeps others out; if somebody has changed it, they are refused.
#[test]
fn another_user_is_refused() {
    let test = "another_user_is_refused";
    if !require(Capability::Root) {
        return;
    }
    yamanote_test::in_own_process(module_path!(), test, || {
        const NOBODY: u32 = 65_534;
        let directory = TempDir::new();
        let path = directory.path().join("console.sock");
        let _runtime = Builder::new_current_thread()
            .console_at(&path)
            .build()
            .unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let become_nobody = || {
            // SAFETY: changes this thread only, as the system call does, unlike libc's function.
            let changed = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
            assert_eq!(changed, 0);
        };
        thread::scope(|scope| {
            let connecting = scope.spawn(|| {
                become_nobody();
                UnixStream::connect(&path).map(drop)
            });
            let error = connecting.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);

            fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
            let asking = scope.spawn(|| {
                become_nobody();
                exchange(&path, "snapshot\n")
            });
            let answer: Value = serde_json::from_str(&asking.join().unwrap()).unwrap();
            let error = answer["error"].as_str().expect("an error");
            assert!(
                error.contains("65534") && error.contains("user 0"),
                "{error}"
            );
            assert!(answer.get("runtimes").is_none());
        });
        ask(&path);
    });
}

#[test]
fn odd_clients_harm_nobody() {
    let test = "odd_clients_harm_nobody";
    yamanote_test::in_own_process(module_path!(), test, || {
        let directory = TempDir::new();
        let path = directory.path().join("console.sock");
        let runtime = Builder::new_current_thread()
            .console_at(&path)
            .build()
            .unwrap();
        assert_eq!(exchange(&path, ""), "");
        for request in ["dance\n", "dance", &"x".repeat(200), "\u{0}\u{7f}\n"] {
            let mut stream = UnixStream::connect(&path).unwrap();
            // It may hang up before it has read all.
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            let mut byte = [0];
            while let Ok(1) = stream.read(&mut byte) {
                answer.push(byte[0]);
            }
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            let error = answer["error"].as_str().expect("an error");
            assert!(error.contains("`snapshot`"), "{error}");
        }
        // Says nothing, and is left after a second.
        let mut silent = UnixStream::connect(&path).unwrap();
        ask(&path);
        assert_eq!(silent.read(&mut [0]).unwrap(), 0);
        // Gone before the answer.
        for _ in 0..100 {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(b"snapshot\n").unwrap();
        }
        ask(&path);
        // A connection in mid-exchange does not keep the runtime from its end.
        let mut silent = UnixStream::connect(&path).unwrap();
        drop(runtime);
        assert!(!path.exists());
        // Whether it had been accepted or not.
        assert!(matches!(silent.read(&mut [0]), Ok(0) | Err(_)));
    });
}
