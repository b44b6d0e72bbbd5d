//! `LocalRuntime`: tasks that are not `Send`, on one thread, on both drivers.

use std::cell::Cell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::runtime::{Builder, DriverChoice, LocalOptions, LocalRuntime, RuntimeFlavor};
use yamanote::task::{self, LocalSet, spawn_local};
use yamanote::time;
use yamanote_test::{Capability, Snapshot, in_own_process, require};

/// On every driver there is.
fn each(test: impl Fn(LocalRuntime)) {
    each_built(|_| {}, test);
}

fn each_built(set: impl Fn(&mut Builder), test: impl Fn(LocalRuntime)) {
    for driver in [DriverChoice::Uring, DriverChoice::Epoll] {
        if driver == DriverChoice::Uring && !require(Capability::IoUring) {
            continue;
        }
        let mut builder = Builder::new_current_thread();
        builder.enable_all().driver(driver);
        set(&mut builder);
        test(builder.build_local(LocalOptions::default()).unwrap());
    }
}

#[test]
fn tasks_need_not_be_send() {
    each(|rt| {
        let here = thread::current().id();
        let count = Rc::new(Cell::new(0));
        let inner = count.clone();
        let before = rt.spawn_local({
            let count = count.clone();
            async move { count.set(count.get() + 1) }
        });
        rt.block_on(async move {
            before.await.unwrap();
            for n in 0..50 {
                let inner = inner.clone();
                let task = spawn_local(async move {
                    time::sleep(Duration::from_millis(n % 2)).await;
                    inner.set(inner.get() + 1);
                    thread::current().id()
                });
                assert_eq!(task.await.unwrap(), here);
            }
        });
        assert_eq!(count.get(), 51);
        assert_eq!(Rc::strong_count(&count), 1);
    });
}

#[test]
fn sockets_files_and_jobs_work() {
    each(|rt| {
        rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let text = Rc::new(String::from("hello"));
            let server = spawn_local(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(text.as_bytes()).await.unwrap();
            });
            let mut got = String::new();
            let mut client = TcpStream::connect(address).await.unwrap();
            client.read_to_string(&mut got).await.unwrap();
            server.await.unwrap();
            assert_eq!(got, "hello");
            assert_eq!(task::spawn_blocking(|| 7).await.unwrap(), 7);
            assert!(
                !yamanote::fs::read("/proc/self/stat")
                    .await
                    .unwrap()
                    .is_empty()
            );
        });
    });
}

#[test]
fn others_may_send_it_tasks() {
    each(|rt| {
        let handle = rt.handle().clone();
        let here = thread::current().id();
        let thread = thread::spawn(move || {
            let join = handle.spawn(async { thread::current().id() });
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _entered = handle.enter();
                spawn_local(async {})
            }));
            let payload = panicked.unwrap_err();
            assert_eq!(
                payload.downcast_ref::<&str>(),
                Some(
                    &"Local tasks can only be spawned on a LocalRuntime from the thread the \
                      runtime was created on"
                )
            );
            assert_eq!(handle.block_on(join).unwrap(), here);
        });
        rt.block_on(async move {
            while !thread.is_finished() {
                time::sleep(Duration::from_millis(1)).await;
            }
            thread.join().unwrap();
        });
    });
}

#[test]
fn its_end_drops_every_future_here() {
    struct Here(thread::ThreadId, Rc<Cell<u32>>);
    impl Drop for Here {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.0);
            // The runtime is still the current one.
            assert!(spawn_local(async {}).is_finished());
            self.1.set(self.1.get() + 1);
        }
    }
    each(|rt| {
        let drops = Rc::new(Cell::new(0));
        let mut aborts = Vec::new();
        for n in 0..10 {
            let guard = Here(thread::current().id(), drops.clone());
            let task = rt.spawn_local(async move {
                let _guard = guard;
                pending::<()>().await
            });
            if n % 2 == 0 {
                aborts.push(task.abort_handle());
            }
        }
        rt.block_on(task::yield_now());
        // From another thread the abort is only noted; it is carried out here.
        thread::spawn(move || aborts.iter().for_each(|abort| abort.abort()))
            .join()
            .unwrap();
        drop(rt);
        assert_eq!(drops.get(), 10);
        assert_eq!(Rc::strong_count(&drops), 1);
    });
}

