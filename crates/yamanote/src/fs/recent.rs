//! Paths that led to a regular file a moment ago.
//!
//! Between learning what a path names (`O_PATH`) and opening it, it may come to name something else;
//! whoever opens has to bear that in any case. Here that time is stretched, to [`TRUSTED`] at most,
//! so that a file that is read again and again is looked up once per reading, not twice. What the
//! path names instead is opened in vain with `O_NONBLOCK`: no pipe keeps it waiting. What was opened
//! is then identified by its descriptor, and nothing else is done to it unless it is a regular file
//! of the same mount.
//!
//! The memory is each thread's own, small, and forgets by being overwritten.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::ffi::CStr;
use std::time::Duration;

use super::strategy::Facts;
use crate::sys::fs::MountId;
use crate::sys::time;

/// How long what a path named is taken for what it names: about as long as a thread may be kept
/// from the CPU between two of its system calls.
const TRUSTED: Duration = Duration::from_millis(10);

const PLACES: usize = 16;

/// Longer paths are not worth their copy.
const LENGTH_MAX: usize = 256;

struct Place {
    path: Vec<u8>,
    known: Option<(MountId, Facts)>,
    seen: Duration,
}

thread_local! {
    static PLACES_OF_THREAD: RefCell<[Place; PLACES]> = const {
        RefCell::new(
            [const { Place { path: Vec::new(), known: None, seen: Duration::ZERO } }; PLACES],
        )
    };
}

/// By the length and the end of a path, in which those of one program differ.
fn place_of(path: &[u8]) -> usize {
    let mut end = [0; 8];
    let n = path.len().min(8);
    end[..n].copy_from_slice(&path[path.len() - n..]);
    let mixed = (u64::from_le_bytes(end) ^ path.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 60) as usize
}

fn with_place<R>(path: &[u8], f: impl FnOnce(&mut Place) -> R) -> Option<R> {
    if path.len() > LENGTH_MAX {
        return None;
    }
    PLACES_OF_THREAD
        .try_with(|places| f(&mut places.borrow_mut()[place_of(path)]))
        .ok()
}

/// The mount and the facts of the regular file that `path` named a moment ago.
pub(super) fn regular_file(path: &CStr) -> Option<(MountId, Facts)> {
    let path = path.to_bytes();
    with_place(path, |place| {
        let is_known = place.path == path && time::coarse().saturating_sub(place.seen) <= TRUSTED;
        place.known.clone().filter(|_| is_known)
    })?
}

/// Notes that `path` names a regular file now.
pub(super) fn note(path: &CStr, mount: MountId, facts: &Facts) {
    let path = path.to_bytes();
    let outdated = with_place(path, |place| {
        place.seen = time::coarse();
        if place.path != path {
            place.path.clear();
            place.path.extend_from_slice(path);
        } else if place
            .known
            .as_ref()
            .is_some_and(|(known, _)| *known == mount)
        {
            return None;
        }
        place.known.replace((mount, facts.clone()))
    });
    drop(outdated);
}

/// Forgets what was known of `path`.
pub(super) fn forget(path: &CStr) {
    let path = path.to_bytes();
    with_place(path, |place| {
        if place.path == path {
            place.known = None;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_path_is_trusted_for_a_moment_and_only_itself() {
        let file = std::fs::File::open(std::env::temp_dir()).unwrap();
        let facts = Facts::learn(file.as_fd()).unwrap();
        let mount = crate::sys::fs::identify(file.as_fd()).unwrap().mount;
        let known = |path| regular_file(path).is_some();

        assert!(!known(c"/some/path"));
        note(c"/some/path", mount, &facts);
        assert!(known(c"/some/path"));
        // The same place: the length and the end are the same.
        assert!(!known(c"/SOME/path"));
        forget(c"/SOME/path");
        assert!(known(c"/some/path"));
        forget(c"/some/path");
        assert!(!known(c"/some/path"));

        note(c"/some/path", mount, &facts);
        std::thread::sleep(TRUSTED * 3);
        assert!(!known(c"/some/path"));
        note(c"/SOME/path", mount, &facts);
        assert!(known(c"/SOME/path") && !known(c"/some/path"));
        note(c"", mount, &facts);
        assert!(known(c""));
    }
}
