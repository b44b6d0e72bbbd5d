//! `yamanote top` beside a live program, as a user runs it: text, JSON, and errors that say what to
//! do. The program is this test's own process, or one that has ended.
#![forbid(unsafe_code)]

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use serde_json::Value;
use yamanote_test::{Holdup, Setup, TempDir, builder, matrix};

/// The tool, which finds consoles in `directory` only.
fn top(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yamanote"));
    command.arg("top").args(arguments);
    command
        .env("XDG_RUNTIME_DIR", directory)
        .stdin(Stdio::null());
    command.env_remove("YAMANOTE_CONSOLE");
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    top(directory, arguments).output().expect("the tool runs")
}

fn stdout(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "{errors}{text}"
    );
    text
}

/// What it complains of, with exit status 1 and nothing on standard output.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Where `top PID` looks for the console of this process.
fn usual_path(directory: &Path) -> std::path::PathBuf {
    directory.join(format!("yamanote-{}.sock", std::process::id()))
}

matrix! {
    alone fn a_live_program_is_shown_as_text_and_as_json(setup: Setup) {
        let directory = TempDir::new();
        let path = usual_path(directory.path());
        let runtime = builder!(setup).name("front").console_at(&path).build().unwrap();
        for _ in 0..3 {
            runtime.spawn(std::future::pending::<()>());
        }
        let pid = std::process::id().to_string();
        // Found by its number, by its socket, or for being the only one.
        let socket = path.to_str().unwrap();
        let mut ways = vec![vec![pid.as_str()], vec!["--socket", socket]];
        if is_quiet() {
            ways.push(vec![]);
        }
        for found in ways {
            let json = run(directory.path(), &[vec!["--json"], found.clone()].concat());
            let json: Value = serde_json::from_str(&stdout(&json)).expect("JSON");
            assert_eq!(json["pid"], std::process::id());
            assert_eq!(json["runtimes"][0]["tasks"]["alive"], 3);

            let arguments = [vec!["--once", "--interval", "0.05"], found].concat();
            let text = stdout(&run(directory.path(), &arguments));
            let flavor = setup.workers.map_or("current_thread", |_| "multi_thread");
            let title = format!("\"front\": {flavor} on {}; tasks: 3 alive", setup.driver.name());
            assert!(text.contains(&format!("pid {pid},")) && text.contains(&title), "{text}");
            let workers = text.lines().filter(|line| line.contains(" parked ")).count();
            if let Some(all) = setup.workers {
                assert_eq!(workers, all, "{text}");
            }
            for title in ["worker", "pool", "files"] {
                assert!(text.lines().any(|line| line.trim_start().starts_with(title)), "{text}");
            }
        }
        // Standard output is no terminal, so it prints once.
        let text = stdout(&run(directory.path(), &["--interval", "0.05", &pid]));
        assert!(text.contains("\"front\""), "{text}");
    }

    /// The worker runs user code that does not return.
    alone fn a_stuck_program_is_shown(setup: Setup) {
        let directory = TempDir::new();
        let path = usual_path(directory.path());
        let runtime = builder!(setup).console_at(&path).build().unwrap();
        let workers = setup.workers.unwrap_or(1);
        let (holdup, calls) = Holdup::new(workers);
        for call in calls {
            runtime.spawn(async move { call() });
        }
        let output = thread::scope(|scope| {
            if setup.workers.is_none() {
                scope.spawn(|| runtime.block_on(yamanote::task::yield_now()));
            }
            holdup.wait();
            let pid = std::process::id().to_string();
            let output = run(directory.path(), &["--once", "--interval", "0.5", &pid]);
            drop(holdup);
            output
        });
        let text = stdout(&output);
        // Each is told with the place of its task, and with what its thread does.
        let is_told = |line: &&str| {
            let (place, activity) = (concat!(" ", file!(), ":"), "it waits for another thread");
            line.contains(" stalled   100.0 ") && line.contains(place) && line.contains(activity)
        };
        assert_eq!(text.lines().filter(is_told).count(), workers, "{text}");
    }
}

