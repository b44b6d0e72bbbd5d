//! Random programs of copies with a file at one end or at both: by the kernel and by reads and
//! writes they leave the same bytes, cursors, counts, limits and kinds of errors. A copy that is
//! dropped leaves ends that agree.

mod copy_program_support;
mod copy_support;
mod kernel_copy_support;
mod tcp_support;

use std::io::{ErrorKind, SeekFrom};
use std::path::PathBuf;

use copy_program_support::{Adapter, Program, Sink, Source, Step, program};
use copy_support::{Reader, Writer, poll_times};
use kernel_copy_support::{Plain, source};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use yamanote::fs::File;
use yamanote::io::{self, AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt};
use yamanote::runtime::Runtime;
use yamanote::task::{JoinHandle, yield_now};
use yamanote_test::{Setup, TempDir, builder, matrix};

/// What a run has come to.
#[derive(Debug, PartialEq)]
struct Outcome {
    steps: Vec<Result<u64, ErrorKind>>,
    source_at: Option<u64>,
    sink_at: Option<u64>,
    /// What is in the sink's file, or what the stream's reader has got.
    arrived: Vec<u8>,
    /// What is left in the source's stream.
    rest: Vec<u8>,
}

enum FromEnd {
    File(File),
    Stream(Reader),
}

enum ToEnd {
    File(File),
    Stream(Writer, JoinHandle<Vec<u8>>),
}

/// The ends of one run.
struct Ends {
    dir: TempDir,
    from: FromEnd,
    to: ToEnd,
}

fn paths(dir: &TempDir) -> [PathBuf; 2] {
    ["from", "to"].map(|name| dir.path().join(name))
}

async fn open(program: &Program) -> Ends {
    let dir = TempDir::new();
    let [from, to] = paths(&dir);
    program.write_source(&from);
    std::fs::write(&to, vec![1; program.before]).unwrap();
    let mut options = File::options();
    let from = match program.source {
        Source::File => FromEnd::File(options.read(true).open(&from).await.unwrap()),
        Source::WritableFile => {
            FromEnd::File(options.read(true).write(true).open(&from).await.unwrap())
        }
        Source::WriteOnlyFile => FromEnd::File(options.write(true).open(&from).await.unwrap()),
        Source::Directory => FromEnd::File(options.read(true).open(dir.path()).await.unwrap()),
        Source::Stream(stream) => {
            let (mut writer, reader) = source(stream).await;
            let contents = program.contents();
            yamanote::spawn(async move {
                // Whoever reads may be gone.
                let _ = writer.write_all(&contents).await;
                let _ = writer.shutdown().await;
            });
            FromEnd::Stream(reader)
        }
    };
    let mut options = File::options();
    let to = match program.sink {
        Sink::File => ToEnd::File(options.write(true).open(&to).await.unwrap()),
        Sink::Append => ToEnd::File(options.append(true).open(&to).await.unwrap()),
        Sink::ReadOnlyFile => ToEnd::File(options.read(true).open(&to).await.unwrap()),
        Sink::Full => ToEnd::File(options.write(true).open("/dev/full").await.unwrap()),
        Sink::Stream(stream) => {
            let (writer, reader) = source(stream).await;
            ToEnd::Stream(
                writer,
                yamanote::spawn(receive(reader, program.reads.clone())),
            )
        }
    };
    Ends { dir, from, to }
}

async fn receive(mut reader: Reader, reads: Vec<usize>) -> Vec<u8> {
    let (mut all, mut block) = (Vec::new(), Vec::new());
    for size in reads.into_iter().cycle() {
        block.resize(size, 0);
        match reader.read(&mut block).await.unwrap() {
            0 => break,
            n => all.extend_from_slice(&block[..n]),
        }
        yield_now().await;
    }
    all
}

