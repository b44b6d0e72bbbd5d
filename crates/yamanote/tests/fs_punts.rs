//! Which file operations took a thread of the pool, on which mount, and why.

use std::io::ErrorKind;
use std::path::Path;

use yamanote::fs::{self, File, OpenOptions};
use yamanote::insight::{FileOperation, PoolJobs, PoolReason};
use yamanote::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use yamanote::runtime::Handle;
use yamanote_test::{Capability, Setup, TempDir, builder, matrix, require};

fn jobs() -> Vec<PoolJobs> {
    let files = Handle::current().metrics().insight().files;
    // Each was counted when it was handed over, and again when a thread began it.
    let begun: u64 = files.pool_jobs_by.iter().map(|jobs| jobs.count).sum();
    assert_eq!(begun, files.pool_jobs, "{:?}", files.pool_jobs_by);
    files.pool_jobs_by
}

/// How many of this kind there were, on whatever mount.
fn count(jobs: &[PoolJobs], operation: FileOperation, reason: PoolReason) -> u64 {
    let of_kind = jobs
        .iter()
        .filter(|it| (it.operation, it.reason) == (operation, reason));
    of_kind.map(|it| it.count).sum()
}

/// Something of each kind.
async fn use_files(directory: &Path) {
    let (path, other) = (directory.join("file"), directory.join("other"));
    fs::write(&path, b"contents").await.unwrap();
    assert_eq!(fs::read(&path).await.unwrap(), b"contents");
    fs::metadata(&path).await.unwrap();
    fs::canonicalize(&path).await.unwrap();
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).open(&path).await.unwrap();
    file.write_all(b"more").await.unwrap();
    file.flush().await.unwrap();
    file.sync_all().await.unwrap();
    file.rewind().await.unwrap();
    assert_eq!(file.read(&mut [0; 64]).await.unwrap(), 8);
    file.write_at(b"at".to_vec(), 100).await.0.unwrap();
    file.read_at(Vec::with_capacity(8), 0).await.0.unwrap();
    file.set_len(10).await.unwrap();
    file.set_permissions(file.metadata().await.unwrap().permissions())
        .await
        .unwrap();
    let mut entries = fs::read_dir(directory).await.unwrap();
    while let Some(entry) = entries.next_entry().await.unwrap() {
        entry.metadata().await.unwrap();
    }
    fs::copy(&path, &other).await.unwrap();
    fs::rename(&other, directory.join("renamed")).await.unwrap();
    let missing = File::open(directory.join("missing").join("file")).await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    fs::remove_file(&path).await.unwrap();
}

matrix! {
    async fn jobs_on_a_disk() {
        if !require(Capability::Ext4) {
            return;
        }
        let directory = TempDir::on_ext4();
        use_files(directory.path()).await;
        let jobs = jobs();
        for operation in [FileOperation::Write, FileOperation::Sync, FileOperation::List, FileOperation::Change] {
            assert!(count(&jobs, operation, PoolReason::Never) > 0, "{operation}: {jobs:?}");
        }
        assert_eq!(count(&jobs, FileOperation::Sync, PoolReason::Never), 1, "{jobs:?}");
        assert_eq!(count(&jobs, FileOperation::Change, PoolReason::Never), 3, "{jobs:?}");
        assert_eq!(count(&jobs, FileOperation::List, PoolReason::Never), 1, "{jobs:?}");
        let real = directory.path().canonicalize().unwrap();
        for jobs in &jobs {
            let place = jobs.mount.strip_prefix("ext4 ");
            assert!(place.is_some_and(|place| real.starts_with(place)), "{jobs:?}");
            assert!(!matches!(jobs.reason, PoolReason::Off | PoolReason::Foreign), "{jobs:?}");
        }
        let text = Handle::current().metrics().to_openmetrics();
        let mount = &jobs[0].mount;
        let line = "yamanote_file_pool_jobs_by_mount_total";
        let line = format!("{line}{{mount=\"{mount}\",operation=\"sync\",reason=\"never\"}} 1\n");
        assert!(text.contains(&line), "{text}");
    }

    async fn jobs_in_memory() {
        if !require(Capability::Tmpfs) {
            return;
        }
        let directory = TempDir::on_tmpfs();
        use_files(directory.path()).await;
        let jobs = jobs();
        assert_eq!(count(&jobs, FileOperation::Sync, PoolReason::Never), 1, "{jobs:?}");
        // Only the first writes and changes take a thread, until they have been tried out.
        for operation in [FileOperation::Write, FileOperation::Change] {
            assert_eq!(count(&jobs, operation, PoolReason::Never), 0, "{jobs:?}");
        }
        assert!(jobs.iter().all(|it| it.mount.starts_with("tmpfs ")), "{jobs:?}");
    }

    /// Everything takes a thread, and the reason is always the same.
    fn jobs_of_a_runtime_without_inline_files(setup: Setup) {
        let runtime = builder!(setup).inline_files(false).build().unwrap();
        runtime.block_on(async {
            let directory = TempDir::new();
            use_files(directory.path()).await;
            let jobs = jobs();
            assert!(jobs.iter().all(|it| it.reason == PoolReason::Off), "{jobs:?}");
            let operations = jobs.iter().map(|it| it.operation);
            // The pool has read at an offset, too.
            assert!(operations.clone().any(|it| it == FileOperation::Read));
            assert!(count(&jobs, FileOperation::Write, PoolReason::Off) >= 3, "{jobs:?}");
        });
    }
}
