//! What is shown, made of two snapshots: rows of text cells, and lines of figures. The text and the
//! screen show the same.
#![forbid(unsafe_code)]

mod facts;
mod history;
mod places;
mod printable;
mod workers;

pub use history::History;
pub use places::{Arrangement, PLACE_COLUMNS, Sort};
pub use workers::WORKER_COLUMNS;

use super::figures::{count, optional_count};
use super::snapshot::{Runtime, Snapshot};
use facts::Facts;
use history::Earlier;
use places::PlaceRow;
use printable::printable;
use workers::WorkerRow;

pub struct View {
    pub title: String,
    pub runtimes: Vec<RuntimeView>,
}

pub struct RuntimeView {
    pub title: String,
    /// Above the workers, if there is something to say.
    pub warnings: Vec<String>,
    pub workers: Vec<WorkerRow>,
    /// `None` if the program does not tell.
    pub places: Option<Vec<PlaceRow>>,
    /// What else there is, a line each: a title and its figures.
    pub facts: Facts,
}

impl View {
    pub fn new(history: &History, now: &Snapshot, arrangement: &Arrangement) -> View {
        let runtimes = now.runtimes.iter().map(|runtime| {
            let earlier = history.earlier(now, runtime);
            RuntimeView::new(earlier, runtime, arrangement)
        });
        let program = std::path::Path::new(&now.program).file_name();
        let program = program.map_or(now.program.clone(), |it| it.to_string_lossy().into_owned());
        View {
            title: format!(
                "{} (pid {}, Yamanote {})",
                printable(&program),
                now.pid,
                now.version
            ),
            runtimes: runtimes.collect(),
        }
    }
}

impl RuntimeView {
    fn new(earlier: Option<Earlier<'_>>, now: &Runtime, arrangement: &Arrangement) -> RuntimeView {
        let name = now
            .name
            .as_deref()
            .map(|name| format!(" {:?}", printable(name)));
        let spawned = earlier
            .zip(now.tasks.spawned)
            .and_then(|(earlier, spawned)| {
                Some(earlier.rate(earlier.runtime.tasks.spawned?, spawned))
            });
        let mut warnings = Vec::new();
        if let Some(reason) = &now.driver_fallback_reason {
            warnings.push(format!("not all on io_uring: {}", printable(reason)));
        }
        RuntimeView {
            title: format!(
                "runtime {}{}: {} on {}; tasks: {} alive, {} injected, {} spawned/s",
                now.id,
                name.unwrap_or_default(),
                now.flavor,
                now.driver,
                count(now.tasks.alive as f64),
                count(now.tasks.injected as f64),
                optional_count(spawned),
            ),
            warnings,
            workers: now
                .workers
                .iter()
                .map(|worker| WorkerRow::new(earlier, worker))
                .collect(),
            places: now
                .locations
                .as_ref()
                .map(|all| places::rows(earlier, all, arrangement)),
            facts: facts::of(earlier, now),
        }
    }
}

#[cfg(test)]
pub mod tests;
