//! Operations on time.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::here::Here;
use super::log::START;
use super::rt;
use crate::program::{Missed, Op};

impl Here<'_> {
    pub(super) async fn time(&self, op: &Op) {
        let micros = Duration::from_micros;
        match op {
            Op::Sleep(time) => rt::time::sleep(micros(*time)).await,
            Op::Advance(time) => rt::time::advance(micros(*time)).await,
            Op::Timeout(time, ops) => {
                let result = rt::time::timeout(micros(*time), self.run(ops)).await;
                self.done(if result.is_ok() { "in time" } else { "late" });
            }
            Op::Interval(period, ticks) => {
                let mut interval = rt::time::interval(micros(*period));
                for _ in 0..*ticks {
                    interval.tick().await;
                    self.done("tick");
                }
            }
            Op::Ticks {
                first,
                period,
                missed,
                ticks,
                ops,
            } => {
                let first = rt::time::Instant::now() + micros(*first);
                let mut interval = rt::time::interval_at(first, micros(*period));
                interval.set_missed_tick_behavior(match missed {
                    Missed::Burst => rt::time::MissedTickBehavior::Burst,
                    Missed::Delay => rt::time::MissedTickBehavior::Delay,
                    Missed::Skip => rt::time::MissedTickBehavior::Skip,
                });
                for _ in 0..*ticks {
                    let at = interval.tick().await;
                    let start = START.get().unwrap_or(at);
                    self.done(at.duration_since(start).as_micros());
                    self.run(ops).await;
                }
            }
            Op::SleepUntil(time) => {
                let start = START.get().unwrap_or_else(rt::time::Instant::now);
                rt::time::sleep_until(start + micros(*time)).await;
            }
            Op::SendTimeout(which, time) => {
                let sender = self.world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    let sent = sender.send_timeout(5, micros(*time)).await;
                    self.done(sent.is_ok());
                }
            }
            Op::Reset {
                polled,
                first,
                then,
                ops,
            } => {
                let mut sleep = pin!(rt::time::sleep(micros(*first)));
                if *polled {
                    poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
                }
                self.run(ops).await;
                let then = rt::time::Instant::now() + micros(*then);
                sleep.as_mut().reset(then);
                self.done(sleep.is_elapsed());
                sleep.await;
            }
            Op::DropSleep(time, ops) => {
                let mut sleep = pin!(rt::time::sleep(micros(*time)));
                poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
                self.run(ops).await;
                self.done(sleep.is_elapsed());
            }
            _ => unreachable!("not of time"),
        }
        self.done("");
    }
}
