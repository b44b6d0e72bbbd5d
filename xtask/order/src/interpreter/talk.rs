//! Operations on what tasks share, channels of many values apart.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::thread;

use super::here::Here;
use super::rt;
use super::world::{borrow, wake};
use crate::program::Op;
use rt::io::{AsyncReadExt, AsyncWriteExt};

impl Here<'_> {
    pub(super) async fn talk(&self, op: &Op) {
        let world = self.world;
        let at = |which: &u32| *which as usize;
        match op {
            Op::Park(which) => self.park(at(which)).await,
            Op::Unpark(which) => {
                world.places[at(which)].borrow_mut().let_go = true;
                wake(&world.wakers[at(which)]);
            }
            Op::WakeInVain(which) => wake(&world.wakers[at(which)]),
            Op::ThreadUnpark(which) => {
                world.places[at(which)].borrow_mut().let_go = true;
                let waker = world.wakers[at(which)].lock().expect("no panic").clone();
                let thread = thread::spawn(move || waker.map(Waker::wake));
                thread.join().expect("no panic");
            }
            Op::ThreadNotify(which) => {
                let notify = world.notifies[at(which)].clone();
                let thread = thread::spawn(move || notify.notify_one());
                thread.join().expect("no panic");
            }
            Op::NotifyOne(which) => world.notifies[at(which)].notify_one(),
            Op::NotifyLast(which) => world.notifies[at(which)].notify_last(),
            Op::NotifyWaiters(which) => world.notifies[at(which)].notify_waiters(),
            Op::Notified(which) => world.notifies[at(which)].notified().await,
            Op::WatchSend => world.watch_sender.send_modify(|value| *value += 1),
            Op::WatchChanged => {
                if let Some(mut receiver) = borrow(&world.watch_receiver) {
                    let _ = receiver.get().changed().await;
                    let value = *receiver.get().borrow_and_update();
                    self.done(value);
                }
            }
            Op::BroadcastSend => {
                let sent = world.broadcast_sender.send(7).is_ok();
                self.done(sent);
            }
            Op::BroadcastRecv(which) => {
                if let Some(mut receiver) = borrow(&world.broadcast_receivers[at(which)]) {
                    let result = receiver.get().recv().await;
                    self.done(format_args!("{result:?}"));
                }
            }
            Op::Lock(which, ops) => {
                let mut value = world.mutexes[at(which)].lock().await;
                *value += 1;
                self.done(*value);
                self.run(ops).await;
            }
            Op::Read(ops) => {
                let value = world.rwlock.read().await;
                self.done(*value);
                self.run(ops).await;
            }
            Op::Write(ops) => {
                let mut value = world.rwlock.write().await;
                *value += 1;
                self.done(*value);
                self.run(ops).await;
            }
            Op::Acquire(permits, ops) => {
                let permit = world.semaphore.acquire_many(*permits).await;
                self.done(permit.is_ok());
                self.run(ops).await;
            }
            Op::Downgrade(ops) => {
                let mut value = world.rwlock.write().await;
                *value += 1;
                let value = value.downgrade();
                self.done(*value);
                self.run(ops).await;
            }
            Op::WatchFor(later) => {
                if let Some(mut receiver) = borrow(&world.watch_receiver) {
                    let wanted = *receiver.get().borrow() + later;
                    let result = receiver.get().wait_for(|value| *value >= wanted).await;
                    self.done(result.is_ok());
                }
            }
            Op::DropWatch => {
                let receiver = world.watch_receiver.take();
                drop(receiver);
            }
            Op::WatchClosed => world.watch_sender.closed().await,
            Op::DropBroadcast(which) => {
                let receiver = world.broadcast_receivers[at(which)].take();
                drop(receiver);
            }
            Op::BroadcastClosed => world.broadcast_sender.closed().await,
            Op::Enabled(which, ops) => {
                let mut notified = pin!(world.notifies[at(which)].notified());
                let is_notified = notified.as_mut().enable();
                self.done(is_notified);
                self.run(ops).await;
                notified.await;
            }
            Op::ForgetPermit => {
                if let Ok(permit) = world.semaphore.try_acquire() {
                    permit.forget();
                    self.done("forgotten");
                }
            }
            Op::CloseSemaphore => world.semaphore.close(),
            Op::SetOnce => {
                let is_first = world.set_once.set(1).is_ok();
                self.done(is_first);
            }
            Op::WaitOnce => {
                world.set_once.wait().await;
            }
            Op::PipeWrite(which, bytes) => {
                if let Some(mut pipe) = borrow(&world.pipes[at(which)][0]) {
                    let bytes = vec![1; *bytes as usize];
                    let result = pipe.get().write_all(&bytes).await;
                    self.done(result.is_ok());
                }
            }
            Op::PipeRead(which, bytes) => {
                if let Some(mut pipe) = borrow(&world.pipes[at(which)][1]) {
                    let mut bytes = vec![0; *bytes as usize];
                    let result = pipe.get().read_exact(&mut bytes).await;
                    self.done(result.is_ok());
                }
            }
            Op::PipeEnd(which) => {
                let pipe = world.pipes[at(which)][0].take();
                drop(pipe);
            }
            Op::Copy(kib) => {
                let mut source = rt::io::repeat(1).take(u64::from(*kib) * 1024);
                let copied = rt::io::copy(&mut source, &mut rt::io::sink()).await;
                self.done(copied.is_ok());
            }
            Op::AddPermits(permits) => world.semaphore.add_permits(*permits as usize),
            Op::Barrier => {
                let leads = world.barrier.wait().await.is_leader();
                self.done(leads);
            }
            Op::OnceCell(ops) => {
                let init = async {
                    self.run(ops).await;
                    1
                };
                world.once.get_or_init(|| init).await;
            }
            _ => return self.channel(op).await,
        }
        self.done("");
    }

    async fn park(&self, which: usize) {
        let world = self.world;
        poll_fn(|cx| {
            if std::mem::take(&mut world.places[which].borrow_mut().let_go) {
                return Poll::Ready(());
            }
            let waker = Some(cx.waker().clone());
            let before =
                std::mem::replace(&mut *world.wakers[which].lock().expect("no panic"), waker);
            drop(before);
            Poll::Pending
        })
        .await;
    }
}
