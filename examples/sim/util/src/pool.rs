//! The jobs whose time has come, and who does them.
#![forbid(unsafe_code)]

use crate::{Bug, WORK};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, mpsc};

pub struct Job {
    pub name: String,
    pub payload: String,
    /// Where it is told that the job is done.
    pub done: mpsc::Sender<(String, String)>,
}

pub struct Pool {
    due: Mutex<VecDeque<Job>>,
    news: Notify,
    bug: Option<Bug>,
}

impl Pool {
    pub fn new(bug: Option<Bug>) -> Pool {
        Pool {
            due: Mutex::default(),
            news: Notify::new(),
            bug,
        }
    }

    pub fn add(&self, job: Job) {
        self.due
            .lock()
            .expect("nobody panics with it")
            .push_back(job);
        self.news.notify_one();
    }

    fn take(&self) -> Option<Job> {
        self.due.lock().expect("nobody panics with it").pop_front()
    }

    async fn next(&self) -> Job {
        loop {
            if self.bug == Some(Bug::LostWakeUp) {
                // Two jobs while no worker waits leave one permit.
                self.news.notified().await;
            }
            if let Some(job) = self.take() {
                return job;
            }
            if self.bug != Some(Bug::LostWakeUp) {
                self.news.notified().await;
            }
        }
    }
}

pub async fn work(pool: Arc<Pool>) {
    loop {
        let job = pool.next().await;
        tokio::time::sleep(WORK).await;
        // There is room for all jobs of a client. One that has hung up does not want to know.
        let _ = job.done.try_send((job.name, job.payload));
    }
}