/// Whether no other program of this user has a console, which a developer's may.
fn is_quiet() -> bool {
    let empty = TempDir::new();
    let error = run(empty.path(), &["--json"]).stderr;
    let is_quiet =
        String::from_utf8_lossy(&error).contains("no program of this user has a console");
    if !is_quiet {
        eprintln!("SKIPPED in part: another program of this user has a console");
    }
    is_quiet
}

/// A program without a console, until it is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Sleeper {
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Sleeper(command.spawn().expect("there is `sleep`"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn errors_say_what_to_do() {
    let directory = TempDir::new();
    if is_quiet() {
        let none = complaint(&run(directory.path(), &["--once"]));
        assert!(none.contains("YAMANOTE_CONSOLE=1"), "{none}");
    }

    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let pid = ended.id().to_string();
    let gone = complaint(&run(directory.path(), &["--once", &pid]));
    assert_eq!(gone, format!("yamanote top: there is no process {pid}\n"));

    let other = Sleeper::start();
    let pid = other.pid();
    let without = complaint(&run(directory.path(), &["--once", &pid]));
    drop(other);
    let expected = format!("yamanote top: process {pid} (sleep) has no console");
    assert!(without.starts_with(&expected), "{without}");
    for advice in ["YAMANOTE_CONSOLE=1", "Builder::console(true)", "--socket"] {
        assert!(without.contains(advice), "{without}");
    }

    let path = directory.path().join("left.sock");
    let socket = path.to_str().unwrap();
    let missing = complaint(&run(directory.path(), &["--json", "--socket", socket]));
    assert!(
        missing.contains(socket) && missing.contains("has ended"),
        "{missing}"
    );
    drop(UnixListener::bind(&path).unwrap());
    let left = complaint(&run(directory.path(), &["--json", "--socket", socket]));
    assert!(left.contains("has ended"), "{left}");

    for interval in ["0", "-1", "soon", "1e9", "NaN"] {
        let output = run(directory.path(), &[&format!("--interval={interval}")]);
        assert_eq!(output.status.code(), Some(2), "{interval}");
    }
}

/// Without a terminal nobody can be asked which is meant.
#[test]
fn several_programs_are_listed() {
    if !is_quiet() {
        return;
    }
    let directory = TempDir::new();
    let others = [Sleeper::start(), Sleeper::start()];
    let sockets = others.each_ref().map(|other| {
        let path = directory
            .path()
            .join(format!("yamanote-{}.sock", other.pid()));
        UnixListener::bind(path).unwrap()
    });
    // What an ended program has left is not one of them.
    drop(UnixListener::bind(directory.path().join("yamanote-1.sock")).unwrap());
    let error = complaint(&run(directory.path(), &["--once"]));
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    for (line, other) in lines[1..].iter().zip(&others) {
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words, [other.pid().as_str(), "sleep"], "{error}");
    }
    drop(sockets);
}

/// Whatever listens there: it is not believed.
#[test]
fn what_is_no_console_is_refused() {
    let directory = TempDir::new();
    let path = directory.path().join("other.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = path.to_str().unwrap();
    for (answer, complaint_has) in [
        ("", "hung up"),
        ("HTTP/1.1 400 Bad Request\r\n", "no answer of a console"),
        ("{\"schema\":9}", "schema 9"),
        ("{\"schema\":1,\"error\":\"not to you\"}\n", "not to you"),
    ] {
        let output = thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 9];
                stream.read_exact(&mut request).unwrap();
                assert_eq!(&request, b"snapshot\n");
                std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
            });
            run(directory.path(), &["--json", "--socket", socket])
        });
        let error = complaint(&output);
        assert!(error.contains(complaint_has), "{error}");
    }
}
