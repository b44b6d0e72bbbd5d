//! The program in which a system call begins to fail, and its report.

pub mod calls;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::tcp_support::{assert_numbered, numbered};
use yamanote::buf::IoBuf;
use yamanote::fs::{self, File};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream, UnixStream};
use yamanote::sync::oneshot;
use yamanote::time::sleep;

pub const PAGE: usize = 4096;

/// Shared with the child that runs a case.
pub struct Report {
    pub calls: AtomicU64,
    pub panics: AtomicU64,
    text_len: AtomicUsize,
    text: [std::sync::atomic::AtomicU8; 1024],
}

impl Report {
    pub fn new() -> &'static Report {
        let bytes = size_of::<Report>();
        // SAFETY: a new mapping, shared with children, zeroed, which is a valid `Report`, and never
        // unmapped.
        unsafe {
            let address = libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(address, libc::MAP_FAILED);
            &*address.cast::<Report>()
        }
    }

    pub fn clear(&self) {
        self.calls.store(0, Ordering::Relaxed);
        self.panics.store(0, Ordering::Relaxed);
        self.text_len.store(0, Ordering::Relaxed);
    }

    pub fn say(&self, text: &str) {
        for byte in text.bytes().chain(*b"; ") {
            let at = self.text_len.fetch_add(1, Ordering::Relaxed);
            if let Some(place) = self.text.get(at) {
                place.store(byte, Ordering::Relaxed);
            }
        }
    }

    pub fn text(&self) -> String {
        let len = self.text_len.load(Ordering::Relaxed).min(self.text.len());
        let bytes: Vec<u8> = self.text[..len]
            .iter()
            .map(|byte| byte.load(Ordering::Relaxed))
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Direct reads, which go through a ring where there is one.
pub async fn use_the_device(directory: Arc<Path>) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_DIRECT);
    let file = Arc::new(options.open(directory.join("direct")).await?);
    let readers: Vec<_> = (0..3)
        .map(|reader| {
            let file = file.clone();
            yamanote::spawn(async move {
                for page in [reader, reader + 3, reader + 1] {
                    let bytes = vec![0; 2 * PAGE];
                    let start = bytes.as_ptr().align_offset(PAGE);
                    let at = (page * PAGE) as u64;
                    let (n, bytes) = file.read_at(bytes.slice(start..start + PAGE), at).await;
                    assert_eq!(n?, PAGE, "{WRONG}");
                    assert_numbered(page * PAGE, &bytes);
                }
                io::Result::Ok(())
            })
        })
        .collect();
    for reader in readers {
        reader.await??;
    }
    Ok(())
}

/// A panic with this text is wrong bytes.
pub const WRONG: &str = "not the bytes that were written";

pub async fn use_sockets() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = yamanote::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (mut read, mut write) = stream.split();
        yamanote::io::copy(&mut read, &mut write).await
    });
    let echoed = async {
        let mut client = TcpStream::connect(address).await?;
        for round in 0..8 {
            let message = numbered(round * 300..(round + 1) * 300);
            client.write_all(&message).await?;
            let mut answer = vec![0; 300];
            client.read_exact(&mut answer).await?;
            assert_eq!(answer, message, "{WRONG}");
        }
        client.shutdown().await
    }
    .await;
    // A server whose client never came would wait for it, as it should.
    if echoed.is_err() {
        server.abort();
        let _ = server.await;
        return echoed;
    }
    server.await??;
    let (mut a, mut b) = UnixStream::pair()?;
    a.write_all(b"abc").await?;
    let mut bytes = [0; 3];
    b.read_exact(&mut bytes).await?;
    assert_eq!(&bytes, b"abc", "{WRONG}");
    Ok(())
}

pub async fn use_files(directory: Arc<Path>) -> io::Result<()> {
    let path = directory.join("plain");
    let bytes = numbered(0..50_000);
    let mut file = File::create(&path).await?;
    for part in bytes.chunks(20_000) {
        file.write_all(part).await?;
    }
    file.sync_data().await?;
    drop(file);
    assert_eq!(fs::read(&path).await?, bytes, "{WRONG}");
    assert_eq!(fs::metadata(&path).await?.len(), 50_000, "{WRONG}");
    let mut entries = fs::read_dir(&directory).await?;
    while entries.next_entry().await?.is_some() {}
    fs::remove_file(&path).await
}

/// Copies between sockets and files, bulky enough for the kernel's way.
pub async fn use_copies(directory: Arc<Path>) -> io::Result<()> {
    let bytes = numbered(0..150_000);
    let (from, to) = (directory.join("from"), directory.join("to"));
    fs::write(&from, &bytes).await?;
    let copy = |mut from: File, mut to: File| async move {
        yamanote::io::copy(&mut from, &mut to).await?;
        to.flush().await
    };
    copy(File::open(&from).await?, File::create(&to).await?).await?;
    assert_eq!(fs::read(&to).await?, bytes, "{WRONG}");
    assert_eq!(fs::copy(&to, &from).await?, 150_000, "{WRONG}");
    // From a file through two connections to another.
    let ((far, near), (out, end)) = (UnixStream::pair()?, UnixStream::pair()?);
    let (mut source, mut sink) = (File::open(&from).await?, File::create(&to).await?);
    let sending = async move {
        let mut far = far;
        yamanote::io::copy(&mut source, &mut far).await?;
        far.shutdown().await
    };
    let passing = async move {
        let (mut near, mut out) = (near, out);
        yamanote::io::copy(&mut near, &mut out).await?;
        out.shutdown().await
    };
    let writing = async move {
        let mut end = end;
        yamanote::io::copy(&mut end, &mut sink).await?;
        sink.flush().await
    };
    // Whoever fails lets go of its ends, so the others come to an end too.
    let (sent, passed, written) = yamanote::join!(sending, passing, writing);
    sent.and(passed).and(written)?;
    assert_eq!(fs::read(&to).await?, bytes, "{WRONG}");
    fs::remove_file(&from).await?;
    fs::remove_file(&to).await
}

/// Wake-ups from threads of the pool and from timers, the shortest and others.
pub async fn use_the_clock() -> io::Result<()> {
    for micros in [200, 700, 1500, 3000] {
        let start = Instant::now();
        sleep(Duration::from_micros(micros)).await;
        assert!(start.elapsed() >= Duration::from_micros(micros), "{WRONG}");
        let (told, told_of) = oneshot::channel();
        let job = yamanote::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_micros(300));
            told.send(7).unwrap();
        });
        assert_eq!(told_of.await.map_err(io::Error::other)?, 7, "{WRONG}");
        job.await?;
    }
    Ok(())
}

pub async fn use_everything(directory: Arc<Path>, report: &'static Report) -> bool {
    let parts = [
        ("device", yamanote::spawn(use_the_device(directory.clone()))),
        ("sockets", yamanote::spawn(use_sockets())),
        ("files", yamanote::spawn(use_files(directory.clone()))),
        ("copies", yamanote::spawn(use_copies(directory.clone()))),
        ("clock", yamanote::spawn(use_the_clock())),
    ];
    let mut is_well = true;
    for (name, part) in parts {
        let ended = part.await.map_err(io::Error::from);
        if let Err(error) = ended.and_then(|result| result) {
            report.say(&format!("{name}: {error}"));
            is_well = false;
        }
    }
    is_well
}
