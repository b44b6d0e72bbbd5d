//! What goes into a pipe comes out of it.

use super::*;

fn drain(consumer: &mut Consumer, max: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let n = consumer.pop(max, |piece| out.extend_from_slice(piece))?;
    assert_eq!(n, out.len());
    let _ = consumer.release();
    Some(out)
}

#[test]
fn what_is_pushed_is_seen_when_published() {
    let (mut producer, mut consumer) = byte_pipe(4);
    assert_eq!(producer.push(b"abcdef"), 4);
    assert_eq!(drain(&mut consumer, 9), None);
    let _ = producer.publish();
    assert_eq!(drain(&mut consumer, 3).unwrap(), b"abc");
    assert_eq!(producer.push(b"ghij"), 3);
    let _ = producer.publish();
    let _ = producer.close();
    assert_eq!(drain(&mut consumer, 9).unwrap(), b"dghi");
    assert_eq!(drain(&mut consumer, 9).unwrap(), b"");
}

#[test]
fn a_pipe_without_bound_grows_by_what_is_in_it() {
    let (mut producer, mut consumer) = byte_pipe(usize::MAX);
    let mut expected = Vec::new();
    for round in 0..if cfg!(miri) { 40 } else { 200 } {
        let data = vec![round as u8; round * 7];
        assert_eq!(producer.push(&data), data.len());
        expected.extend(data);
        let _ = producer.publish();
        if round % 3 == 0 {
            let some = drain(&mut consumer, round * 5).unwrap();
            assert_eq!(some, expected.drain(..some.len()).collect::<Vec<_>>());
        }
    }
    assert_eq!(drain(&mut consumer, usize::MAX).unwrap(), expected);
}

#[test]
fn in_the_long_run_there_is_one_segment() {
    let (mut producer, mut consumer) = byte_pipe(100_000);
    let mut data: Vec<u8> = (0..1000).map(|i| i as u8).collect();
    for _ in 0..10 {
        assert_eq!(producer.push(&data), 1000);
    }
    let _ = producer.publish();
    for _ in 0..if cfg!(miri) { 30 } else { 1000 } {
        assert_eq!(drain(&mut consumer, 1000).unwrap(), data);
        data.rotate_left(1);
        data.rotate_right(1);
        assert_eq!(producer.push(&data), 1000);
        let _ = producer.publish();
    }
    let head = consumer.pipe.head.load(Ordering::Relaxed);
    assert_eq!(head, producer.tail);
    // SAFETY: both ends are here, and idle.
    assert_eq!(unsafe { (*head).cells.capacity() }, 16_384);
}