impl Ends {
    fn both(
        &mut self,
    ) -> (
        &mut (dyn AsyncRead + Unpin + Send),
        &mut (dyn AsyncWrite + Unpin + Send),
    ) {
        let from: &mut (dyn AsyncRead + Unpin + Send) = match &mut self.from {
            FromEnd::File(file) => file,
            FromEnd::Stream(reader) => reader,
        };
        let to: &mut (dyn AsyncWrite + Unpin + Send) = match &mut self.to {
            ToEnd::File(file) => file,
            ToEnd::Stream(writer, _) => writer,
        };
        (from, to)
    }

    async fn copy(
        &mut self,
        limit: Option<u64>,
        adapter: Adapter,
        by_kernel: bool,
    ) -> io::Result<u64> {
        let (from, to) = self.both();
        let mut from = from.take(limit.unwrap_or(u64::MAX));
        let copied = match (adapter, by_kernel) {
            (Adapter::Nothing, true) => io::copy(&mut from, to).await?,
            (_, false) => io::copy(&mut Plain(&mut from), &mut Plain(to)).await?,
            (Adapter::BufReader, true) => io::copy(&mut io::BufReader::new(&mut from), to).await?,
            (Adapter::BufWriter, true) => io::copy(&mut from, &mut io::BufWriter::new(to)).await?,
        };
        assert_eq!(from.limit(), limit.unwrap_or(u64::MAX) - copied);
        Ok(copied)
    }

    async fn step(&mut self, step: Step, by_kernel: bool) -> io::Result<u64> {
        match step {
            Step::SeekSource(at) => match &mut self.from {
                FromEnd::File(file) => file.seek(SeekFrom::Start(at)).await,
                FromEnd::Stream(_) => Ok(0),
            },
            Step::SeekSink(at) => match &mut self.to {
                ToEnd::File(file) => file.seek(SeekFrom::Start(at)).await,
                ToEnd::Stream(..) => Ok(0),
            },
            Step::Read(size) => {
                let mut read = Vec::new();
                let mut limited = self.both().0.take(size as u64);
                limited.read_to_end(&mut read).await.map(|n| n as u64)
            }
            Step::Write(size) => {
                let to = self.both().1;
                to.write_all(&vec![2; size]).await?;
                to.flush().await.map(|()| size as u64)
            }
            Step::Copy(limit, adapter) => self.copy(limit, adapter, by_kernel).await,
        }
    }

    /// What the run has come to after `steps`.
    async fn outcome(mut self, steps: Vec<Result<u64, ErrorKind>>) -> Outcome {
        // How far a copy has read that failed is a matter of time.
        let has_failed = steps.iter().any(Result::is_err);
        let mut rest = Vec::new();
        let source_at = match &mut self.from {
            FromEnd::File(file) if !has_failed => Some(file.stream_position().await.unwrap()),
            FromEnd::File(_) => None,
            FromEnd::Stream(reader) => {
                reader.read_to_end(&mut rest).await.unwrap();
                None
            }
        };
        let (sink_at, arrived) = match self.to {
            ToEnd::File(mut file) => {
                let at = match has_failed {
                    true => None,
                    false => Some(file.stream_position().await.unwrap()),
                };
                (at, std::fs::read(&paths(&self.dir)[1]).unwrap())
            }
            ToEnd::Stream(writer, receiving) => {
                drop(writer);
                (None, receiving.await.unwrap())
            }
        };
        if has_failed {
            rest.clear();
        }
        Outcome {
            steps,
            source_at,
            sink_at,
            arrived,
            rest,
        }
    }
}

/// Does all steps, or those up to the first error.
async fn play(program: Program, by_kernel: bool) -> (Ends, Vec<Result<u64, ErrorKind>>) {
    let mut ends = open(&program).await;
    let mut done = Vec::new();
    for &step in &program.steps {
        let result = ends
            .step(step, by_kernel)
            .await
            .map_err(|error| error.kind());
        let has_failed = result.is_err();
        done.push(result);
        if has_failed {
            break;
        }
    }
    (ends, done)
}

async fn whole(program: Program, by_kernel: bool) -> Outcome {
    let (ends, done) = play(program, by_kernel).await;
    ends.outcome(done).await
}

