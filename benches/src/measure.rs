//! One row: pairs of runs, wall and CPU time per operation.

use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Flavor {
    CurrentThread,
    MultiThread,
}

impl Flavor {
    pub const ALL: [Flavor; 2] = [Flavor::CurrentThread, Flavor::MultiThread];

    pub fn name(self) -> &'static str {
        match self {
            Flavor::CurrentThread => "current_thread",
            Flavor::MultiThread => "multi_thread",
        }
    }
}

/// The files that are read and written, in a directory removed at the end.
pub struct Files {
    directory: PathBuf,
    pub hot: PathBuf,
    pub small: PathBuf,
    pub large: PathBuf,
    /// Nothing is there; for rows that write.
    pub scratch: PathBuf,
}

impl Files {
    pub fn create() -> Files {
        let directory = std::env::temp_dir().join(format!("yamanote-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a temporary directory");
        let [hot, small, large, scratch] =
            ["hot", "small", "large", "scratch"].map(|name| directory.join(name));
        std::fs::write(&hot, vec![0xA5; 64 * 1024]).expect("a temporary file");
        std::fs::write(&small, vec![0x5A; 1024]).expect("a temporary file");
        std::fs::write(&large, vec![0xC3; 4 << 20]).expect("a temporary file");
        Files {
            directory,
            hot,
            small,
            large,
            scratch,
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// What one run is to do.
pub struct Job<'a> {
    pub flavor: Flavor,
    pub ops: u64,
    pub files: &'a Files,
}

/// Cost of one operation.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub wall_ns: f64,
    pub cpu_ns: f64,
}

/// What is measured: a name, the number of operations at scale one, and the work on either runtime.
pub struct Work {
    pub name: &'static str,
    pub ops: u64,
    pub on_yamanote: fn(&Job),
    pub on_tokio: fn(&Job),
}

pub struct Row {
    pub work: &'static Work,
    pub flavor: Flavor,
}

pub struct Measured {
    pub row: String,
    pub flavor: &'static str,
    pub yamanote: Vec<Cost>,
    pub tokio: Vec<Cost>,
}

impl Row {
    pub fn name(&self) -> String {
        format!("{} ({})", self.work.name, self.flavor.name())
    }

    pub fn job<'a>(&self, files: &'a Files, scale: f64) -> Job<'a> {
        Job {
            flavor: self.flavor,
            ops: ((self.work.ops as f64 * scale) as u64).max(10),
            files,
        }
    }

    pub fn measure(
        &self,
        files: &Files,
        pairs: u32,
        scale: f64,
        mut done: impl FnMut(),
    ) -> Measured {
        let job = self.job(files, scale);
        let (mut yamanote, mut tokio) = (Vec::new(), Vec::new());
        // Not counted: page cache, allocator and CPU frequency settle.
        cost(self.work.on_yamanote, &job);
        cost(self.work.on_tokio, &job);
        for pair in 0..pairs {
            if pair % 2 == 0 {
                yamanote.push(cost(self.work.on_yamanote, &job));
                tokio.push(cost(self.work.on_tokio, &job));
            } else {
                tokio.push(cost(self.work.on_tokio, &job));
                yamanote.push(cost(self.work.on_yamanote, &job));
            }
            done();
        }
        Measured {
            row: self.work.name.to_owned(),
            flavor: self.flavor.name(),
            yamanote,
            tokio,
        }
    }
}

fn cost(work: fn(&Job), job: &Job) -> Cost {
    let (cpu, wall) = (cpu_time(), Instant::now());
    work(job);
    let (wall, cpu) = (wall.elapsed(), cpu_time() - cpu);
    Cost {
        wall_ns: wall.as_nanos() as f64 / job.ops as f64,
        cpu_ns: cpu.as_nanos() as f64 / job.ops as f64,
    }
}

/// User and system time of all threads of this process, those that have ended included.
fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec that lives through the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "the process has a CPU clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