#[test]
fn it_leaves_nothing_behind() {
    in_own_process(module_path!(), "it_leaves_nothing_behind", || {
        let before = Snapshot::take();
        each(|rt| {
            rt.spawn_local(pending::<()>());
            rt.block_on(async { spawn_local(yamanote::fs::read("/proc/self/stat")).await })
                .unwrap()
                .unwrap();
        });
        before.assert_restored();
    });
}

#[test]
fn the_ways_to_end_it() {
    each(|rt| {
        rt.spawn_local(pending::<()>());
        rt.shutdown_background();
    });
    each(|rt| {
        rt.spawn_blocking(|| thread::sleep(Duration::from_millis(5)));
        rt.shutdown_timeout(Duration::from_secs(30));
    });
    each(|rt| {
        let outer = Builder::new_current_thread().build().unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| outer.block_on(async { drop(rt) })));
        let payload = panicked.unwrap_err();
        let text = payload.downcast_ref::<&str>().unwrap();
        assert!(
            text.starts_with("Cannot drop a runtime in a context where blocking"),
            "{text}"
        );
    });
}

/// Also the jobs that wait for a thread when the runtime ends, and none that come later.
#[test]
fn its_end_runs_the_jobs_that_wait() {
    for end in [
        drop,
        LocalRuntime::shutdown_background,
        |rt: LocalRuntime| rt.shutdown_timeout(Duration::from_millis(1)),
    ] {
        let limit = |builder: &mut Builder| {
            builder.max_blocking_threads(1);
        };
        each_built(limit, |rt| {
            let (stop, stopped) = std::sync::mpsc::channel::<()>();
            rt.spawn_blocking(move || {
                let _ = stopped.recv();
            });
            let jobs: Vec<_> = (0..10).map(|n| rt.spawn_blocking(move || n)).collect();
            let handle = rt.handle().clone();
            let stopper = thread::spawn(move || {
                thread::sleep(Duration::from_millis(5));
                drop(stop);
            });
            end(rt);
            stopper.join().unwrap();
            let late = handle.spawn_blocking(|| panic!("must not run"));
            for (n, job) in jobs.into_iter().enumerate() {
                assert_eq!(futures::executor::block_on(job).unwrap(), n);
            }
            let error = futures::executor::block_on(late).unwrap_err();
            assert!(error.is_cancelled());
        });
    }
}

#[test]
fn a_set_inside_gives_way_to_the_runtime() {
    each(|rt| {
        let local = LocalSet::new();
        rt.block_on(local.run_until(async {
            let task = spawn_local(async { 3 });
            assert_eq!(rt.metrics().num_alive_tasks(), 1);
            assert_eq!(task.await.unwrap(), 3);
        }));
        rt.block_on(async {
            let task = local.spawn_local(async { 4 });
            assert_eq!(rt.metrics().num_alive_tasks(), 0);
            assert_eq!(local.run_until(task).await.unwrap(), 4);
        });
    });
}

#[test]
fn what_it_says_of_itself() {
    each(|rt| {
        assert_eq!(rt.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
        assert_eq!(rt.metrics().num_workers(), 1);
        assert!(format!("{rt:?}").starts_with("LocalRuntime {"));
    });
    let options = format!("{:?}", LocalOptions::default());
    assert!(options.starts_with("LocalOptions {"));
    let panicked = catch_unwind(|| {
        let _ = Builder::new_multi_thread().build_local(LocalOptions::default());
    });
    assert_eq!(
        panicked.unwrap_err().downcast_ref::<&str>(),
        Some(&"multi_thread is not supported for LocalRuntime")
    );
}

#[test]
fn only_where_there_is_a_place_for_local_tasks() {
    for rt in [
        Builder::new_current_thread().build().unwrap(),
        Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap(),
    ] {
        let _entered = rt.enter();
        let panicked = catch_unwind(|| spawn_local(async {}));
        assert_eq!(
            panicked.unwrap_err().downcast_ref::<&str>(),
            Some(
                &"`spawn_local` called from outside of a `task::LocalSet` or \
                  `runtime::LocalRuntime`"
            )
        );
    }
}

#[yamanote::test(flavor = "local")]
async fn the_attribute_knows_it() {
    let not_send = Rc::new(5);
    assert_eq!(spawn_local(async move { *not_send }).await.unwrap(), 5);
}

#[test]
fn main_knows_it() {
    #[yamanote::main(flavor = "local")]
    async fn entry() -> u32 {
        let not_send = Rc::new(5);
        spawn_local(async move { *not_send }).await.unwrap()
    }
    assert_eq!(entry(), 5);
}
