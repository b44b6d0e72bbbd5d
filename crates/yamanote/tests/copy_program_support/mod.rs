//! Programs of copies with a file at one end or at both, and how they come about by chance.

use std::fs::File as StdFile;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use proptest::prelude::*;

use crate::copy_support::bytes;
use crate::kernel_copy_support::Kind;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source {
    File,
    /// Its pages are not sent, since its handle could change them.
    WritableFile,
    WriteOnlyFile,
    Directory,
    Stream(Kind),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sink {
    File,
    Append,
    ReadOnlyFile,
    /// `/dev/full`.
    Full,
    Stream(Kind),
}

/// Bytes, then zeros: a hole if there is a file to have it.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub data: usize,
    pub hole: usize,
}

#[derive(Debug, Clone, Copy)]
pub enum Adapter {
    Nothing,
    BufReader,
    BufWriter,
}

#[derive(Debug, Clone, Copy)]
pub enum Step {
    SeekSource(u64),
    SeekSink(u64),
    Read(usize),
    Write(usize),
    Copy(Option<u64>, Adapter),
}

#[derive(Debug, Clone)]
pub struct Program {
    pub source: Source,
    pub sink: Sink,
    pub extents: Vec<Extent>,
    /// What is in the sink's file before.
    pub before: usize,
    pub steps: Vec<Step>,
    /// How much whoever reads from the stream takes at a time.
    pub reads: Vec<usize>,
    /// A last copy, dropped after so many polls.
    pub dropped: Option<(Option<u64>, usize)>,
}

fn stream() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Tcp), Just(Kind::Unix), Just(Kind::Pipe)]
}

fn ends() -> impl Strategy<Value = (Source, Sink)> {
    let file = || prop_oneof![4 => Just(Source::File), 1 => Just(Source::WritableFile)];
    let to_file = || prop_oneof![4 => Just(Sink::File), 1 => Just(Sink::Append)];
    let wrong = prop_oneof![
        (Just(Source::WriteOnlyFile), to_file()),
        (Just(Source::Directory), stream().prop_map(Sink::Stream)),
        (file(), Just(Sink::ReadOnlyFile)),
        (file(), Just(Sink::Full)),
        (stream().prop_map(Source::Stream), Just(Sink::Full)),
    ];
    prop_oneof![
        3 => (file(), to_file()),
        3 => (file(), stream().prop_map(Sink::Stream)),
        3 => (stream().prop_map(Source::Stream), to_file()),
        1 => wrong,
    ]
}

/// Up to `most`, often little.
fn size(most: usize) -> impl Strategy<Value = usize> {
    prop_oneof![0..200usize, 0..20_000usize, 0..most]
}

fn limit() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![1 => Just(None), 2 => size(900_000).prop_map(|limit| Some(limit as u64))]
}

fn step() -> impl Strategy<Value = Step> {
    let adapter = prop_oneof![
        2 => Just(Adapter::Nothing),
        1 => Just(Adapter::BufReader),
        1 => Just(Adapter::BufWriter),
    ];
    prop_oneof![
        1 => (0..1_000_000u64).prop_map(Step::SeekSource),
        1 => (0..1_000_000u64).prop_map(Step::SeekSink),
        1 => size(30_000).prop_map(Step::Read),
        1 => size(30_000).prop_map(Step::Write),
        4 => (limit(), adapter).prop_map(|(limit, adapter)| Step::Copy(limit, adapter)),
    ]
}

pub fn program() -> impl Strategy<Value = Program> {
    let extent = (size(400_000), prop_oneof![Just(0), size(300_000)])
        .prop_map(|(data, hole)| Extent { data, hole });
    let dropped = prop_oneof![
        1 => Just(None),
        1 => (limit(), prop_oneof![0..5usize, 0..60usize]).prop_map(Some),
    ];
    (
        ends(),
        prop::collection::vec(extent, 0..4),
        size(20_000),
        prop::collection::vec(step(), 1..6),
        prop::collection::vec(1..200_000usize, 1..4),
        dropped,
    )
        .prop_map(|(ends, extents, before, steps, reads, dropped)| Program {
            source: ends.0,
            sink: ends.1,
            extents,
            before,
            steps,
            reads,
            dropped,
        })
}

impl Program {
    /// Whether its copies do not fail.
    pub fn is_possible(&self) -> bool {
        !matches!(self.source, Source::WriteOnlyFile | Source::Directory)
            && !matches!(self.sink, Sink::ReadOnlyFile | Sink::Full)
    }

    /// Everything that can be read from the source.
    pub fn contents(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for extent in &self.extents {
            // Other bytes in each extent.
            all.extend(&bytes(all.len() + extent.data)[all.len()..]);
            all.resize(all.len() + extent.hole, 0);
        }
        all
    }

    pub fn write_source(&self, path: &Path) {
        let (contents, mut at) = (self.contents(), 0);
        let mut file = StdFile::create(path).unwrap();
        file.set_len(contents.len() as u64).unwrap();
        for extent in &self.extents {
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(&contents[at..at + extent.data]).unwrap();
            at += extent.data + extent.hole;
        }
    }
}
