//! A process: finds its row, does the work, prints what came out.
#![forbid(unsafe_code)]

use super::job::{Answer, Job};
use super::usage::Usage;
use std::io::Write;
use std::process::ExitCode;

pub enum Work {
    /// `ops` operations, measured from here after a tenth of them.
    Ops(fn(&Job)),
    /// Something that is no sum over operations.
    Findings(fn(&Job, Answer) -> Answer),
    /// A server, measured by its client.
    Serve(fn(&Job, Answer)),
}

/// Runs the row that the arguments name. `runtime` is the compiler's name of a type of the runtime.
pub fn main(runtime: &str, rows: &[(&str, Work)]) -> ExitCode {
    let job = match Job::parse(std::env::args().skip(1)) {
        Ok(job) => job,
        Err(error) => return refuse(&error),
    };
    let Some((_, work)) = rows.iter().find(|(name, _)| *name == job.row) else {
        return refuse(&format!("there is no row {:?}", job.row));
    };
    let answer = Answer::of(runtime);
    match work {
        Work::Ops(work) => {
            // Page cache, allocator and CPU frequency settle.
            work(&job.with_ops(job.warm_up()));
            let usage = Usage::start();
            work(&job);
            usage.tell(answer, job.ops).print();
        }
        Work::Findings(work) => {
            let usage = Usage::start();
            usage.tell(work(&job, answer), job.ops).print();
        }
        Work::Serve(work) => work(&job, answer),
    }
    ExitCode::SUCCESS
}

/// Says at which port a server listens, and ends the process with its standard input.
pub fn announce(answer: Answer, port: u16) {
    answer.number("port", port).print();
    std::io::stdout().flush().expect("somebody listens");
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("race: {why}");
    ExitCode::from(2)
}
