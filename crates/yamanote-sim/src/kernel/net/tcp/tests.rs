//! The halves of a connection by themselves: whatever arrives, in whatever order.
#![forbid(unsafe_code)]

use super::{Receiver, Sender};
use proptest::prelude::*;
use std::io::IoSlice;

const CAPACITY: usize = 64;

proptest! {
    /// Pieces that overlap, repeat and overtake each other: the stream is the stream.
    #[test]
    fn pieces_in_any_order_are_the_stream(
        pieces in prop::collection::vec((0u64..300, 1usize..80), 0..200),
        reads in prop::collection::vec(1usize..40, 0..200),
    ) {
        let byte = |at: u64| (at * 7 + at / 256) as u8;
        let mut receiver = Receiver::new(0, CAPACITY);
        let mut read = 0u64;
        let mut reads = reads.into_iter();
        for (seq, len) in pieces {
            let data: Vec<u8> = (seq..seq + len as u64).map(byte).collect();
            let before = receiver.next;
            receiver.take(seq, &data);
            prop_assert!(receiver.next >= before && receiver.next <= receiver.edge);
            prop_assert!(receiver.bytes.len() <= CAPACITY);
            if seq <= before && seq + len as u64 > before && receiver.edge > before {
                prop_assert!(receiver.next > before, "what was expected was not taken");
            }
            prop_assert_eq!(receiver.next - read, receiver.bytes.len() as u64);
            let n = reads.next().unwrap_or(0).min(receiver.bytes.len());
            for got in receiver.bytes.drain(..n) {
                prop_assert_eq!(got, byte(read));
                read += 1;
            }
            let edge = receiver.new_edge();
            prop_assert!(edge >= receiver.edge && edge - read <= 2 * CAPACITY as u64);
            receiver.edge = edge;
        }
    }

    /// Acknowledgements old, new, wrong: what is kept is what the peer has not.
    #[test]
    fn acknowledged_bytes_are_forgotten_and_no_others(
        steps in prop::collection::vec((0usize..50, 0u64..400, any::<bool>()), 0..100),
    ) {
        let byte = |at: u64| (at * 13) as u8;
        let mut sender = Sender::new(1, CAPACITY);
        let mut written = 1u64;
        for (len, ack, sends) in steps {
            let data: Vec<u8> = (written..written + len as u64).map(byte).collect();
            let room = sender.room();
            let bufs = [IoSlice::new(&data)];
            written += super::write_to(&mut sender.bytes, &bufs, room) as u64;
            if sends {
                sender.next = sender.end();
            }
            let known = sender.acknowledged;
            let is_news = sender.acknowledge(ack);
            prop_assert_eq!(is_news, ack > known && ack <= sender.next);
            prop_assert_eq!(sender.end(), written);
            let kept = sender.copy(sender.acknowledged, sender.bytes.len());
            let expected: Vec<u8> = (sender.acknowledged..written).map(byte).collect();
            prop_assert_eq!(kept, expected);
        }
    }
}