/// The steps, then a copy that is dropped: what its source has lost its sink has got, but for a
/// buffer, and both go on from there.
async fn dropped(program: Program, limit: Option<u64>, polls: usize) {
    let (mut ends, done) = play(program.clone(), true).await;
    if done.iter().any(Result::is_err) {
        return;
    }
    let source_before = match &mut ends.from {
        FromEnd::File(file) => file.stream_position().await.unwrap(),
        FromEnd::Stream(_) => 0,
    };
    let sink_before = match &mut ends.to {
        ToEnd::File(file) => file.stream_position().await.unwrap(),
        ToEnd::Stream(..) => 0,
    };
    let left = {
        let (from, to) = ends.both();
        let mut from = from.take(limit.unwrap_or(u64::MAX));
        poll_times(io::copy(&mut from, to), polls).await;
        from.limit()
    };
    let mut taken = limit.unwrap_or(u64::MAX) - left;
    if let FromEnd::File(file) = &mut ends.from {
        let moved = file.stream_position().await.unwrap() - source_before;
        // A job between two files has all of a limit until it is over.
        let is_reserved = matches!(ends.to, ToEnd::File(_)) && moved < taken;
        assert!(moved == taken || is_reserved, "{moved} and {taken}");
        taken = moved;
    }
    // Where the cursor of a file in append mode is depends on how much was written.
    let appends = program.sink == Sink::Append;
    let written = match &mut ends.to {
        ToEnd::File(file) => {
            file.flush().await.unwrap();
            let at = file.stream_position().await.unwrap();
            (!appends).then(|| at - sink_before)
        }
        ToEnd::Stream(..) => None,
    };
    let contents = program.contents();
    let from_file = matches!(ends.from, FromEnd::File(_));
    let Outcome { arrived, rest, .. } = ends.outcome(Vec::new()).await;
    let begin = match from_file {
        true => source_before as usize,
        false => contents.len() - rest.len() - taken as usize,
    };
    assert!(from_file || rest == contents[contents.len() - rest.len()..]);
    let expected = &contents[begin.min(contents.len())..][..taken as usize];
    match written {
        Some(written) => {
            let (at, written) = (sink_before as usize, written as usize);
            assert!(written <= expected.len() && expected.len() - written <= 8192);
            assert!(arrived[at.min(arrived.len())..][..written] == expected[..written]);
        }
        // How much of it has arrived is not known, but that it comes last.
        None => {
            let least = expected.len().saturating_sub(8192);
            let ends_so = |length| arrived.ends_with(&expected[..length]);
            assert!(
                (least..=expected.len()).rev().any(ends_so),
                "{}",
                arrived.len()
            );
        }
    }
}

fn compare(runtime: &Runtime, cases: u32) {
    let config = Config {
        cases: std::env::var("PROPTEST_CASES").map_or(cases, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let run = |program: Program| {
        runtime.block_on(async {
            if let Some((limit, polls)) = program.dropped.filter(|_| program.is_possible()) {
                let dropping = yamanote::spawn(dropped(program, limit, polls));
                return dropping.await.map(|()| None);
            }
            let by_kernel = yamanote::spawn(whole(program.clone(), true)).await?;
            let plainly = yamanote::spawn(whole(program, false)).await?;
            Ok(Some([by_kernel, plainly]))
        })
    };
    let result = TestRunner::new(config).run(&program(), |program| {
        match run(program) {
            Ok(Some([by_kernel, plainly])) => {
                prop_assert_eq!(&by_kernel.steps, &plainly.steps);
                prop_assert_eq!(by_kernel.source_at, plainly.source_at);
                prop_assert_eq!(by_kernel.sink_at, plainly.sink_at);
                prop_assert!(by_kernel.arrived == plainly.arrived, "other bytes");
                prop_assert!(by_kernel.rest == plainly.rest, "another rest");
            }
            Ok(None) => {}
            Err(panic) => return Err(TestCaseError::fail(panic.to_string())),
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

matrix! {
    fn a_copy_by_the_kernel_is_a_plain_copy(setup: Setup) {
        compare(&builder!(setup).build().unwrap(), 40);
    }
}
