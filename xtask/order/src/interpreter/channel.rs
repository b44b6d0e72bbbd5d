//! Operations on channels.
#![forbid(unsafe_code)]

use crate::program::Op;

use super::here::Here;
use super::world::borrow;

impl Here<'_> {
    pub(super) async fn channel(&self, op: &Op) {
        let world = self.world;
        match op {
            Op::Send(which) => {
                let sender = world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    let sent = sender.send(1).await.is_ok();
                    self.done(sent);
                }
            }
            Op::TrySend(which) => {
                let sender = world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    self.done(sender.try_send(2).is_ok());
                }
            }
            Op::Reserve(which, ops) => {
                let sender = world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    if let Ok(permit) = sender.reserve().await {
                        self.run(ops).await;
                        permit.send(3);
                    }
                }
            }
            Op::Recv(which) => {
                if let Some(mut receiver) = borrow(&world.receivers[*which as usize]) {
                    let value = receiver.get().recv().await;
                    self.done(format_args!("{value:?}"));
                }
            }
            Op::RecvMany(which) => {
                if let Some(mut receiver) = borrow(&world.receivers[*which as usize]) {
                    let mut values = Vec::new();
                    receiver.get().recv_many(&mut values, 2).await;
                    self.done(format_args!("{values:?}"));
                }
            }
            Op::TryRecv(which) => {
                if let Some(mut receiver) = borrow(&world.receivers[*which as usize]) {
                    self.done(receiver.get().try_recv().is_ok());
                }
            }
            Op::SenderClosed(which) => {
                let sender = world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    sender.closed().await;
                }
            }
            Op::ReserveMany(which, many) => {
                let sender = world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    match sender.reserve_many(*many as usize).await {
                        Ok(mut permits) => permits.next().into_iter().for_each(|p| p.send(6)),
                        Err(_) => self.done("refused"),
                    }
                }
            }
            Op::CloseReceiver(which) => {
                if let Some(mut receiver) = borrow(&world.receivers[*which as usize]) {
                    receiver.get().close();
                }
            }
            Op::DropSender(which) => {
                let sender = world.senders[*which as usize].take();
                drop(sender);
            }
            Op::SendUnbounded(many) => {
                for i in 0..*many {
                    let _ = world.unbounded_sender.send(i);
                }
            }
            Op::RecvUnbounded(many) => {
                if let Some(mut receiver) = borrow(&world.unbounded_receiver) {
                    for _ in 0..*many {
                        receiver.get().recv().await;
                    }
                }
            }
            Op::OneshotSend(which) => {
                let sender = world.oneshot_senders[*which as usize].take();
                if let Some(sender) = sender {
                    let sent = sender.send(4).is_ok();
                    self.done(sent);
                }
            }
            Op::OneshotRecv(which) => {
                let receiver = world.oneshot_receivers[*which as usize].take();
                if let Some(receiver) = receiver {
                    let value = receiver.await.is_ok();
                    self.done(value);
                }
            }
            Op::OneshotClosed(which) => {
                if let Some(mut sender) = borrow(&world.oneshot_senders[*which as usize]) {
                    sender.get().closed().await;
                }
            }
            _ => unreachable!("no other operation is left"),
        }
        self.done("");
    }
}
