//! The files that the rows read and write.
#![forbid(unsafe_code)]

use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Of `pages`: each has its own number at its start and its end.
const PAGES: u64 = 16 * 1024;
const PAGE: usize = 4096;

/// A directory of its own, which goes at the end.
pub struct Place {
    dir: PathBuf,
}

impl Place {
    pub fn create(within: &Path) -> io::Result<Place> {
        let dir = within.join(format!("yamanote-race-{}", std::process::id()));
        fs::create_dir(&dir)?;
        // From here on it is removed, whatever fails.
        let place = Place { dir };
        fs::write(place.file("hot"), vec![0xA5; 64 << 10])?;
        fs::write(place.file("small"), vec![0x5A; 1024])?;
        fs::write(place.file("large"), vec![0xC3; 4 << 20])?;
        let mut pages = BufWriter::with_capacity(1 << 20, File::create(place.file("pages"))?);
        for number in 0..PAGES {
            pages.write_all(&page(number))?;
        }
        // What is not on the disk cannot be dropped from the cache.
        pages.into_inner()?.sync_all()?;
        Ok(place)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Removes what a run has left.
    pub fn tidy_up(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("scratch") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Sees to it that the pages are in the page cache, or that they are not.
    pub fn warm_or_cold(&self, is_cold: bool) -> io::Result<()> {
        let mut file = File::open(self.file("pages"))?;
        match is_cold {
            true => Ok(fadvise(&file, 0, None, Advice::DontNeed)?),
            false => io::copy(&mut file, &mut io::sink()).map(drop),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn page(number: u64) -> [u8; PAGE] {
    let mut page = [0; PAGE];
    for (index, piece) in page.chunks_exact_mut(8).enumerate() {
        piece.copy_from_slice(&(number ^ (index as u64) << 32).to_le_bytes());
    }
    page[PAGE - 8..].copy_from_slice(&number.to_le_bytes());
    page
}
