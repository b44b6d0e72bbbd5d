//! The builder: what it refuses, and what the environment overrides.

use std::io::ErrorKind;
use std::panic::catch_unwind;

use yamanote::runtime::{Builder, DriverChoice, DriverKind};
use yamanote_test::{Capability, in_own_process, require};

fn panic_text(run: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = catch_unwind(run).expect_err("it panics");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().unwrap().to_string(),
    }
}

#[test]
fn zeros_are_refused() {
    type Set = fn(&mut Builder);
    let zeros: [(Set, &str); 6] = [
        (
            |b| {
                b.worker_threads(0);
            },
            "Worker threads cannot be set to 0",
        ),
        (
            |b| {
                b.max_blocking_threads(0);
            },
            "Max blocking threads cannot be set to 0",
        ),
        (
            |b| {
                b.event_interval(0);
            },
            "event_interval must be greater than 0",
        ),
        (
            |b| {
                b.global_queue_interval(0);
            },
            "global_queue_interval must be greater than 0",
        ),
        (
            |b| {
                b.max_io_events_per_tick(0);
            },
            "max_io_events_per_tick must be non-zero",
        ),
        (
            |b| {
                b.max_io_events_per_busy_tick(0);
            },
            "max_io_events_per_busy_tick must be non-zero",
        ),
    ];
    for (set, expected) in zeros {
        let text = panic_text(move || set(&mut Builder::new_multi_thread()));
        assert_eq!(text, expected);
    }
}

#[test]
fn only_a_current_thread_runtime_starts_paused() {
    let text = panic_text(|| {
        let _ = Builder::new_multi_thread().start_paused(true).build();
    });
    assert_eq!(
        text,
        "`time::pause()` requires the `current_thread` Tokio runtime. \
         This is the default Runtime used by `#[tokio::test]."
    );
}

#[test]
fn a_builder_can_be_used_again() {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all();
    let (a, b) = (builder.build().unwrap(), builder.build().unwrap());
    assert_ne!(a.handle().id(), b.handle().id());
}

#[test]
fn the_program_chooses_a_driver() {
    if std::env::var_os("YAMANOTE_DRIVER").is_some() {
        return;
    }
    let kind = |choice| {
        let rt = Builder::new_current_thread()
            .driver(choice)
            .build()
            .unwrap();
        rt.handle().driver()
    };
    assert_eq!(kind(DriverChoice::Epoll), DriverKind::Epoll);
    if require(Capability::IoUring) {
        assert_eq!(kind(DriverChoice::Uring), DriverKind::Uring);
        assert_eq!(kind(DriverChoice::Auto), DriverKind::Uring);
    }
}

fn with_variable(name: &str, variable: &str, value: &str, test: impl FnOnce()) {
    in_own_process(module_path!(), name, || {
        // SAFETY: the test is alone in its process and has started no thread that reads the
        // environment.
        unsafe { std::env::set_var(variable, value) };
        test();
    });
}

#[test]
fn the_operator_overrides_the_program() {
    with_variable(
        "the_operator_overrides_the_program",
        "YAMANOTE_DRIVER",
        "epoll",
        || {
            let rt = Builder::new_multi_thread()
                .worker_threads(1)
                .driver(DriverChoice::Uring)
                .build()
                .unwrap();
            assert_eq!(rt.handle().driver(), DriverKind::Epoll);
            assert_eq!(rt.metrics().driver_fallback_reason(), None);
        },
    );
}

#[test]
fn an_unknown_driver_is_an_error_that_names_the_known() {
    with_variable(
        "an_unknown_driver_is_an_error_that_names_the_known",
        "YAMANOTE_DRIVER",
        "kqueue",
        || {
            for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
                let error = builder.build().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                let text = error.to_string();
                for part in ["YAMANOTE_DRIVER", "kqueue", "auto", "uring", "epoll"] {
                    assert!(text.contains(part), "{text}");
                }
            }
        },
    );
}

/// A read that would otherwise be done at once waits for a thread of the pool.
#[test]
fn the_operator_keeps_files_off_the_workers() {
    with_variable(
        "the_operator_keeps_files_off_the_workers",
        "YAMANOTE_INLINE_FILES",
        "off",
        || {
            let mut builder = Builder::new_current_thread();
            builder.inline_files(true).max_blocking_threads(1);
            let rt = builder.build().unwrap();
            rt.block_on(async {
                for _ in 0..20 {
                    // The only thread of the pool is busy.
                    let (release, released) = std::sync::mpsc::channel::<()>();
                    yamanote::task::spawn_blocking(move || released.recv());
                    let mut metadata = std::pin::pin!(yamanote::fs::metadata("."));
                    std::future::poll_fn(|cx| {
                        assert!(metadata.as_mut().poll(cx).is_pending());
                        std::task::Poll::Ready(())
                    })
                    .await;
                    drop(release);
                    assert!(metadata.await.unwrap().is_dir());
                }
            });
        },
    );
}

#[test]
fn an_unknown_word_about_files_is_an_error_that_names_the_known() {
    with_variable(
        "an_unknown_word_about_files_is_an_error_that_names_the_known",
        "YAMANOTE_INLINE_FILES",
        "never",
        || {
            for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
                let error = builder.build().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                let text = error.to_string();
                for part in ["YAMANOTE_INLINE_FILES", "never", "on", "off"] {
                    assert!(text.contains(part), "{text}");
                }
            }
        },
    );
}

#[test]
fn the_number_of_workers_may_come_from_outside() {
    with_variable(
        "the_number_of_workers_may_come_from_outside",
        "TOKIO_WORKER_THREADS",
        "3",
        || {
            let rt = Builder::new_multi_thread().build().unwrap();
            assert_eq!(rt.metrics().num_workers(), 3);
            let rt = Builder::new_multi_thread()
                .worker_threads(2)
                .build()
                .unwrap();
            assert_eq!(rt.metrics().num_workers(), 2);
        },
    );
}

#[test]
fn a_thread_that_is_not_to_be_had_is_an_error_also_where_futures_run() {
    let outer = Builder::new_current_thread().build().unwrap();
    let error = outer.block_on(async {
        Builder::new_multi_thread()
            .worker_threads(4)
            .thread_stack_size(usize::try_from(1u64 << 46).unwrap_or(usize::MAX / 4 * 3))
            .build()
            .unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

/// B3: a 32-bit program has no rings on any kernel; the refusal and its errno say so, and epoll is
/// taken by default.
#[cfg(target_pointer_width = "32")]
#[test]
fn rings_in_a_32_bit_program() {
    let with = |choice| Builder::new_current_thread().driver(choice).build();
    let error = with(DriverChoice::Uring).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOSYS));
    let cause = yamanote::runtime::io_uring_refusal().unwrap();
    assert!(cause.contains("this is a 32-bit program"), "{cause}");
    let runtime = with(DriverChoice::Auto).unwrap();
    assert_eq!(runtime.handle().driver(), DriverKind::Epoll);
    let reason = runtime.metrics().driver_fallback_reason().unwrap();
    assert!(reason.contains("this is a 32-bit program"), "{reason}");
}
