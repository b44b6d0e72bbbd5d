//! What the tasks of a program talk through.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use super::host::Host;
use super::log::Output;
use super::rt;
use crate::program::Program;
use rt::sync::{broadcast, mpsc, oneshot, watch};
use rt::task::{AbortHandle, JoinHandle};

/// Everything tasks talk through.
pub(super) struct World {
    pub(super) runtime: rt::runtime::Handle,
    pub(super) is_local: bool,
    pub(super) set: Option<std::rc::Weak<Host>>,
    pub(super) handles: RefCell<BTreeMap<u32, JoinHandle<Output>>>,
    pub(super) aborts: RefCell<BTreeMap<u32, AbortHandle>>,
    pub(super) places: [RefCell<Place>; 2],
    pub(super) wakers: [Mutex<Option<Waker>>; 2],
    pub(super) notifies: [Arc<rt::sync::Notify>; 2],
    pub(super) senders: [RefCell<Option<mpsc::Sender<u32>>>; 2],
    pub(super) receivers: [RefCell<Option<mpsc::Receiver<u32>>>; 2],
    pub(super) unbounded_sender: mpsc::UnboundedSender<u32>,
    pub(super) unbounded_receiver: RefCell<Option<mpsc::UnboundedReceiver<u32>>>,
    pub(super) oneshot_senders: [RefCell<Option<oneshot::Sender<u32>>>; 2],
    pub(super) oneshot_receivers: [RefCell<Option<oneshot::Receiver<u32>>>; 2],
    pub(super) watch_sender: watch::Sender<u32>,
    pub(super) watch_receiver: RefCell<Option<watch::Receiver<u32>>>,
    pub(super) broadcast_sender: broadcast::Sender<u32>,
    pub(super) broadcast_receivers: [RefCell<Option<broadcast::Receiver<u32>>>; 3],
    pub(super) mutexes: [rt::sync::Mutex<u32>; 2],
    pub(super) rwlock: rt::sync::RwLock<u32>,
    pub(super) semaphore: rt::sync::Semaphore,
    pub(super) barrier: rt::sync::Barrier,
    pub(super) once: rt::sync::OnceCell<u32>,
    pub(super) set_once: rt::sync::SetOnce<u32>,
    pub(super) pipes: [[RefCell<Option<rt::io::DuplexStream>>; 2]; 2],
}

#[derive(Default)]
pub(super) struct Place {
    pub(super) let_go: bool,
}

fn some<T, const N: usize>(make: impl Fn() -> T) -> [RefCell<Option<T>>; N] {
    [(); N].map(|()| RefCell::new(Some(make())))
}

impl World {
    pub(super) fn new(program: &Program, host: &Rc<Host>) -> World {
        let channels = [(); 2].map(|()| mpsc::channel(program.capacity));
        let mut senders = some(|| None);
        let mut receivers = some(|| None);
        for (i, (sender, receiver)) in channels.into_iter().enumerate() {
            senders[i] = RefCell::new(Some(Some(sender)));
            receivers[i] = RefCell::new(Some(Some(receiver)));
        }
        let oneshots = [(); 2].map(|()| oneshot::channel());
        let [(send_a, receive_a), (send_b, receive_b)] = oneshots;
        let (unbounded_sender, unbounded_receiver) = mpsc::unbounded_channel();
        let (watch_sender, watch_receiver) = watch::channel(0);
        let (broadcast_sender, _) = broadcast::channel(program.capacity);
        World {
            runtime: host.handle().clone(),
            is_local: host.is_local(),
            set: matches!(**host, Host::Runtime(_, Some(_))).then(|| Rc::downgrade(host)),
            handles: RefCell::default(),
            aborts: RefCell::default(),
            places: Default::default(),
            wakers: Default::default(),
            notifies: Default::default(),
            senders: senders.map(|cell| RefCell::new(cell.into_inner().flatten())),
            receivers: receivers.map(|cell| RefCell::new(cell.into_inner().flatten())),
            unbounded_sender,
            unbounded_receiver: RefCell::new(Some(unbounded_receiver)),
            oneshot_senders: [RefCell::new(Some(send_a)), RefCell::new(Some(send_b))],
            oneshot_receivers: [RefCell::new(Some(receive_a)), RefCell::new(Some(receive_b))],
            watch_sender,
            watch_receiver: RefCell::new(Some(watch_receiver)),
            broadcast_receivers: some(|| broadcast_sender.subscribe()),
            broadcast_sender,
            mutexes: Default::default(),
            rwlock: Default::default(),
            semaphore: rt::sync::Semaphore::new(program.permits),
            barrier: rt::sync::Barrier::new(2),
            once: rt::sync::OnceCell::new(),
            set_once: rt::sync::SetOnce::new(),
            pipes: [(); 2].map(|()| {
                let (a, b) = rt::io::duplex(8);
                [RefCell::new(Some(a)), RefCell::new(Some(b))]
            }),
        }
    }

    pub(super) fn keep(&self, id: u32, handle: JoinHandle<Output>) {
        let abort = handle.abort_handle();
        let before = self.aborts.borrow_mut().insert(id, abort);
        drop(before);
        let before = self.handles.borrow_mut().insert(id, handle);
        drop(before);
    }

    pub(super) fn clear(&self) {
        drop(self.handles.take());
        self.aborts.take();
        for waker in &self.wakers {
            drop(waker.lock().expect("not poisoned").take());
        }
    }
}

/// Something that one future at a time uses; it comes back when that is dropped.
pub(super) struct Borrowed<'a, T> {
    cell: &'a RefCell<Option<T>>,
    value: Option<T>,
}

pub(super) fn borrow<T>(cell: &RefCell<Option<T>>) -> Option<Borrowed<'_, T>> {
    let value = cell.borrow_mut().take()?;
    Some(Borrowed {
        cell,
        value: Some(value),
    })
}

impl<T> Borrowed<'_, T> {
    pub(super) fn get(&mut self) -> &mut T {
        self.value.as_mut().expect("until it is dropped")
    }
}

impl<T> Drop for Borrowed<'_, T> {
    fn drop(&mut self) {
        *self.cell.borrow_mut() = self.value.take();
    }
}

pub(super) fn wake(waker: &Mutex<Option<Waker>>) {
    let waker = waker.lock().expect("no panic").clone();
    if let Some(waker) = waker {
        waker.wake();
    }
}
