//! `select!`: which branch wins, what is evaluated and dropped when, and what its grammar takes.
#![forbid(unsafe_code)]

use futures::executor::block_on;
use std::cell::{Cell, RefCell};
use std::future::{Future, IntoFuture, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use yamanote::select;

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Pending at the first `times` polls.
async fn later<T>(times: usize, value: T) -> T {
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    value
}

#[test]
fn the_ready_branch_wins() {
    block_on(async {
        let got = select! {
            _ = pending::<()>() => "never",
            text = ready("now") => text,
        };
        assert_eq!(got, "now");
        let got = select! { n = later(3, 7) => n };
        assert_eq!(got, 7);
    });
}

#[test]
fn every_shape_of_handler() {
    block_on(async {
        // Blocks with and without a comma, expressions with generics, commas and matches, control
        // flow, no comma at the end.
        let mut log = Vec::<(u8, u8)>::new();
        for round in 0..6 {
            select! {
                biased;
                _ = ready(()), if round == 0 => { log.push((round, 0)) }
                _ = ready(()), if round == 1 => { log.push((round, 1)) },
                n = ready(2), if round == 2 => log.extend(Vec::<(u8, u8)>::from([(round, n)])),
                n = ready(3), if round == 3 => match n { 3 => log.push((round, 3)), 4.. => {} _ => panic!() },
                _ = ready(()), if round == 4 => continue,
                _ = ready(()) => break
            }
        }
        assert_eq!(log, [(0, 0), (1, 1), (2, 2), (3, 3)]);
    });
    async fn early() -> Result<u32, String> {
        select! {
            n = ready("x".parse::<u32>()) => Ok(n.map_err(|error| error.to_string())?),
        }
    }
    assert!(block_on(early()).is_err());
}

#[test]
fn every_shape_of_pattern() {
    struct Point {
        x: i32,
        y: i32,
        #[expect(dead_code, reason = "for `..` to skip")]
        rest: (),
    }
    enum Shape {
        Dot(Point),
        Line(Point, Point),
        Nothing,
    }
    let dot = || {
        Shape::Dot(Point {
            x: 1,
            y: 5,
            rest: (),
        })
    };
    block_on(async {
        let string = || ready(Some("one".to_owned()));
        let got = select! { Some(mut text) = string() => { text.push('!'); text } };
        assert_eq!(got, "one!");
        let got = select! { Some(ref text) = string() => text.len() };
        assert_eq!(got, 3);
        let got = select! {
            Some(ref mut text) = string() => { text.push('?'); std::mem::take(text) }
        };
        assert_eq!(got, "one?");
        let line = || {
            Shape::Line(
                Point {
                    x: 1,
                    y: 5,
                    rest: (),
                },
                Point {
                    x: 2,
                    y: 6,
                    rest: (),
                },
            )
        };
        let got = select! {
            Shape::Dot(Point { x: n, .. }) | Shape::Line(Point { x: 1, .. }, Point { y: n, .. }) = ready(line()) => n,
            else => 0,
        };
        assert_eq!(got, 6);
        let got = select! { 1..=5 = ready(9) => "low", 6.. = ready(9) => "high" };
        assert_eq!(got, "high");
        let got = select! { n @ 1..=5 = ready(3) => n };
        assert_eq!(got, 3);
        let got = select! { &(a, b) = ready(&(1, 2)) => a + b };
        assert_eq!(got, 3);
        let got = select! { [first, .., last] = ready([1, 2, 3]) => first + last };
        assert_eq!(got, 4);
        let got = select! {
            Shape::Nothing = ready(dot()) => "nothing",
            Shape::Line(..) = ready(Shape::Nothing) => "line",
            else => "else",
        };
        assert_eq!(got, "else");
    });
}

#[test]
fn a_value_that_does_not_fit_disables_its_branch() {
    block_on(async {
        let polls = Cell::new(0);
        let misfit = poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::Ready(None::<u32>)
        });
        let got = select! {
            biased;
            Some(n) = misfit => n,
            n = later(5, 8) => n,
        };
        assert_eq!((got, polls.get()), (8, 1));
    });
}

