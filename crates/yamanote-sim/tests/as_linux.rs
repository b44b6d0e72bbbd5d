//! Random calls on pipes, counters and epolls are answered in a world as the real kernel answers
//! them: the same numbers, errors and events, in the same order.

mod support;

use std::fmt::Debug;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use support::{Answer, check, control, fcntl, poll, read, wait, world, write};
use yamanote_sim::Rng;

/// A name for a descriptor that the program has, or had.
type Slot = usize;
const SLOTS: u64 = 12;
const STEPS: usize = 500;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Epoll,
    Pipe,
}

struct Player {
    rng: Rng,
    slots: Vec<Option<OwnedFd>>,
    /// What each is, or was last.
    kinds: Vec<Kind>,
    log: Vec<String>,
    /// Written to pipes so far, so that each byte differs from the next.
    written: usize,
}

struct Fd(RawFd);

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

const SIZES: [usize; 12] = [
    0, 1, 7, 8, 100, 4095, 4096, 4097, 10_000, 30_000, 65_536, 70_000,
];

impl Player {
    fn slot(&mut self) -> Slot {
        self.rng.below(SLOTS) as Slot
    }

    /// Mostly an open one that is of these.
    fn one_of(&mut self, kinds: &[Kind]) -> Slot {
        let fits = |slot: &Slot| self.slots[*slot].is_some() && kinds.contains(&self.kinds[*slot]);
        let fitting: Vec<Slot> = (0..self.slots.len()).filter(fits).collect();
        match (self.rng.below(16), fitting.len() as u64) {
            (0, _) | (_, 0) => self.slot(),
            (_, some) => fitting[self.rng.below(some) as usize],
        }
    }

    /// A closed one is a number that nobody has.
    fn fd(&self, slot: Slot) -> Fd {
        Fd(self.slots[slot]
            .as_ref()
            .map_or(999_999, |fd| fd.as_raw_fd()))
    }

