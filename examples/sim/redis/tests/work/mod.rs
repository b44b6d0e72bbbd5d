//! What workers do, and what must be true.
#![forbid(unsafe_code)]

use lease::{Bug, Worker};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// What only one may use at a time; it knows who does.
#[derive(Clone)]
pub struct Resource {
    user: Arc<Mutex<Option<User>>>,
    /// Whether a worker may see late that its lease is over, as it does in real time.
    may_be_late: bool,
}

#[derive(Clone, PartialEq)]
struct User {
    name: String,
    until: Instant,
}

struct Use<'a> {
    it: &'a Resource,
    user: User,
}

impl Resource {
    pub fn new(may_be_late: bool) -> Resource {
        let user = Arc::default();
        Resource { user, may_be_late }
    }

    fn lock(&self) -> MutexGuard<'_, Option<User>> {
        self.user.lock().unwrap_or_else(|it| it.into_inner())
    }

    fn enter(&self, user: User) -> Use<'_> {
        let mut present = self.lock();
        if let Some(other) = &*present {
            let is_late = Instant::now() >= other.until;
            let (other, name) = (&other.name, &user.name);
            assert!(
                self.may_be_late && is_late,
                "{other} is in while {name} enters"
            );
        }
        *present = Some(user.clone());
        Use { it: self, user }
    }
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        let mut present = self.it.lock();
        if present.as_ref() == Some(&self.user) {
            *present = None;
        }
    }
}

/// Works until it has done `times`. Some work takes longer than a lease lasts.
pub async fn works(
    server: &str,
    name: &str,
    task: u32,
    times: u32,
    it: Resource,
    bug: Option<Bug>,
) {
    let mut worker = Worker::new(server, name, bug);
    let mut done = 0;
    while done < times {
        let name = format!("{name}.{task}");
        let work = async |until| {
            let _use = it.enter(User { name, until });
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..500))).await;
        };
        done += u32::from(worker.attempt(work).await.is_some());
        tokio::time::sleep(Duration::from_millis(fastrand::u64(5..50))).await;
    }
}
