//! The runs of a row: in pairs, one process after the other, in turn.
#![forbid(unsafe_code)]

use super::cores::Cores;
use super::place::Place;
use super::process::Process;
use super::report::{self, Contestant, Measured, Metric, Sample, Skipped};
use super::rows::{Flavor, Kind, Row, Script, Variant};
use super::subjects::Subject;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long the client asks, uncounted and counted.
#[derive(Clone, Copy)]
pub struct Times {
    pub warm_up: Duration,
    pub measured: Duration,
    /// Of a server that has nothing to do.
    pub idle: Duration,
}

pub struct Contest {
    pub subjects: Vec<Subject>,
    pub place: Place,
    pub cores: Cores,
    pub pairs: u32,
    pub scale: f64,
    pub times: Times,
    /// Words of a command that starts the subjects, such as a profiler.
    pub wrapper: Vec<String>,
    /// Descriptors that a process may open.
    pub descriptors: u64,
    /// Rows of which a contestant was left out, since somebody looked.
    pub left_out: Vec<Skipped>,
}

impl Contest {
    /// Measures one row on one flavour, and calls `done` after each run.
    pub fn measure(
        &mut self,
        row: &Row,
        variant: Variant,
        mut done: impl FnMut(),
    ) -> Result<Measured, Skipped> {
        let mut measured = measured(row, variant);
        let skipped = |why: String, is_failure: bool| Skipped {
            title: row.title.to_owned(),
            flavor: report::variant(variant.flavor.name(), variant.workers),
            why,
            is_failure,
        };
        self.allows(row).map_err(|why| skipped(why, false))?;
        let mut order = self.contestants(row, variant);
        for _ in 0..self.pairs {
            for contestant in order.clone() {
                match self.run(contestant, row, variant) {
                    Ok(sample) => measured.runs.entry(contestant).or_default().push(sample),
                    Err(why) => {
                        let failed = skipped(format!("{}: {why}", contestant.name()), true);
                        if !contestant.is_peer() {
                            return Err(failed);
                        }
                        // The row is there without it.
                        order.retain(|other| *other != contestant);
                        measured.runs.remove(&contestant);
                        self.left_out.push(failed);
                    }
                }
                done();
            }
            // Who is first has the machine as the one before has left it.
            order.rotate_left(1);
        }
        Ok(measured)
    }

    /// How many runs `measure` makes.
    pub fn runs(&self, row: &Row, variant: Variant) -> u64 {
        u64::from(self.pairs) * self.contestants(row, variant).len() as u64
    }

    fn contestants(&self, row: &Row, variant: Variant) -> Vec<Contestant> {
        let mut all = vec![
            Contestant::Tokio,
            Contestant::Yamanote,
            Contestant::TokioAgain,
        ];
        // They are beside the flavour that is like them.
        if row.has_peers && variant.flavor == Flavor::CurrentThread {
            let peers = [Contestant::Monoio, Contestant::Compio];
            let built = |peer: &Contestant| self.subjects.iter().any(|it| it.contestant == *peer);
            all.extend(peers.into_iter().filter(built));
        }
        all
    }

    /// One run of one contestant.
    pub fn run(
        &mut self,
        contestant: Contestant,
        row: &Row,
        variant: Variant,
    ) -> Result<Sample, String> {
        let failed = |error: std::io::Error| error.to_string();
        self.place.tidy_up().map_err(failed)?;
        if row.reads_pages() {
            self.place.warm_or_cold(row.is_cold).map_err(failed)?;
        }
        let mut command = self.command(contestant, row, variant);
        let Kind::Load(script) = row.kind else {
            let mut process = self.start(&mut command).map_err(failed)?;
            let answer = self.answer(contestant, &process.line()?)?;
            process.finish()?;
            return sample(&answer);
        };
        let cores = self.cores.of_server(variant.workers);
        let server = self.cores.on(cores, || self.start(&mut command));
        let mut server = server.map_err(failed)?;
        let said = server.line()?;
        let answer = self.answer(contestant, &said)?;
        let port = answer["port"].as_u64().ok_or("it listens nowhere")?;
        let mut client = self
            .client(script, row, port, server.id())
            .map_err(failed)?;
        let client = self
            .cores
            .on(self.cores.of_client(), || Process::start(&mut client));
        let mut client = client.map_err(failed)?;
        let answer = parse(&client.line()?)?;
        client.finish()?;
        server.finish()?;
        sample(&answer)
    }

    /// One run on the only subject there is.
    pub fn profile(&mut self, row: &Row, variant: Variant) -> Result<(), String> {
        let contestant = self.subjects[0].contestant;
        self.run(contestant, row, variant).map(drop)
    }

    /// What starts a subject may have something to say.
    fn start(&self, command: &mut Command) -> std::io::Result<Process> {
        let stderr = match self.wrapper.is_empty() {
            true => Stdio::piped(),
            false => Stdio::inherit(),
        };
        Process::start_with(command, stderr)
    }

