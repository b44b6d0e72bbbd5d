//! What a subscriber of `tracing` is told of the size of what is spawned. (`examples/console` looks
//! at everything else, as tokio-console does.)
#![cfg(feature = "tracing")]

use std::future::Future;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use yamanote::runtime::{Handle, LocalRuntime};
use yamanote::task::{self, LocalSet};

/// Of a future: as it is kept, and as it was before it was boxed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    bytes: u64,
    original: Option<u64>,
}

impl Visit for Size {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "size.bytes" => self.bytes = value,
            "original_size.bytes" => self.original = Some(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// Of each span of a task, in order.
#[derive(Clone, Default)]
struct Sizes(Arc<Mutex<Vec<Size>>>);

impl Subscriber for Sizes {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        if span.metadata().name() == "runtime.spawn" {
            let mut size = Size::default();
            span.record(&mut size);
            self.0.lock().unwrap().push(size);
        }
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is told of the one future that `spawn` gives to the runtime.
fn told_of(spawn: impl FnOnce(&LocalRuntime)) -> Size {
    let sizes = Sizes::default();
    tracing::subscriber::with_default(sizes.clone(), || {
        let runtime = LocalRuntime::new().unwrap();
        spawn(&runtime);
    });
    let sizes = sizes.0.lock().unwrap();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
    sizes[0]
}

/// A future that holds `N` bytes, and more.
fn holding<const N: usize>() -> impl Future<Output = ()> + Send + 'static {
    let bytes = std::hint::black_box([7_u8; N]);
    async move {
        task::yield_now().await;
        std::hint::black_box(&bytes);
    }
}

/// Spawned by each call there is, what is told is the size of the future, boxed or not.
fn assert_told<const N: usize>(expected: impl Fn(usize) -> Size) {
    let expected = expected(size_of_val(&holding::<N>()));
    let told = [
        told_of(|runtime| drop(runtime.spawn_local(holding::<N>()))),
        told_of(|runtime| drop(runtime.handle().spawn(holding::<N>()))),
        told_of(|runtime| {
            let _entered = runtime.enter();
            drop(task::spawn(holding::<N>()));
        }),
        told_of(|runtime| {
            let _entered = runtime.enter();
            drop(task::spawn_local(holding::<N>()));
        }),
        told_of(|runtime| {
            let _entered = runtime.enter();
            drop(task::named("it").spawn(holding::<N>()));
        }),
        told_of(|runtime| drop(task::named("it").spawn_on(holding::<N>(), runtime.handle()))),
        told_of(|runtime| {
            let _entered = runtime.enter();
            let set = LocalSet::new();
            drop(set.spawn_local(holding::<N>()));
        }),
        told_of(|runtime| runtime.block_on(holding::<N>())),
        told_of(|runtime| Handle::block_on(runtime.handle(), holding::<N>())),
    ];
    for (call, told) in told.into_iter().enumerate() {
        assert_eq!(told, expected, "call {call}");
    }
}

#[test]
fn a_small_future_is_told_as_it_is() {
    assert_told::<10>(|size| Size {
        bytes: size as u64,
        original: None,
    });
}

#[test]
fn a_large_future_is_told_with_the_size_it_had_before_it_was_boxed() {
    assert_told::<20_000>(|size| Size {
        bytes: size_of::<usize>() as u64,
        original: Some(size as u64),
    });
}
