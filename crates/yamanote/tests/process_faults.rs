//! Children that cannot be started, watched or killed as usual: what is missing is an error or is
//! worked around, and nothing is left behind.

mod process_support;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use process_support::{BELL, assert_all_reaped, children, runtime, settled, sh};
use yamanote::process::Command;
use yamanote::time::timeout;
use yamanote_test::{Capability, Setup, Snapshot, deny_syscall, matrix, require};

/// From here on at most `count` descriptors can be opened.
fn leave_descriptors(count: u64) {
    let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd() as u64;
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: writes `limit`.
    let known = unsafe { libc::getrlimit64(libc::RLIMIT_NOFILE, &mut limit) };
    assert_eq!(known, 0);
    limit.rlim_cur = next + count;
    // SAFETY: reads `limit`, of a process of its own.
    let set = unsafe { libc::setrlimit64(libc::RLIMIT_NOFILE, &limit) };
    assert_eq!(set, 0);
}

fn killed(setup: Setup) {
    runtime(setup).block_on(async {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        drop(
            Command::new("sleep")
                .arg("1000")
                .kill_on_drop(true)
                .spawn()
                .unwrap(),
        );
        assert_all_reaped().await;
    });
}

matrix! {
    /// Failures to start leave nothing behind.
    alone fn what_cannot_start(setup: Setup) {
        let rt = settled(setup);
        let before = Snapshot::take();
        rt.block_on(async {
            for _ in 0..20 {
                let mut command = Command::new("/no/such/program");
                command.stdin(Stdio::piped()).stdout(Stdio::piped());
                assert_eq!(command.spawn().unwrap_err().kind(), ErrorKind::NotFound);
                assert_eq!(command.output().await.unwrap_err().kind(), ErrorKind::NotFound);
                assert_eq!(command.status().await.unwrap_err().kind(), ErrorKind::NotFound);
                let huge = "x".repeat(4 << 20);
                let error = Command::new("true").arg(huge).spawn().unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::E2BIG));
                let error = Command::new("true").current_dir("/no/such").spawn().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound);
            }
        });
        assert_eq!(children(), BTreeMap::new());
        assert_eq!(Snapshot::take().descriptor_count(), before.descriptor_count() + BELL);
    }

    /// More children than descriptors: those without a pidfd end as well as the others.
    alone fn more_children_than_descriptors(setup: Setup) {
        let rt = settled(setup);
        let before = Snapshot::take();
        leave_descriptors(8);
        rt.block_on(async {
            let children: Vec<_> = (0..40)
                .map(|code| (code, sh(&format!("sleep 0.3; exit {code}")).spawn().unwrap()))
                .collect();
            std::fs::File::open("/dev/null").unwrap_err();
            for (code, mut child) in children {
                let status = timeout(Duration::from_secs(20), child.wait())
                    .await
                    .expect("an exit was missed")
                    .unwrap();
                assert_eq!(status.code(), Some(code));
            }
        });
        assert_eq!(children(), BTreeMap::new());
        assert_eq!(Snapshot::take().descriptor_count(), before.descriptor_count() + BELL);
    }

    /// The first child needs the one descriptor that all share, and does not run without it.
    alone fn no_descriptor_no_child(setup: Setup) {
        let rt = settled(setup);
        let (mut from_child, to_us) = yamanote_test::pipe();
        let next = std::fs::File::open("/dev/null").unwrap();
        leave_descriptors(0);
        rt.block_on(async {
            let mut command = sh("echo ran");
            let error = command.stdout(to_us).spawn().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            drop(next);
            assert_eq!(sh("exit 3").status().await.unwrap().code(), Some(3));
        });
        let mut words = String::new();
        std::io::Read::read_to_string(&mut from_child, &mut words).unwrap();
        assert_eq!(words, "");
        assert_eq!(children(), BTreeMap::new());
    }

    /// A set that takes no more pidfds loses no child.
    alone fn no_room_for_a_pidfd(setup: Setup) {
        runtime(setup).block_on(async {
            assert!(sh("exit 0").status().await.unwrap().success());
            deny_syscall(libc::SYS_epoll_ctl, libc::ENOSPC);
            assert_eq!(sh("exit 3").status().await.unwrap().code(), Some(3));
        });
    }

    /// A kill goes by the pidfd, which cannot denote another process.
    alone fn a_kill_by_pidfd(setup: Setup) {
        deny_syscall(libc::SYS_kill, libc::EPERM);
        killed(setup);
    }

    /// Where a filter does not let pidfds carry signals, a kill goes by number.
    alone fn a_kill_by_number(setup: Setup) {
        deny_syscall(libc::SYS_pidfd_send_signal, libc::EPERM);
        killed(setup);
    }

    /// Descriptors are closed when the child ends, not only when it is dropped.
    alone fn descriptors_are_given_back(setup: Setup) {
        let rt = settled(setup);
        let before = Snapshot::take();
        rt.block_on(async {
            for _ in 0..50 {
                let output = sh("echo out; echo err >&2").stdin(Stdio::piped()).output().await.unwrap();
                assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
                let mut child = Command::new("cat")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                assert!(child.wait().await.unwrap().success());
            }
        });
        assert_eq!(children(), BTreeMap::new());
        assert_eq!(Snapshot::take().descriptor_count(), before.descriptor_count() + BELL);
    }

    /// A child that was started and cannot be watched, because the runtime has ended, is killed if
    /// it should not outlive its handle.
    alone fn kill_on_drop_of_what_cannot_be_watched(setup: Setup) {
        let rt = runtime(setup);
        let handle = rt.handle().clone();
        drop(rt);
        let _entered = handle.enter();
        let (mut from_child, to_us) = yamanote_test::pipe();
        let mut command = Command::new("sleep");
        command.arg("100").stdout(to_us).kill_on_drop(true);
        command.spawn().unwrap_err();
        drop(command);
        let begin = Instant::now();
        std::io::Read::read_to_end(&mut from_child, &mut Vec::new()).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(50), "it lived on");
    }

    /// Outside a runtime, or without I/O, nothing is started.
    alone fn no_runtime_no_child(setup: Setup) {
        let text = |f: &dyn Fn()| {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
            match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
            }
        };
        let spawn = || drop(Command::new("sleep").arg("1").spawn());
        assert_eq!(
            text(&spawn),
            "there is no reactor running, must be called from the context of a Tokio 1.x runtime"
        );
        let without_io = match setup.workers {
            None => yamanote::runtime::Builder::new_current_thread().build(),
            Some(_) => yamanote::runtime::Builder::new_multi_thread().build(),
        }
        .unwrap();
        assert_eq!(
            text(&|| without_io.block_on(async { spawn() })),
            "A Tokio 1.x context was found, but IO is disabled. Call `enable_io` on the runtime \
             builder to enable IO."
        );
        assert_eq!(children(), BTreeMap::new());
    }

    /// An error before exec is the error of the spawn.
    async fn pre_exec() {
        let mut command = Command::new("true");
        // SAFETY: the closure only returns.
        unsafe { command.pre_exec(|| Err(std::io::Error::from_raw_os_error(libc::EXFULL))) };
        assert_eq!(command.spawn().unwrap_err().raw_os_error(), Some(libc::EXFULL));
        let error = Command::new("true").uid(4_000_000).gid(4_000_000).status().await;
        if !require(Capability::Root) {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
    }
}
