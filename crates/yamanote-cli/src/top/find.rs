//! Where the consoles of this machine's programs are.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A program that has a console.
pub struct Program {
    pub pid: u32,
    pub name: String,
    path: PathBuf,
}

/// The console of a process.
///
/// # Errors
///
/// Why there is none to be seen, and what to do.
pub fn of_process(pid: u32) -> Result<PathBuf, String> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let owner = fs::metadata(&process)
        .map_err(|_| format!("there is no process {pid}"))?
        .uid();
    let environment = Environment::of(&process);
    if let Some(path) = environment.console {
        // A relative one is relative to where the program was started.
        let path = fs::read_link(process.join("cwd")).map_or(path.clone(), |cwd| cwd.join(path));
        if is_socket(&path) {
            return Ok(path);
        }
    }
    let name = format!("yamanote-{pid}.sock");
    let directories = usual_directories(owner);
    let mut paths = environment.runtime_directory.into_iter().chain(directories);
    match paths.find(|directory| is_socket(&directory.join(&name))) {
        Some(directory) => Ok(directory.join(name)),
        None => Err(why_none(pid, owner)),
    }
}

fn why_none(pid: u32, owner: u32) -> String {
    let own = rustix::process::geteuid();
    let name = name_of(pid);
    if !own.is_root() && owner != own.as_raw() {
        return format!(
            "process {pid} ({name}) belongs to user {owner}: run this as that user, or as root"
        );
    }
    format!("process {pid} ({name}) has no console to be found here: {HOW}")
}

const HOW: &str = "start it with YAMANOTE_CONSOLE=1, or build its runtime with \
                   Builder::console(true); if the program keeps its console elsewhere, name it \
                   by --socket";

/// The only program with a console, or the one that is chosen of several.
pub fn only_one(
    choose: impl FnOnce(&[Program]) -> Result<usize, String>,
) -> Result<PathBuf, String> {
    let mut programs = all();
    let index = match programs.len() {
        0 => return Err(format!("no program of this user has a console: {HOW}")),
        1 => 0,
        _ => choose(&programs)?,
    };
    Ok(programs.swap_remove(index).path)
}

/// All programs that this user may look into, as far as their consoles are in the usual places.
fn all() -> Vec<Program> {
    let own = rustix::process::geteuid();
    let mut directories = usual_directories(own.as_raw());
    if own.is_root() {
        directories.extend(entries(Path::new("/run/user")));
        let of_users = entries(Path::new("/tmp")).into_iter();
        directories.extend(of_users.filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            let uid = name.and_then(|name| name.strip_prefix("yamanote-"));
            uid.is_some_and(|uid| uid.parse::<u32>().is_ok())
        }));
    }
    let mut programs: Vec<_> = directories
        .iter()
        .flat_map(|path| in_directory(path))
        .collect();
    programs.sort_by(|a, b| (a.pid, &a.path).cmp(&(b.pid, &b.path)));
    programs.dedup_by(|a, b| a.path == b.path);
    programs
}

fn in_directory(directory: &Path) -> Vec<Program> {
    let program = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        let pid = name.strip_prefix("yamanote-")?.strip_suffix(".sock")?;
        let pid = pid.parse().ok()?;
        // What ended programs have left is nobody's console.
        UnixStream::connect(&path).ok()?;
        Some(Program {
            pid,
            name: name_of(pid),
            path,
        })
    };
    entries(directory).into_iter().filter_map(program).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// As the runtime chooses it, and as a login session of that user has it.
fn usual_directories(uid: u32) -> Vec<PathBuf> {
    let own = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = own.filter(|path| path.is_absolute());
    own.into_iter()
        .chain([
            format!("/run/user/{uid}").into(),
            format!("/tmp/yamanote-{uid}").into(),
        ])
        .collect()
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

fn name_of(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    name.map_or_else(|_| "?".to_owned(), |name| name.trim_end().to_owned())
}

/// What a process was told when it was started, as far as it may be read.
#[derive(Default)]
struct Environment {
    console: Option<PathBuf>,
    runtime_directory: Option<PathBuf>,
}

impl Environment {
    fn of(process: &Path) -> Environment {
        fs::read(process.join("environ")).map_or_else(|_| Self::default(), |all| Self::read(&all))
    }

    fn read(all: &[u8]) -> Environment {
        let get = |name: &str| {
            let mut variables = all.split(|byte| *byte == 0);
            let value = variables
                .find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
            value.map(|value| PathBuf::from(OsString::from_vec(value.to_vec())))
        };
        Environment {
            console: get("YAMANOTE_CONSOLE").filter(|it| it.as_os_str().as_bytes().contains(&b'/')),
            runtime_directory: get("XDG_RUNTIME_DIR").filter(|path| path.is_absolute()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_where_to_look() {
        let read = |all: &str| {
            let found = Environment::read(all.as_bytes());
            (found.console, found.runtime_directory)
        };
        let at = |path: &str| Some(PathBuf::from(path));
        assert_eq!(read(""), (None, None));
        assert_eq!(read("A=b\0YAMANOTE_CONSOLE=1\0"), (None, None));
        assert_eq!(
            read("YAMANOTE_CONSOLE=./a.sock\0XDG_RUNTIME_DIR=/run/user/7\0"),
            (at("./a.sock"), at("/run/user/7"))
        );
        assert_eq!(read("XDG_RUNTIME_DIR=here\0"), (None, None));
    }
}
