//! Output that goes nowhere: where it is lost, the command fails; where nobody reads on, it does
//! not.
#![forbid(unsafe_code)]

use std::fs::OpenOptions;
use std::process::{Command, Stdio};
use yamanote_test::{Capability, deny_syscall, require};

const COMMANDS: [&[&str]; 8] = [
    &["doctor"],
    &["doctor", "--json"],
    &["doctor", "--project", "."],
    &["doctor", "--project", "/", "--json"],
    &["--help"],
    &["--version"],
    &["doctor", "--help"],
    &["help", "serve"],
];

fn yamanote(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yamanote"));
    command
        .args(args)
        .stdin(Stdio::null())
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn full() -> Stdio {
    let full = OpenOptions::new().write(true).open("/dev/full");
    full.unwrap().into()
}

#[test]
fn a_full_disk_under_standard_output_is_an_error() {
    for args in COMMANDS {
        let output = yamanote(args).stdout(full()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
        let expected = "yamanote: standard output: No space left on device (os error 28)\n";
        assert_eq!(text, expected, "{args:?}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    for args in COMMANDS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let unread = yamanote(args).stdout(writer).output().unwrap();
        let read = yamanote(args).output().unwrap();
        assert_eq!(unread.status, read.status, "{args:?}");
        assert_eq!(unread.stderr, read.stderr, "{args:?}");
    }
}

/// An error that cannot be printed is still an error, with the status that it has elsewhere.
#[test]
fn a_full_disk_under_standard_error() {
    for (args, status) in [
        (&["doctor", "--project", "/nowhere"][..], 1),
        (&["serve", "/nowhere"], 2),
        (&["unknown"], 2),
        (&[], 2),
    ] {
        let output = yamanote(args).stderr(full()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {text}");
    }
}

/// A ring that is demanded and denied: each command says why.
#[test]
fn a_demanded_ring_that_is_denied() {
    if !require(Capability::Seccomp) {
        return;
    }
    // The filter applies to the thread, and to the children it starts.
    let outputs = std::thread::spawn(|| {
        deny_syscall(libc::SYS_io_uring_setup, libc::EPERM);
        [&["doctor"][..], &["serve", "--port", "0"], &["--version"]].map(|args| {
            let mut command = yamanote(args);
            (
                args,
                command.env("YAMANOTE_DRIVER", "uring").output().unwrap(),
            )
        })
    });
    for (args, output) in outputs.join().unwrap() {
        let text = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert_eq!(output.status.success(), args == ["--version"], "{text}");
        assert!(
            text.contains("Operation not permitted (os error 1); likely cause: a seccomp filter"),
            "{args:?}: {text}"
        );
    }
}

/// A place where no file can be made is no fault of the runtime's.
#[test]
fn a_missing_place_for_temporary_files() {
    let output = yamanote(&["doctor"])
        .env("TMPDIR", "/nowhere/at/all")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("does not work"), "{text}");
    assert!(
        text.contains("A trial wrote, synced and read a file"),
        "{text}"
    );
}
