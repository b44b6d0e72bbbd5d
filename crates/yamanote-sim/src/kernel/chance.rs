//! The one source of chance, divided into streams so that one kind of question more or less does
//! not change the answers to the others.
#![forbid(unsafe_code)]

/// What a number is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Who runs next.
    Order,
    /// Delays, losses and their like.
    Network,
    /// Delays, what a crash leaves, the order of names in a directory.
    Disk,
    /// Which faults there are, and when.
    Chaos,
    /// What the program asks for: `getrandom`.
    Program,
    /// What the experiment asks for itself.
    Experiment,
}

const STREAMS: usize = 6;

/// The streams of a seed.
#[derive(Debug, Clone)]
pub struct Chance {
    streams: [Rng; STREAMS],
}

impl Chance {
    pub fn new(seed: u64) -> Chance {
        let mut mixer = Rng(seed);
        Chance {
            streams: std::array::from_fn(|_| Rng(mixer.next())),
        }
    }

    pub fn of(&mut self, stream: Stream) -> &mut Rng {
        &mut self.streams[stream as usize]
    }
}

/// A sequence of numbers: Sebastiano Vigna's splitmix64.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        match (most - least).checked_add(1) {
            Some(span) => least + self.below(span),
            None => self.next(),
        }
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        p > 0.0 && ((self.next() >> 11) as f64) < p * (1u64 << 53) as f64
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}
