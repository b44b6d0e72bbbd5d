//! The options of `cargo xtask conformance`.
#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::suites::SUITES;
use super::workspace::Subject;

pub const HELP: &str = "\
Runs the released tests of tokio, tokio-util, tokio-stream and tokio-test, unmodified, with the
shim and with the real Tokio, and compares test by test.

Usage: cargo xtask conformance [OPTIONS]

What is run:
  --suite SUITE       one of tokio, tokio-util, tokio-stream, tokio-test (may be repeated; all)
  --only FILE[::TEST] only this test file, or this test of it (may be repeated); a final * stands
                      for anything: `sync_*`, `time_sleep::greater_*`
  --subject SUBJECT   shim, tokio or both (both); with `shim` alone, compare with --baseline
  --unstable          under --cfg tokio_unstable, with all features that gate something under it
  --driver DRIVER     what the shim waits with: uring, epoll or both (both); or sim, the simulated
                      machine, with --order
  --order ORDER       of a simulation: fifo, Tokio's order, or the seed of one (fifo)

How:
  --runs N            run every test N times, with the real Tokio too (1)
  --again N           run what differs N times more, with the real Tokio too and nothing beside it;
                      what differs then is a difference. Tests of Tokio's with little patience do
                      not all pass on a machine with much to do, whatever they are linked with
  --jobs N            tests at a time, each in a process of its own (the number of CPUs)
  --timeout SECONDS   for each test, whatever it is linked with (60)
  --baseline FILE     take the real Tokio's results from FILE if they are of today, this compiler,
                      this kernel and these versions; files missing there are run and added
  --target-dir DIR    where cargo builds (target/conformance/build; with --unstable,
                      target/conformance/unstable/build)
  --no-run            only build
  --explained         do not fail for a difference whose reason stands in docs/conformance.toml; it
                      is printed all the same

What comes out:
  --table             write the results to docs/conformance.md, with --unstable to
                      docs/conformance-unstable.md (a complete run only)
  --verbose           name every test as it ends
  --help              print this

The packages are fetched by cargo, checked and unpacked in target/conformance. Without --again
nothing is retried and, without --explained, no failure is excused: exit status 0 means that the shim
passes what the real Tokio passed in this very run, 1 that there is a difference, 2 that the
comparison could not be made.
";

/// The simulated machine, as `YAMANOTE_DRIVER` names it.
pub const SIM: &str = "sim";

pub struct Options {
    pub suites: Vec<String>,
    pub only: Vec<Only>,
    pub subjects: Vec<Subject>,
    pub drivers: Vec<&'static str>,
    /// As `YAMANOTE_SIM_ORDER` or `YAMANOTE_SIM_SEED` take it.
    pub order: Order,
    pub runs: usize,
    /// How often what differs is run once more.
    pub again: Option<usize>,
    pub jobs: usize,
    pub timeout: Duration,
    pub baseline: Option<PathBuf>,
    target_dir: Option<PathBuf>,
    /// Where everything is put that is not told to go elsewhere.
    directory: PathBuf,
    pub is_unstable: bool,
    pub is_build_only: bool,
    pub is_explained_enough: bool,
    pub table: bool,
    pub verbose: bool,
}

/// The order of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Fifo,
    /// Drawn from this seed.
    Seed(u64),
}

impl Order {
    fn parse(text: &str) -> Result<Order, String> {
        match (text, text.parse()) {
            ("fifo", _) => Ok(Order::Fifo),
            (_, Ok(seed)) => Ok(Order::Seed(seed)),
            _ => Err(expected("--order", text, "fifo or a seed")),
        }
    }

    /// The environment variable that asks for it.
    pub fn variable(self) -> (&'static str, String) {
        match self {
            Order::Fifo => ("YAMANOTE_SIM_ORDER", "fifo".to_owned()),
            Order::Seed(seed) => ("YAMANOTE_SIM_SEED", seed.to_string()),
        }
    }
}

/// `FILE` or `FILE::TEST`.
pub struct Only {
    file: String,
    test: Option<String>,
}

impl Only {
    fn parse(text: &str) -> Self {
        let (file, test) = match text.split_once("::") {
            Some((file, test)) => (file, Some(test.to_owned())),
            None => (text, None),
        };
        let file = file.strip_suffix(".rs").unwrap_or(file).to_owned();
        Only { file, test }
    }
}

/// Whether `name` is `pattern`, or starts with what stands before its final `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