#[test]
#[should_panic(expected = "all branches are disabled and there is no else branch")]
fn all_disabled_without_else_panics() {
    block_on(async {
        select! {
            _ = ready(()), if false => {}
            Some(()) = ready(None) => {}
        }
    });
}

#[test]
fn a_disabled_future_is_made_but_not_polled() {
    block_on(async {
        let made = Cell::new(false);
        let make = || {
            made.set(true);
            poll_fn(|_| -> Poll<()> { panic!("polled") })
        };
        select! {
            _ = make(), if false => {}
            else => {}
        }
        assert!(made.get());
    });
}

#[test]
fn futures_are_dropped_before_the_handler_runs() {
    block_on(async {
        let mut text = String::from("x");
        async fn edit(text: &mut String) {
            text.push('y');
        }
        async fn hold(_text: &Cell<u8>) {
            pending().await
        }
        let cell = Cell::new(1);
        select! {
            _ = hold(&cell) => {}
            () = edit(&mut text) => {
                text.push('z');
                let Cell { .. } = { cell };
            }
        }
        assert_eq!(text, "xyz");
    });
}

#[test]
fn fair_by_default_top_to_bottom_when_biased() {
    block_on(async {
        let mut seen = [0; 3];
        for _ in 0..300 {
            let branch = select! {
                _ = ready(()) => 0,
                _ = ready(()) => 1,
                _ = ready(()) => 2,
            };
            seen[branch] += 1;
        }
        // Each is expected 100 times; 20 or less has a probability below 10^-25.
        assert!(seen.iter().all(|&count: &i32| count > 20), "{seen:?}");
        for _ in 0..100 {
            let branch = select! { biased; _ = ready(()) => 0, _ = ready(()) => 1 };
            assert_eq!(branch, 0);
        }
    });
}

#[test]
fn every_enabled_branch_is_polled_once_per_poll() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let branch = |name: char| {
        let log = log.clone();
        poll_fn(move |_| -> Poll<()> {
            log.borrow_mut().push(name);
            Poll::Pending
        })
    };
    let mut fair = pin!(async {
        select! { _ = branch('a') => {} _ = branch('b'), if false => {} _ = branch('c') => {} }
    });
    for _ in 0..10 {
        assert!(poll_once(fair.as_mut()).is_pending());
        let mut polled = std::mem::take(&mut *log.borrow_mut());
        polled.sort_unstable();
        assert_eq!(polled, ['a', 'c']);
    }
}

#[test]
fn nested_and_in_macros_and_with_into_future() {
    macro_rules! first_of {
        ($($pattern:pat = $future:expr => $handler:expr),+) => {
            select! { $($pattern = $future => $handler),+ }
        };
    }
    struct Into;
    impl IntoFuture for Into {
        type Output = u8;
        type IntoFuture = std::future::Ready<u8>;
        fn into_future(self) -> Self::IntoFuture {
            ready(1)
        }
    }
    block_on(async {
        let futures = 1;
        let selected = 2;
        let got = select! {
            inner = async { select! { n = Into => n + futures } } => {
                select! { n = ready(inner) => n + selected }
            }
        };
        assert_eq!(got, 4);
        assert_eq!(
            first_of!(Some(n) = ready(Some(2)) => n, _ = pending::<()>() => 0),
            2
        );
        select! { () = &mut ready(()) => {} }
    });
}

#[test]
fn never_and_sixty_four_branches() {
    async fn never() -> ! {
        pending().await
    }
    block_on(async {
        let got = select! { _ = never() => 0, n = ready(1) => n };
        assert_eq!(got, 1);
        macro_rules! eight {
            ($($rest:tt)*) => { select! {
                x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
                x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
                $($rest)*
            } };
        }
        let got: u8 = eight! {
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = pending() => x,
            x = pending() => x, x = pending() => x, x = pending() => x, x = ready(64) => x,
        };
        assert_eq!(got, 64);
    });
}
