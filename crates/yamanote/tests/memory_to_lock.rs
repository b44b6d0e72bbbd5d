//! Users who may lock little memory; some kernels count rings against that limit.

mod program_support;
mod tcp_support;

use std::time::{Duration, Instant};

use program_support::{PAGE, run_everything, runtime};
use tcp_support::{assert_numbered, numbered};
use yamanote::buf::IoBuf;
use yamanote::fs::File;
use yamanote::runtime::{DriverChoice, Handle};
use yamanote_test::{Capability, TempDir, in_own_process, require};

/// R9: many runtimes of a user without the right to lock memory.
#[test]
fn many_runtimes_with_little_memory_to_lock() {
    if !require(Capability::Root) || !require(Capability::Ext4) {
        return;
    }
    let test = "many_runtimes_with_little_memory_to_lock";
    in_own_process(module_path!(), test, || {
        let directory = TempDir::on_ext4();
        let path = directory.path().join("direct");
        std::fs::write(&path, numbered(0..PAGE)).unwrap();
        // Opened and removed while the process still has the right to.
        let files: Vec<_> = (0..32)
            .map(|_| {
                let mut options = std::fs::File::options();
                std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_DIRECT);
                options.read(true).open(&path).unwrap()
            })
            .collect();
        drop(directory);
        let limit = libc::rlimit {
            rlim_cur: 64 * 1024,
            rlim_max: 64 * 1024,
        };
        // SAFETY: `limit` lives through the call; the others involve no memory. The process drops
        // its rights for good.
        unsafe {
            assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit), 0);
            assert_eq!(libc::setgid(65534), 0);
            assert_eq!(libc::setuid(65534), 0);
        }
        let runtimes: Vec<_> = (0..32)
            .map(|number| runtime(DriverChoice::Auto, number % 3).unwrap())
            .collect();
        for (runtime, file) in runtimes.iter().zip(files) {
            let reading = runtime.spawn(async move {
                let file = File::from_std(file);
                let bytes = vec![0; 2 * PAGE];
                let start = bytes.as_ptr().align_offset(PAGE);
                let (n, bytes) = file.read_at(bytes.slice(start..start + PAGE), 0).await;
                assert_eq!(n.unwrap(), PAGE);
                assert_numbered(0, &bytes);
                Handle::current().metrics().driver()
            });
            let driver = runtime.block_on(reading).unwrap();
            assert_eq!(driver, runtime.handle().driver());
        }
        drop(runtimes);
    });
}

/// R9: with room for a few rings, a runtime that insists on them returns an error, and another one
/// works and says why some of its operations do not use a ring; and no feature that the kernel has
/// is called missing.
#[test]
fn little_memory_to_lock_is_said() {
    if !require(Capability::Root) || !require(Capability::IoUring) || !require(Capability::Ext4) {
        return;
    }
    in_own_process(module_path!(), "little_memory_to_lock_is_said", || {
        let directory = TempDir::on_ext4();
        // SAFETY: no memory is involved, and `chown` reads a string that lives through the call.
        unsafe {
            let path = std::ffi::CString::new(directory.path().to_str().unwrap()).unwrap();
            assert_eq!(libc::chown(path.as_ptr(), 65534, 65534), 0);
            let limit = libc::rlimit {
                rlim_cur: 32 * 1024,
                rlim_max: 32 * 1024,
            };
            assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit), 0);
            assert_eq!(libc::setgid(65534), 0);
            assert_eq!(libc::setuid(65534), 0);
        }
        let report = yamanote::runtime::probe::report();
        for finding in report.setup_flags.iter().chain(&report.features) {
            let is_needed = finding.need == yamanote::runtime::probe::Need::Required;
            assert!(!is_needed || finding.present != Some(false), "{finding:?}");
        }
        match runtime(DriverChoice::Uring, 8) {
            // Before about Linux 6.14, rings are not counted against this limit.
            Ok(runtime) => {
                let metrics = runtime.handle().metrics();
                run_everything(runtime, directory.path());
                assert_eq!(metrics.driver_fallback_reason(), None);
            }
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOMEM)),
        }
        // The memory of the rings that were tried comes back a little later.
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let runtime = runtime(DriverChoice::Auto, 8).unwrap();
            let metrics = runtime.handle().metrics();
            run_everything(runtime, directory.path());
            let is_whole = metrics.ops_submitted() > 0;
            let reason = metrics.driver_fallback_reason();
            if let Some(reason) = &reason {
                assert!(reason.contains("ulimit -l"), "{reason}");
            }
            if is_whole {
                return;
            }
            // Without a reason: the machine was so busy that a call looked stuck, and the pool did
            // it.
            assert!(Instant::now() < deadline, "{reason:?}");
            std::thread::sleep(Duration::from_millis(300));
        }
    });
}