impl Options {
    /// `None` if help was asked for. `root` is this repository.
    pub fn parse(args: &[String], root: &Path) -> Result<Option<Self>, String> {
        let mut options = Options {
            suites: Vec::new(),
            only: Vec::new(),
            subjects: vec![Subject::Tokio, Subject::Shim],
            drivers: vec!["uring", "epoll"],
            order: Order::Fifo,
            runs: 1,
            again: None,
            jobs: std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
            timeout: Duration::from_secs(60),
            baseline: None,
            target_dir: None,
            directory: root.join("target").join("conformance"),
            is_unstable: false,
            is_build_only: false,
            is_explained_enough: false,
            table: false,
            verbose: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let (name, given) = match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (arg.as_str(), None),
            };
            let mut value = || {
                given
                    .clone()
                    .or_else(|| args.next().cloned())
                    .ok_or_else(|| format!("{name} needs a value"))
            };
            match name {
                "--help" | "-h" => return Ok(None),
                "--suite" => options.suites.push(suite(value()?)?),
                "--only" => options.only.push(Only::parse(&value()?)),
                "--subject" => {
                    options.subjects = match value()?.as_str() {
                        "shim" => vec![Subject::Shim],
                        "tokio" => vec![Subject::Tokio],
                        "both" => vec![Subject::Tokio, Subject::Shim],
                        other => return Err(expected("--subject", other, "shim, tokio or both")),
                    }
                }
                "--driver" => {
                    options.drivers = match value()?.as_str() {
                        "uring" => vec!["uring"],
                        "epoll" => vec!["epoll"],
                        "sim" => vec![SIM],
                        "both" => vec!["uring", "epoll"],
                        other => {
                            let known = "uring, epoll, sim or both";
                            return Err(expected("--driver", other, known));
                        }
                    }
                }
                "--order" => options.order = Order::parse(&value()?)?,
                "--unstable" => options.is_unstable = true,
                "--runs" => options.runs = number(name, &value()?)?,
                "--again" => options.again = Some(number(name, &value()?)?),
                "--jobs" => options.jobs = number(name, &value()?)?,
                "--timeout" => {
                    options.timeout = Duration::from_secs(number(name, &value()?)? as u64);
                }
                "--baseline" => options.baseline = Some(absolute(&value()?)?),
                "--target-dir" => options.target_dir = Some(absolute(&value()?)?),
                "--no-run" | "--build-only" => options.is_build_only = true,
                "--explained" => options.is_explained_enough = true,
                "--table" => options.table = true,
                "--verbose" | "-v" => options.verbose = true,
                _ => return Err(format!("unknown option {arg}; see --help")),
            }
        }
        if options.table && !options.is_complete() {
            return Err("--table wants everything: no --suite, --only, --subject, --driver".into());
        }
        if options.table && options.again.is_some() {
            return Err("--table excuses nothing: no --again".into());
        }
        Ok(Some(options))
    }

    /// Whether the shim runs in the simulated machine.
    pub fn is_simulated(&self) -> bool {
        self.drivers == [SIM]
    }

    /// Whether all suites are compared on both drivers.
    fn is_complete(&self) -> bool {
        self.suites.is_empty()
            && self.only.is_empty()
            && self.subjects.len() == 2
            && self.drivers.len() == 2
            && !self.is_build_only
    }

    /// Where the released packages are unpacked, which are the same for every run.
    pub fn packages(&self) -> &Path {
        &self.directory
    }

    /// Where the generated workspaces are.
    pub fn workspaces(&self) -> PathBuf {
        match (self.is_unstable, self.is_simulated()) {
            (true, _) => self.directory.join("unstable"),
            (false, true) => self.directory.join(SIM),
            (false, false) => self.directory.clone(),
        }
    }

    pub fn target_dir(&self) -> PathBuf {
        let default = || self.workspaces().join("build");
        self.target_dir.clone().unwrap_or_else(default)
    }

    /// Whether files are run as a whole.
    pub fn wants_whole_files(&self) -> bool {
        self.only.iter().all(|only| only.test.is_none())
    }

    pub fn wants_suite(&self, suite: &str) -> bool {
        self.suites.is_empty() || self.suites.iter().any(|wanted| wanted == suite)
    }

    pub fn wants_file(&self, file: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| matches(&only.file, file))
    }

    pub fn wants_test(&self, file: &str, test: &str) -> bool {
        self.only.is_empty()
            || self.only.iter().any(|only| {
                matches(&only.file, file)
                    && only
                        .test
                        .as_ref()
                        .is_none_or(|pattern| matches(pattern, test))
            })
    }
}

fn suite(name: String) -> Result<String, String> {
    match SUITES.iter().any(|suite| suite.package == name) {
        true => Ok(name),
        false => {
            let known = SUITES.map(|suite| suite.package).join(", ");
            Err(expected("--suite", &name, &known))
        }
    }
}

fn expected(option: &str, found: &str, wanted: &str) -> String {
    format!("{option} {found}: expected {wanted}")
}

fn number(option: &str, text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(expected(option, text, "a number above zero")),
    }
}

fn absolute(path: &str) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Option<Options>, String> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        Options::parse(&args, Path::new("/"))
    }

    #[test]
    fn only_names_files_and_tests() {
        let args = ["--only", "sync_mpsc", "--only=time_*::a::b*"];
        let options = parse(&args).unwrap().unwrap();
        assert!(options.wants_test("sync_mpsc", "whatever"));
        assert!(!options.wants_file("sync_mpsc_weak"));
        assert!(options.wants_file("time_sleep"));
        assert!(options.wants_test("time_sleep", "a::bc"));
        assert!(!options.wants_test("time_sleep", "a::c"));
    }

    #[test]
    fn nonsense_is_refused() {
        for args in [
            &["--driver", "kqueue"][..],
            &["--runs", "0"],
            &["--runs"],
            &["--suite", "mio"],
            &["--table", "--only", "fs"],
            &["--table", "--again", "5"],
            &["--again", "0"],
            &["sync_mpsc"],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
        let simulated = parse(&["--driver", "sim", "--order", "7"])
            .unwrap()
            .unwrap();
        assert!(simulated.is_simulated() && simulated.order == Order::Seed(7));
        assert!(parse(&["--runs", "3", "--help"]).unwrap().is_none());
    }
}
