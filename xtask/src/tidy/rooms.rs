//! Unsafe code lives in the listed rooms; every other file forbids it.
#![forbid(unsafe_code)]

use super::map::block;
use super::words::is_word;
use crate::source::Source;
use std::path::Path;

pub fn check(map: &str, sources: &[Source], complaints: &mut Vec<String>) {
    let rooms: Vec<&str> = block(map, "unsafe rooms")
        .into_iter()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let is_in =
        |path: &str, room: &str| path == room || (room.ends_with('/') && path.starts_with(room));
    for source in sources {
        let path = source.path.to_string_lossy();
        let is_room = rooms.iter().any(|room| is_in(&path, room));
        let forbids = source.text.contains("#![forbid(unsafe_code)]");
        // Tests of the public API may call libc to set the scene.
        let is_test = path.contains("/tests/");
        // What declares a room below it cannot forbid unsafe code there, and has none of its own.
        let declares_room = is_root_or_mod(&source.path)
            && source
                .path
                .parent()
                .is_some_and(|folder| rooms.iter().any(|room| Path::new(room).starts_with(folder)))
            && !has_unsafe(&source.text);
        if !is_room && !forbids && !is_test && !declares_room {
            complaints.push(format!(
                "{path}: neither a listed room nor #![forbid(unsafe_code)]"
            ));
        }
        if is_room && forbids && rooms.contains(&&*path) {
            complaints.push(format!(
                "{path}: listed as an unsafe room, but forbids unsafe"
            ));
        }
    }
    for room in rooms {
        if !sources
            .iter()
            .any(|source| is_in(&source.path.to_string_lossy(), room))
        {
            complaints.push(format!("{room}: a listed room that does not exist"));
        }
    }
}

fn is_root_or_mod(path: &Path) -> bool {
    path.ends_with("mod.rs") || path.ends_with("lib.rs")
}

fn has_unsafe(text: &str) -> bool {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split(|c| !is_word(c)))
        .any(|word| word == "unsafe")
}
