//! Copies of files that are opened past the cache (O_DIRECT), and to a file that may not grow.

mod copy_support;

use std::path::Path;

use copy_support::{Reader, Writer, bytes, copied_by_the_kernel, run, streams};
use yamanote::fs::File;
use yamanote::io::{self, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};
use yamanote_test::{Capability, Setup, TempDir, in_own_process, limit_file_size, matrix, require};

async fn open_to_read(path: &Path, direct: bool) -> Reader {
    let flags = if direct { libc::O_DIRECT } else { 0 };
    let mut options = File::options();
    let opened = options.read(true).custom_flags(flags).open(path).await;
    Box::new(opened.unwrap())
}

async fn open_to_write(path: &Path, direct: bool) -> Writer {
    let flags = if direct { libc::O_DIRECT } else { 0 };
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    Box::new(options.custom_flags(flags).open(path).await.unwrap())
}

/// A direct read or write is made as it was asked for. Whether the disk takes the copy's own buffer
/// depends on where that lies, so the answer may be EINVAL; nothing else, and no other bytes.
fn assert_direct(copied: &io::Result<u64>, arrived: &[u8], contents: &[u8]) {
    match copied {
        Ok(count) => {
            assert_eq!(*count, contents.len() as u64);
            assert!(arrived == contents);
        }
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{error}");
            assert!(contents.starts_with(arrived));
        }
    }
}

async fn copy_directly(dir: &TempDir, len: usize) {
    let contents = bytes(len);
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::write(&from, &contents).unwrap();
    let before = copied_by_the_kernel();
    for [direct_from, direct_to] in [[true, false], [false, true], [true, true]] {
        let mut source = open_to_read(&from, direct_from).await;
        let mut sink = open_to_write(&to, direct_to).await;
        let copied = io::copy(&mut source, &mut sink).await;
        let _ = sink.flush().await;
        assert_direct(&copied, &std::fs::read(&to).unwrap(), &contents);
    }
    for (mut writer, mut reader) in streams().await {
        let mut source = open_to_read(&from, true).await;
        let copying = yamanote::spawn(async move { io::copy(&mut source, &mut writer).await });
        let mut arrived = Vec::new();
        reader.read_to_end(&mut arrived).await.unwrap();
        assert_direct(&copying.await.unwrap(), &arrived, &contents);
    }
    for (mut writer, mut reader) in streams().await {
        let mut sink = open_to_write(&to, true).await;
        let contents = contents.clone();
        let sending = yamanote::spawn(async move {
            // The copy may have ended in an error.
            let _ = writer.write_all(&contents).await;
            contents
        });
        let copied = io::copy(&mut reader, &mut sink).await;
        let _ = sink.flush().await;
        drop(reader);
        assert_direct(
            &copied,
            &std::fs::read(&to).unwrap(),
            &sending.await.unwrap(),
        );
    }
    assert_eq!(copied_by_the_kernel(), before, "they are not the kernel's");
}

matrix! {
    fn files_past_the_cache(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        run(setup, async {
            let dir = TempDir::on_ext4();
            for len in [0, 8192, 262_144, 300_001] {
                copy_directly(&dir, len).await;
            }
        });
    }
}

/// What the sink refuses stays in the source, but for the copy's buffer.
#[test]
fn a_sink_that_may_not_grow() {
    const MOST: usize = 1_000_000;
    in_own_process(module_path!(), "a_sink_that_may_not_grow", || {
        let dir = TempDir::new();
        let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
        std::fs::write(&from, bytes(8 * MOST)).unwrap();
        std::fs::write(&to, bytes(MOST / 2)).unwrap();
        limit_file_size(MOST as u64);
        let runtime = yamanote::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut source = File::open(&from).await.unwrap();
            let mut sink = File::options().write(true).open(&to).await.unwrap();
            let room = MOST / 2;
            sink.seek(SeekFrom::Start(room as u64)).await.unwrap();
            let error = io::copy(&mut source, &mut sink).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EFBIG));
            // The kernel's way ends where there is no more room. Then buffers are accepted until
            // the first of them has failed.
            let more = source.stream_position().await.unwrap() as usize - room;
            assert!(more < 4 * MOST && more % 8192 == 0, "{more}");
            let expected = [&bytes(MOST)[..room], &bytes(MOST)[..room]].concat();
            assert!(std::fs::read(&to).unwrap() == expected);
        });
    });
}
