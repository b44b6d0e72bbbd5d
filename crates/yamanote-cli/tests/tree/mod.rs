//! A tree of a few thousand files whose bytes follow from their names.

use std::io::Write;
use std::path::Path;
use yamanote_test::TempDir;

pub struct Tree {
    directory: TempDir,
    pub files: Vec<File>,
}

pub struct File {
    /// Its path as a URL.
    pub url: String,
    pub length: u64,
    seed: u64,
}

impl Tree {
    /// 3,000 files of 0 to 16 KiB, 60 of about 1 MiB, two of 64 MiB, in directories of a hundred.
    pub fn create() -> Tree {
        let directory = TempDir::new();
        let mut files = Vec::new();
        for number in 0..3062u64 {
            let seed = mixed(number);
            let length = match number {
                0 => 0,
                1..3000 => seed % (16 << 10),
                3000..3060 => (1 << 20) + seed % 5000,
                _ => 64 << 20,
            };
            let file = File {
                url: format!("/{}/f%20{number}.bin", number / 100),
                length,
                seed,
            };
            file.write(directory.path(), number);
            files.push(file);
        }
        Tree { directory, files }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl File {
    fn write(&self, root: &Path, number: u64) {
        let directory = root.join((number / 100).to_string());
        std::fs::create_dir_all(&directory).expect("a directory");
        let file =
            std::fs::File::create(directory.join(format!("f {number}.bin"))).expect("a file");
        let mut writer = std::io::BufWriter::new(file);
        for word in 0..self.length.div_ceil(8) {
            let left = (self.length - word * 8).min(8) as usize;
            writer.write_all(&self.word(word)[..left]).expect("space");
        }
        writer.flush().expect("space");
    }

    fn word(&self, index: u64) -> [u8; 8] {
        mixed(self.seed ^ index).to_le_bytes()
    }

    /// Panics unless `bytes` are what stands in this file from `start` on.
    pub fn assert_bytes(&self, start: u64, bytes: &[u8]) {
        let mut position = start;
        let mut rest = bytes;
        while !rest.is_empty() {
            let word = self.word(position / 8);
            let expected = &word[(position % 8) as usize..];
            let count = expected.len().min(rest.len());
            assert_eq!(
                rest[..count],
                expected[..count],
                "{} at {position}",
                self.url
            );
            position += count as u64;
            rest = &rest[count..];
        }
    }
}

/// SplitMix64's finaliser: Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// 2014.
fn mixed(number: u64) -> u64 {
    let mut x = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
