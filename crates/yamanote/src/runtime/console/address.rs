//! Where the socket of a console is.
#![forbid(unsafe_code)]

use crate::sys::user;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

/// Where the system lets a user keep sockets: made at login, mode 0700, gone at logout.
const RUNTIME_DIRECTORY_VARIABLE: &str = "XDG_RUNTIME_DIR";

/// Where a program wants its console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) enum Address {
    /// Where the tool looks for it.
    Usual,
    /// At this path.
    At(PathBuf),
}

impl Address {
    /// The path of the socket. Makes the directory of the usual place if there is none.
    pub(super) fn find(&self) -> io::Result<PathBuf> {
        match self {
            Address::At(path) => Ok(path.clone()),
            Address::Usual => {
                Ok(usual_directory()?.join(format!("yamanote-{}.sock", std::process::id())))
            }
        }
    }

    /// A process has one console, so who wants it elsewhere cannot have it.
    pub(super) fn check_is(&self, path: &Path) -> io::Result<()> {
        match self {
            Address::At(wanted) if !is_same(wanted, path) => Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                format!(
                    "console {self}: this process has its console at {} already, and all of its \
                     runtimes share one: give them the same path",
                    path.display()
                ),
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Usual => f.write_str("at its usual place"),
            Address::At(path) => write!(f, "at {}", path.display()),
        }
    }
}

fn usual_directory() -> io::Result<PathBuf> {
    let runtime = env::var_os(RUNTIME_DIRECTORY_VARIABLE).map(PathBuf::from);
    match runtime.filter(|directory| directory.is_absolute()) {
        Some(directory) => Ok(directory),
        None => own_directory(Path::new("/tmp")),
    }
}

/// A directory that only this user can enter, in one in which everybody may make some.
fn own_directory(parent: &Path) -> io::Result<PathBuf> {
    let uid = user::effective_uid();
    let directory = parent.join(format!("yamanote-{uid}"));
    match fs::DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io::Error::new(
                error.kind(),
                format!("cannot make {}: {error}; {ADVICE}", directory.display()),
            ));
        }
        _ => {}
    }
    // Whatever was there before may be anybody's, a symbolic link included.
    let found = fs::symlink_metadata(&directory)?;
    if found.is_dir() && found.uid() == uid && found.mode() & 0o077 == 0 {
        return Ok(directory);
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "{} is not a directory of user {uid} with mode 0700: remove it, or {ADVICE}",
            directory.display()
        ),
    ))
}

const ADVICE: &str = "set XDG_RUNTIME_DIR, or give the console a path";

/// Two paths lead to the same console.
fn is_same(a: &Path, b: &Path) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).ok();
    a == b || (absolute(a).is_some() && absolute(a) == absolute(b))
}

/// Removes the sockets that ended processes have left beside `path`.
pub(super) fn remove_stale_beside(path: &Path) {
    let Some(directory) = path.parent() else {
        return;
    };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = pid_in(name.as_bytes());
        // Processes of another PID namespace are not to be seen from here, but they answer.
        if pid.is_some_and(|pid| !user::process_exists(pid)) {
            let _ = remove_if_dead(&entry.path());
        }
    }
}

/// Of which process a socket of this name is.
fn pid_in(name: &[u8]) -> Option<i32> {
    let name = std::str::from_utf8(name).ok()?;
    let pid = name.strip_prefix("yamanote-")?.strip_suffix(".sock")?;
    pid.parse().ok().filter(|pid| *pid > 0)
}

/// Makes room at `path`, where a socket may be that nobody listens at any more.
///
/// # Errors
///
/// If there is something else.
pub(super) fn remove_if_dead(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is not a socket: move it, or give the console another path",
        ));
    }
    // Without waiting: a listener with a full queue is alive.
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&socket2::SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another program listens there: give the console another path",
        )),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use yamanote_test::TempDir;

    #[test]
    fn a_name_tells_the_process() {
        assert_eq!(pid_in(b"yamanote-17.sock"), Some(17));
        for other in [
            "yamanote-.sock",
            "yamanote-0.sock",
            "yamanote--1.sock",
            "x-1.sock",
            "17",
        ] {
            assert_eq!(pid_in(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn only_a_directory_of_our_own_is_trusted() {
        let parent = TempDir::new();
        let directory = own_directory(parent.path()).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        assert_eq!(own_directory(parent.path()).unwrap(), directory);

        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let error = own_directory(parent.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("XDG_RUNTIME_DIR"), "{error}");

        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        let elsewhere = parent.path().join("elsewhere");
        fs::rename(&directory, &elsewhere).unwrap();
        symlink(&elsewhere, &directory).unwrap();
        assert!(own_directory(parent.path()).is_err());
    }

    #[test]
    fn only_sockets_of_ended_processes_are_removed() {
        let directory = TempDir::new();
        let at = |name: &str| directory.path().join(name);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let dead = at(&format!("yamanote-{}.sock", child.id()));
        let alive = at(&format!("yamanote-{}.sock", std::process::id()));
        let other = at("other.sock");
        for path in [&dead, &alive, &other] {
            drop(UnixListener::bind(path).unwrap());
        }
        remove_stale_beside(&alive);
        assert_eq!(
            (dead.exists(), alive.exists(), other.exists()),
            (false, true, true)
        );

        // A process that is not to be seen from here.
        let _listener = UnixListener::bind(&dead).unwrap();
        remove_stale_beside(&alive);
        assert!(dead.exists());
    }
}