    fn keep(&mut self, slot: Slot, fd: Answer, kind: Kind) {
        // SAFETY: new, and nobody else's.
        let owned = fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) });
        self.slots[slot] = owned.ok();
        self.kinds[slot] = kind;
    }

    fn say(&mut self, what: &str, slot: Slot, answer: impl Debug) {
        self.log.push(format!("{what} {slot}: {answer:?}"));
    }

    fn size(&mut self) -> usize {
        SIZES[self.rng.below(SIZES.len() as u64) as usize]
    }

    fn events(&mut self) -> i32 {
        use libc::{EPOLLET, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLPRI, EPOLLRDHUP, EPOLLRDNORM};
        let kinds = [
            EPOLLIN,
            EPOLLOUT,
            EPOLLIN | EPOLLOUT,
            EPOLLIN | EPOLLRDHUP,
            EPOLLRDNORM | EPOLLPRI,
            0,
        ];
        let kind = kinds[self.rng.below(6) as usize];
        let flags = [0, EPOLLET, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT];
        let exclusive = if self.rng.below(20) == 0 {
            libc::EPOLLEXCLUSIVE
        } else {
            0
        };
        kind | flags[self.rng.below(5) as usize] | exclusive
    }

    fn open(&mut self) {
        let (slot, other) = (self.slot(), self.slot());
        match self.rng.below(5) {
            0 => {
                let semaphore = self.rng.below(2) as i32 * libc::EFD_SEMAPHORE;
                let value = self.rng.below(3) as u32;
                let flags = libc::EFD_NONBLOCK | semaphore;
                // SAFETY: no pointers.
                let fd = check(unsafe { libc::eventfd(value, flags) } as isize);
                self.keep(slot, fd, Kind::Counter);
            }
            1 => {
                // SAFETY: no pointers.
                let fd = check(unsafe { libc::epoll_create1(0) } as isize);
                self.keep(slot, fd, Kind::Epoll);
            }
            2 => {
                let fd = self.fd(other);
                // SAFETY: no pointers.
                let fd = check(unsafe { libc::dup(fd.0) } as isize);
                self.log
                    .push(format!("dup {other} -> {slot} {}", fd.is_ok()));
                self.keep(slot, fd, self.kinds[other]);
            }
            _ if slot != other => {
                let mut ends = [-1; 2];
                // SAFETY: there is room for two.
                let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK) };
                check(made as isize).unwrap();
                self.keep(slot, Ok(ends[0] as usize), Kind::Pipe);
                self.keep(other, Ok(ends[1] as usize), Kind::Pipe);
            }
            _ => self.slots[slot] = None,
        }
    }

    fn step(&mut self) {
        match self.rng.below(40) {
            0..2 => self.open(),
            2 => {
                let slot = self.slot();
                self.slots[slot] = None;
            }
            3..7 => {
                let slot = self.one_of(&[Kind::Counter]);
                let values = [0, 1, 1, 5, u64::MAX - 1, u64::MAX];
                let value = values[self.rng.below(6) as usize];
                let answer = write(&self.fd(slot), &value.to_ne_bytes());
                self.say("add", slot, answer);
            }
            7..10 => {
                let slot = self.one_of(&[Kind::Counter]);
                let mut buf = [0; 8];
                let answer = read(&self.fd(slot), &mut buf);
                self.say("take", slot, (answer, buf));
            }
            10..14 => self.write(),
            14..18 => self.read(),
            18..26 => {
                let slot = self.one_of(&[Kind::Epoll]);
                let most = self.rng.between(1, 4) as usize;
                let answer = wait(&self.fd(slot), most, 0);
                self.say("wait", slot, answer);
            }
            26..36 => self.control(),
            36..39 => self.poll(),
            _ => self.look(),
        }
    }

    fn write(&mut self) {
        let slot = self.one_of(&[Kind::Pipe]);
        let mut len = self.size();
        if self.kinds[slot] == Kind::Counter {
            // How many too many a counter takes depends on the real one's version.
            len = len.min(8);
        }
        let bytes: Vec<u8> = (0..len).map(|at| (at + self.written) as u8).collect();
        let answer = write(&self.fd(slot), &bytes);
        self.written += answer.unwrap_or(0);
        self.say("write", slot, (len, answer));
    }

    fn read(&mut self) {
        let slot = self.one_of(&[Kind::Pipe]);
        let mut buf = vec![0xee; self.size()];
        let answer = read(&self.fd(slot), &mut buf);
        // FNV-1a.
        let sum = buf.iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.say("read", slot, (buf.len(), answer, sum));
    }

    fn control(&mut self) {
        let slot = self.one_of(&[Kind::Epoll]);
        let other = self.one_of(&[Kind::Counter, Kind::Pipe]);
        let operation = self.rng.between(0, 5).clamp(1, 3) as i32;
        let operation = match operation {
            libc::EPOLL_CTL_DEL if self.rng.below(2) == 0 => libc::EPOLL_CTL_ADD,
            operation => operation,
        };
        let (events, data) = (self.events(), self.rng.next());
        if self.kinds[other] == Kind::Epoll && operation != libc::EPOLL_CTL_DEL {
            return;
        }
        let answer = control(&self.fd(slot), operation, &self.fd(other), events, data);
        self.say("control", slot, (operation, other, events, answer));
    }

    fn poll(&mut self) {
        let chosen: Vec<Slot> = (0..self.rng.below(4)).map(|_| self.slot()).collect();
        let chosen: Vec<Slot> = chosen
            .into_iter()
            .filter(|slot| self.slots[*slot].is_some())
            .collect();
        let events = [
            libc::POLLIN,
            libc::POLLOUT,
            libc::POLLIN | libc::POLLOUT,
            libc::POLLRDNORM | libc::POLLWRNORM,
        ];
        let fds: Vec<_> = chosen
            .iter()
            .map(|slot| (self.fd(*slot).0, events[self.rng.below(4) as usize]))
            .collect();
        let answer = poll(&fds, 0);
        self.log.push(format!("poll {chosen:?}: {answer:?}"));
    }

    fn look(&mut self) {
        let slot = self.slot();
        let fd = &self.fd(slot);
        let mut available = 7;
        // SAFETY: the place is valid.
        let answer = check(unsafe { libc::ioctl(fd.0, libc::FIONREAD, &mut available) } as isize);
        self.say("available", slot, (answer, available));
        // A real file may be told to be a large one.
        let flags = fcntl(fd, libc::F_GETFL, 0).map(|flags| flags & !0o100_000);
        let closes = fcntl(fd, libc::F_GETFD, 0);
        self.say("flags", slot, (flags, closes));
        let mut buf = [0; 4];
        let short = (read(fd, &mut buf), write(fd, &buf[..3]));
        self.say("short", slot, short);
        let (place, len) = (buf.as_mut_ptr().cast(), buf.len());
        // SAFETY: the buffer is as long as is said.
        let placed = check(unsafe { libc::pread(fd.0, place, len, 0) });
        self.say("at a place", slot, placed);
    }
}

fn play(seed: u64) -> Vec<String> {
    let mut player = Player {
        rng: Rng::new(seed),
        slots: (0..SLOTS).map(|_| None).collect(),
        kinds: vec![Kind::Pipe; SLOTS as usize],
        log: Vec::new(),
        written: 0,
    };
    for _ in 0..SLOTS {
        player.open();
    }
    for _ in 0..STEPS {
        player.step();
    }
    player.log
}

fn compare(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let real = play(seed);
        let (simulated, _) = world(seed, move || {
            let log = play(seed);
            assert_eq!(yamanote_sim::open_descriptors(), 0);
            log
        });
        let mut both = real.iter().zip(&simulated).enumerate();
        if let Some((at, (theirs, ours))) = both.find(|(_, (theirs, ours))| theirs != ours) {
            let before = simulated[at.saturating_sub(40)..at].join("\n");
            panic!("seed {seed}, answer {at}: real {theirs}\nsimulated {ours}\n{before}");
        }
        assert_eq!(real.len(), simulated.len(), "seed {seed}");
    }
}

#[test]
fn random_programs_cannot_tell() {
    compare(0..100);
}
