//! A runtime for a job.
#![forbid(unsafe_code)]

use super::job::{Flavor, Job};
use tokio::runtime::{Builder, Runtime};

pub fn runtime(job: &Job) -> Runtime {
    match job.flavor {
        Flavor::CurrentThread => Builder::new_current_thread(),
        Flavor::MultiThread => Builder::new_multi_thread(),
    }
    .enable_all()
    .worker_threads(job.workers)
    .build()
    .expect("the runtime starts")
}

/// Runs `work` as a spawned task, as a server's work would.
pub fn run<F>(job: &Job, work: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = runtime(job);
    runtime
        .block_on(async { tokio::spawn(work).await })
        .expect("the work does not panic");
}