    fn command(&self, contestant: Contestant, row: &Row, variant: Variant) -> Command {
        let mut words = self.wrapper.iter().map(PathBuf::from).collect::<Vec<_>>();
        words.push(self.subject(contestant).program.clone());
        let mut command = Command::new(&words[0]);
        // A panic is told in two lines.
        command.env("RUST_BACKTRACE", "0");
        command.args(&words[1..]).arg(row.work);
        command.args([
            format!("flavor={}", variant.flavor.name()),
            format!("workers={}", variant.workers),
            format!("ops={}", row.ops(self.scale)),
            format!("size={}", row.size),
            format!("in_flight={}", row.in_flight),
            format!("dir={}", self.place.dir().display()),
        ]);
        command
    }

    fn client(
        &self,
        script: Script,
        row: &Row,
        port: u64,
        server: u32,
    ) -> std::io::Result<Command> {
        let measured = match script {
            Script::Idle => self.times.idle,
            Script::Memory => Duration::ZERO,
            _ => self.times.measured,
        };
        // Idle is what follows the last things that are done: Yamanote's watchdog looks once more.
        let settled = match script {
            Script::Idle => self.times.warm_up.max(Duration::from_secs(1)),
            _ => self.times.warm_up,
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["race-client", "--script", script.name()]);
        for (name, value) in [
            ("--port", port),
            ("--pid", u64::from(server)),
            ("--connections", row.in_flight),
            ("--size", row.size),
            ("--warm-up-ms", settled.as_millis() as u64),
            ("--measure-ms", measured.as_millis() as u64),
        ] {
            command.args([name, &value.to_string()]);
        }
        command.arg("--file").arg(self.place.file("pages"));
        Ok(command)
    }

    fn subject(&self, contestant: Contestant) -> &Subject {
        let contestant = played_by(contestant);
        let mut all = self.subjects.iter();
        all.find(|subject| subject.contestant == contestant)
            .expect("who takes part was built")
    }

    /// Reads the line of a subject, which must be the one that it should be.
    fn answer(&mut self, contestant: Contestant, line: &str) -> Result<Value, String> {
        let answer = parse(line)?;
        let contestant = played_by(contestant);
        let mut all = self.subjects.iter_mut();
        let subject = all.find(|subject| subject.contestant == contestant);
        let linked = answer["runtime"].as_str().unwrap_or_default();
        subject
            .expect("who takes part was built")
            .check_linked(linked)?;
        Ok(answer)
    }

    /// Whether the row can be had here, or why not.
    fn allows(&self, row: &Row) -> Result<(), String> {
        let needed = match row.kind {
            // A client behind a relay is at both ends.
            Kind::Load(Script::Relay) => row.in_flight * 2 + 100,
            Kind::Load(_) => row.in_flight + 100,
            _ => 0,
        };
        if needed > self.descriptors {
            let may = self.descriptors;
            return Err(format!(
                "{needed} descriptors are needed and {may} are allowed (ulimit -Hn); raise the limit"
            ));
        }
        Ok(())
    }
}

/// The two runs of Tokio in a pair are of one program.
fn played_by(contestant: Contestant) -> Contestant {
    match contestant {
        Contestant::TokioAgain => Contestant::Tokio,
        other => other,
    }
}

fn measured(row: &Row, variant: Variant) -> Measured {
    Measured {
        title: row.title.to_owned(),
        group: row.group.to_owned(),
        flavor: variant.flavor.name().to_owned(),
        workers: variant.workers,
        per: row.per().map(str::to_owned),
        metrics: row.metrics().to_vec(),
        is_absolute: matches!(row.kind, Kind::Load(Script::Idle)),
        runs: BTreeMap::new(),
    }
}

fn parse(line: &str) -> Result<Value, String> {
    serde_json::from_str(line).map_err(|error| format!("{line:?}: {error}"))
}

/// From totals to figures per operation.
fn sample(answer: &Value) -> Result<Sample, String> {
    let total = |name: &str| answer[name].as_f64();
    let ops = total("ops")
        .filter(|ops| *ops > 0.0)
        .ok_or("it did nothing")?;
    let mut sample = Sample::default();
    let each = [
        (Metric::Cpu, "cpu_ns"),
        (Metric::Wall, "wall_ns"),
        (Metric::Switches, "switches"),
    ];
    let as_they_are = [
        (Metric::Memory, "bytes_per_op"),
        (Metric::Peak, "peak_rss_bytes"),
    ];
    for (metric, name) in each {
        sample
            .values
            .extend(total(name).map(|total| (metric, total / ops)));
    }
    for (metric, name) in as_they_are {
        sample
            .values
            .extend(total(name).map(|value| (metric, value)));
    }
    for pair in answer["latencies_ns"].as_array().into_iter().flatten() {
        let number = |index: usize| pair[index].as_f64().ok_or("a latency is no number");
        sample.latencies.push((number(0)?, number(1)?));
    }
    for (metric, quantile) in [
        (Metric::P50, 0.5),
        (Metric::P99, 0.99),
        (Metric::P999, 0.999),
    ] {
        let found = sample.latencies.iter().find(|(at, _)| *at == quantile);
        sample
            .values
            .extend(found.map(|(_, value)| (metric, *value)));
    }
    Ok(sample)
}
