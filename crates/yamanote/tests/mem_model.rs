//! Pipes in memory against a model of them, a bounded queue: every result and the number of
//! wake-ups.

mod mem_support;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mem_support::Counter;
use proptest::prelude::*;
use yamanote::io::{
    AsyncRead, AsyncWrite, DuplexStream, ReadBuf, ReadHalf, SimplexStream, WriteHalf, duplex,
    simplex,
};

/// The two ends of a pipe, however it was made.
enum Ends {
    Duplex(Option<DuplexStream>, Option<DuplexStream>),
    Halves(
        Option<WriteHalf<SimplexStream>>,
        Option<ReadHalf<SimplexStream>>,
    ),
    One(SimplexStream),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Duplex,
    Halves,
    One,
}
const KINDS: [Kind; 3] = [Kind::Duplex, Kind::Halves, Kind::One];

impl Ends {
    fn new(kind: Kind, capacity: usize) -> Ends {
        match kind {
            Kind::Duplex => {
                let (writer, reader) = duplex(capacity);
                Ends::Duplex(Some(writer), Some(reader))
            }
            Kind::Halves => {
                let (reader, writer) = simplex(capacity);
                Ends::Halves(Some(writer), Some(reader))
            }
            Kind::One => Ends::One(SimplexStream::new_unsplit(capacity)),
        }
    }

    fn writer(&mut self) -> Option<&mut (dyn AsyncWrite + Unpin)> {
        match self {
            Ends::Duplex(writer, _) => Some(writer.as_mut()?),
            Ends::Halves(writer, _) => Some(writer.as_mut()?),
            Ends::One(both) => Some(both),
        }
    }

    fn reader(&mut self) -> Option<&mut (dyn AsyncRead + Unpin)> {
        match self {
            Ends::Duplex(_, reader) => Some(reader.as_mut()?),
            Ends::Halves(_, reader) => Some(reader.as_mut()?),
            Ends::One(both) => Some(both),
        }
    }
}

/// One step of either side.
#[derive(Debug, Clone)]
enum Step {
    Write(usize),
    WriteVectored(Vec<usize>),
    Read(usize),
    Shutdown,
    DropWriter,
    DropReader,
}

/// The pipe as it should be, beside the pipe as it is.
struct Check {
    ends: Ends,
    capacity: usize,
    contents: VecDeque<u8>,
    closed: bool,
    reader_waits: bool,
    writer_waits: bool,
    reader_wakes: usize,
    writer_wakes: usize,
    reader: Arc<Counter>,
    writer: Arc<Counter>,
    next_byte: u8,
}

impl Check {
    fn new(kind: Kind, capacity: usize) -> Check {
        Check {
            ends: Ends::new(kind, capacity),
            capacity,
            contents: VecDeque::new(),
            closed: false,
            reader_waits: false,
            writer_waits: false,
            reader_wakes: 0,
            writer_wakes: 0,
            reader: Arc::default(),
            writer: Arc::default(),
            next_byte: 0,
        }
    }

    fn wake_reader(&mut self) {
        self.reader_wakes += usize::from(std::mem::take(&mut self.reader_waits));
    }

