//! What workers do, and what must be true.
#![forbid(unsafe_code)]

use lease::{Bug, Worker};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What only one may use at a time; it knows who does.
#[derive(Clone, Default)]
pub struct Resource(Arc<Mutex<Option<String>>>);

struct Use(Resource);

impl Resource {
    fn enter(&self, who: &str) -> Use {
        let mut user = self.0.lock().unwrap_or_else(|it| it.into_inner());
        if let Some(other) = &*user {
            panic!("{other} is in while {who} enters");
        }
        *user = Some(who.to_owned());
        Use(self.clone())
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(|it| it.into_inner()) = None;
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
        let who = format!("{name}.{task}");
        let work = async {
            let _use = it.enter(&who);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..500))).await;
        };
        done += u32::from(worker.attempt(work).await.is_some());
        tokio::time::sleep(Duration::from_millis(fastrand::u64(5..50))).await;
    }
}
