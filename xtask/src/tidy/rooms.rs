//! Unsafe code lives in the listed rooms; every other file forbids it.
#![forbid(unsafe_code)]

use super::map::block;
use crate::source::Source;

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
        if !is_room && !forbids && !is_test {
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