    fn wake_writer(&mut self) {
        self.writer_wakes += usize::from(std::mem::take(&mut self.writer_waits));
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(len) => self.write(&[*len], false),
            Step::WriteVectored(lens) => self.write(lens, true),
            Step::Read(len) => self.read(*len),
            Step::Shutdown => {
                let waker = Waker::from(self.writer.clone());
                let Some(writer) = self.ends.writer() else {
                    return;
                };
                let done = Pin::new(writer).poll_shutdown(&mut Context::from_waker(&waker));
                assert!(matches!(done, Poll::Ready(Ok(()))));
                self.closed = true;
                self.wake_reader();
            }
            Step::DropWriter => match &mut self.ends {
                Ends::Duplex(writer, _) => {
                    if writer.take().is_some() {
                        self.closed = true;
                        self.writer_waits = false;
                        self.wake_reader();
                    }
                }
                // The other half keeps the pipe as it is.
                Ends::Halves(writer, _) => drop(writer.take()),
                Ends::One(_) => {}
            },
            Step::DropReader => match &mut self.ends {
                Ends::Duplex(_, reader) => {
                    if reader.take().is_some() {
                        self.closed = true;
                        self.reader_waits = false;
                        self.wake_writer();
                    }
                }
                Ends::Halves(_, reader) => drop(reader.take()),
                Ends::One(_) => {}
            },
        }
        assert_eq!(self.reader.count(), self.reader_wakes, "reader's wakes");
        assert_eq!(self.writer.count(), self.writer_wakes, "writer's wakes");
    }

    fn write(&mut self, lens: &[usize], vectored: bool) {
        let data: Vec<Vec<u8>> = lens
            .iter()
            .map(|len| {
                (0..*len)
                    .map(|_| {
                        self.next_byte = self.next_byte.wrapping_add(1);
                        self.next_byte
                    })
                    .collect()
            })
            .collect();
        let waker = Waker::from(self.writer.clone());
        let mut cx = Context::from_waker(&waker);
        let Some(writer) = self.ends.writer() else {
            return;
        };
        let result = if vectored {
            let bufs: Vec<_> = data.iter().map(|buf| IoSlice::new(buf)).collect();
            Pin::new(writer).poll_write_vectored(&mut cx, &bufs)
        } else {
            Pin::new(writer).poll_write(&mut cx, &data[0])
        };
        let data = data.concat();
        let room = self.capacity - self.contents.len();
        if self.closed {
            let Poll::Ready(Err(error)) = result else {
                panic!("{result:?} from a closed pipe");
            };
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        } else if data.is_empty() {
            assert!(matches!(result, Poll::Ready(Ok(0))), "{result:?}");
        } else if room == 0 {
            assert!(result.is_pending(), "{result:?} from a full pipe");
            self.writer_waits = true;
        } else {
            let n = room.min(data.len());
            assert!(matches!(result, Poll::Ready(Ok(m)) if m == n), "{result:?}");
            self.contents.extend(&data[..n]);
            self.wake_reader();
        }
    }

    fn read(&mut self, len: usize) {
        let mut memory = vec![0; len];
        let mut buf = ReadBuf::new(&mut memory);
        let waker = Waker::from(self.reader.clone());
        let Some(reader) = self.ends.reader() else {
            return;
        };
        let result = Pin::new(reader).poll_read(&mut Context::from_waker(&waker), &mut buf);
        if len > 0 && self.contents.is_empty() && !self.closed {
            assert!(result.is_pending(), "{result:?} from an empty pipe");
            assert!(buf.filled().is_empty());
            self.reader_waits = true;
            return;
        }
        assert!(matches!(result, Poll::Ready(Ok(()))), "{result:?}");
        let n = len.min(self.contents.len());
        let expected: Vec<u8> = self.contents.drain(..n).collect();
        assert_eq!(buf.filled(), expected);
        if n > 0 {
            self.wake_writer();
        }
    }
}

/// Full, empty, shut down and dropped, in every order of five steps, with the number of wake-ups.
#[test]
fn every_order_of_steps() {
    let steps = [
        Step::Write(0),
        Step::Write(1),
        Step::WriteVectored(vec![0, 1, 2]),
        Step::Read(1),
        Step::Read(2),
        Step::Shutdown,
        Step::DropWriter,
        Step::DropReader,
    ];
    const DEPTH: u32 = 5;
    for kind in KINDS {
        for capacity in [1, 2, 3] {
            for order in 0..steps.len().pow(DEPTH) {
                let mut check = Check::new(kind, capacity);
                let mut order = order;
                for _ in 0..DEPTH {
                    check.step(&steps[order % steps.len()]);
                    order /= steps.len();
                }
                // Whatever happened: what is in the pipe comes out.
                check.step(&Step::Read(9));
                check.step(&Step::Read(9));
            }
        }
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..700_usize).prop_map(Step::Write),
        6 => prop::collection::vec(0..300_usize, 0..6).prop_map(Step::WriteVectored),
        14 => (0..900_usize).prop_map(Step::Read),
        1 => Just(Step::Shutdown),
        1 => Just(Step::DropWriter),
        1 => Just(Step::DropReader),
    ]
}

proptest! {
    /// Larger pipes and pieces, against a `VecDeque`.
    #[test]
    fn behaves_as_a_bounded_queue(
        kind in prop::sample::select(KINDS.to_vec()),
        capacity in prop_oneof![1..5_usize, 1..3000_usize, Just(usize::MAX)],
        steps in prop::collection::vec(any_step(), 0..120),
    ) {
        let mut check = Check::new(kind, capacity);
        for step in &steps {
            check.step(step);
        }
        check.step(&Step::Read(1 << 20));
    }
}
