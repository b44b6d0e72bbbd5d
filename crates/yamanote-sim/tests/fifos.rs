//! FIFOs: pipes that a name on a host's disk leads to.

mod support;

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::thread;
use std::time::Duration;
use support::{check, poll, read, world, write};
use yamanote_sim::{now, open_descriptors};

fn sleep_ms(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

fn make(path: &str) {
    fs::create_dir_all("/fifos").unwrap();
    let name = CString::new(path).unwrap();
    // SAFETY: it is a C string.
    check(unsafe { libc::mkfifo(name.as_ptr(), 0o600) } as isize).unwrap();
}

/// At once, or `ENXIO`.
fn open(path: &str, reads: bool, writes: bool) -> Result<File, i32> {
    let mut options = OpenOptions::new();
    options.read(reads).write(writes);
    let opened = options.custom_flags(libc::O_NONBLOCK).open(path);
    opened.map_err(|error| error.raw_os_error().unwrap())
}

const IN: i16 = libc::POLLIN;
const HUP: i16 = libc::POLLHUP;

fn ready(file: &File) -> i16 {
    use std::os::fd::AsRawFd;
    poll(&[(file.as_raw_fd(), IN)], 0).unwrap()[0]
}

#[test]
fn who_opens_an_end_waits_for_the_other() {
    world(1, || {
        make("/fifos/a");
        assert!(fs::metadata("/fifos/a").unwrap().file_type().is_fifo());
        let writes = thread::spawn(|| {
            sleep_ms(1000);
            let mut to = OpenOptions::new().write(true).open("/fifos/a").unwrap();
            to.write_all(b"hello").unwrap();
        });
        let mut text = String::new();
        let mut from = File::open("/fifos/a").unwrap();
        assert!(now() >= Duration::from_secs(1), "{:?}", now());
        from.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        writes.join().unwrap();
        drop(from);
        let reads = thread::spawn(|| {
            sleep_ms(1000);
            let mut text = String::new();
            let mut from = File::open("/fifos/a").unwrap();
            from.read_to_string(&mut text).unwrap();
            text
        });
        let mut to = OpenOptions::new().write(true).open("/fifos/a").unwrap();
        assert!(now() >= Duration::from_secs(2), "{:?}", now());
        to.write_all(b"again").unwrap();
        drop(to);
        assert_eq!(reads.join().unwrap(), "again");
        assert_eq!(open_descriptors(), 0);
    });
}

#[test]
fn ends_come_and_go() {
    world(2, || {
        make("/fifos/b");
        assert_eq!(open("/fifos/b", false, true).err(), Some(libc::ENXIO));
        let reader = open("/fifos/b", true, false).unwrap();
        assert_eq!(ready(&reader), 0, "nobody has gone yet");
        assert_eq!(read(&reader, &mut [0; 4]), Ok(0));
        let first = open("/fifos/b", false, true).unwrap();
        let second = open("/fifos/b", false, true).unwrap();
        write(&first, b"one").unwrap();
        write(&second, b"two").unwrap();
        drop(first);
        let mut bytes = [0; 6];
        assert_eq!(read(&reader, &mut bytes), Ok(6));
        assert_eq!(&bytes, b"onetwo");
        assert_eq!(read(&reader, &mut bytes), Err(libc::EAGAIN));
        drop(second);
        assert_eq!(ready(&reader), HUP);
        assert_eq!(read(&reader, &mut bytes), Ok(0));
        let both = open("/fifos/b", true, true).unwrap();
        assert_eq!(ready(&reader), 0);
        write(&both, b"x").unwrap();
        assert_eq!((ready(&reader), ready(&both)), (IN, IN));
        drop((reader, both));
        // What nobody has read is gone.
        let reader = open("/fifos/b", true, false).unwrap();
        assert_eq!((ready(&reader), read(&reader, &mut bytes)), (0, Ok(0)));
        let writer = open("/fifos/b", false, true).unwrap();
        drop(reader);
        assert_eq!(write(&writer, b"x"), Err(libc::EPIPE));
        fs::remove_file("/fifos/b").unwrap();
        let gone = fs::metadata("/fifos/b").map_err(|error| error.kind());
        assert_eq!(gone.err(), Some(ErrorKind::NotFound));
    });
}
