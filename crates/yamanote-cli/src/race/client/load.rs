//! Many connections, each with one question under way: a closed loop.
#![forbid(unsafe_code)]

use super::Args;
use super::backend::Backend;
use super::connect::connect;
use super::exchange::Exchange;
use super::script::Dialogue;
use super::server::{self, Usage};
use crate::race::rows::Script;
use hdrhistogram::Histogram;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// What is told of the latencies.
const QUANTILES: [f64; 14] = [
    0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1.0,
];
/// So many connections are made before the server must have answered on all of them: fewer than any
/// queue of connections that wait to be accepted has room for. What finds no room tries again after
/// a second.
const BATCH: usize = 64;
/// A server that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(10);
const LISTENER: Token = Token(usize::MAX / 2);

pub struct Load {
    poll: Poll,
    dialogue: Dialogue,
    exchanges: Vec<Exchange>,
    /// Behind a relay. Their tokens follow those of the exchanges.
    listener: Option<TcpListener>,
    backends: Vec<Backend>,
    /// The first token of a backend.
    first_backend: usize,
    buffer: Vec<u8>,
    histogram: Histogram<u64>,
    answers: u64,
}

pub fn run(args: &Args) -> io::Result<Value> {
    let mut load = Load::connected(args)?;
    for exchange in &mut load.exchanges {
        exchange.ask(&load.dialogue, Instant::now())?;
    }
    let warm = Instant::now() + args.warm_up();
    load.until(|load| load.asks_until(warm))?;
    load.answers = 0;
    load.histogram.reset();
    let before = Usage::of(args.pid)?;
    let end = Instant::now() + args.measured();
    load.until(|load| match load.answers {
        // Neither the server nor this process may have come to anything in a short time.
        0 => Some(Turn::AskAgain),
        _ => load.asks_until(end),
    })?;
    let used = Usage::of(args.pid)?.since(&before);
    let latencies: Vec<(f64, u64)> = QUANTILES
        .iter()
        .map(|quantile| (*quantile, load.histogram.value_at_quantile(*quantile)))
        .collect();
    Ok(json!({
        "ops": load.answers,
        "cpu_ns": used.cpu.as_nanos() as f64,
        "wall_ns": used.wall.as_nanos() as f64,
        "switches": used.switches,
        "peak_rss_bytes": server::peak(args.pid)?,
        "latencies_ns": latencies,
    }))
}

/// Whether a turn of the loop is the last, and whether what is answered is asked again.
enum Turn {
    AskAgain,
    Last,
}

impl Load {
    /// All connections, each of which has been answered once.
    pub fn connected(args: &Args) -> io::Result<Load> {
        let mut load = Load {
            poll: Poll::new()?,
            dialogue: Dialogue::new(args.script, args.size, &args.file)?,
            exchanges: Vec::with_capacity(args.connections),
            listener: None,
            backends: Vec::new(),
            first_backend: args.connections,
            buffer: vec![0; 256 << 10],
            // Of a microsecond's third to a minute, to three digits.
            histogram: Histogram::new_with_bounds(1, 60_000_000_000, 3)
                .map_err(|error| io::Error::other(error.to_string()))?,
            answers: 0,
        };
        let mut introduction = None;
        if args.script == Script::Relay {
            let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address"))?;
            introduction = Some(listener.local_addr()?.port().to_be_bytes());
            let registry = load.poll.registry();
            registry.register(&mut listener, LISTENER, Interest::READABLE)?;
            load.listener = Some(listener);
        }
        while load.exchanges.len() < args.connections {
            let until = (load.exchanges.len() + BATCH).min(args.connections);
            for id in load.exchanges.len()..until {
                let mut exchange = Exchange::new(connect(args.port, id)?, id);
                let both = Interest::READABLE | Interest::WRITABLE;
                let registry = load.poll.registry();
                registry.register(&mut exchange.stream, Token(id), both)?;
                if let Some(introduction) = introduction {
                    exchange.introduce(&introduction)?;
                }
                exchange.ask(&load.dialogue, Instant::now())?;
                load.exchanges.push(exchange);
            }
            let all = until as u64;
            load.until(|load| (load.answers == all).then_some(Turn::Last))?;
        }
        Ok(load)
    }

    fn asks_until(&self, end: Instant) -> Option<Turn> {
        match Instant::now() >= end {
            true => Some(Turn::Last),
            false => Some(Turn::AskAgain),
        }
    }

    /// Handles events until `turn` says that it is enough. Without a word of it nothing is asked.
    fn until(&mut self, turn: impl Fn(&Load) -> Option<Turn>) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let asks = match turn(self) {
                Some(Turn::Last) => return Ok(()),
                Some(Turn::AskAgain) => true,
                None => false,
            };
            match self.poll.poll(&mut events, Some(PATIENCE)) {
                Ok(()) if events.is_empty() => {
                    return Err(io::Error::other("the server says nothing for ten seconds"));
                }
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            for event in &events {
                self.handle(event, asks)?;
            }
        }
    }

    fn handle(&mut self, event: &mio::event::Event, asks: bool) -> io::Result<()> {
        let token = event.token();
        if token == LISTENER {
            return self.accept();
        }
        if token.0 >= self.first_backend {
            let backend = &mut self.backends[token.0 - self.first_backend];
            return backend.turn(&mut self.buffer);
        }
        let exchange = &mut self.exchanges[token.0];
        if event.is_writable() {
            exchange.send()?;
        }
        if !event.is_readable() {
            return Ok(());
        }
        while let Some(asked) = exchange.receive(&self.dialogue, &mut self.buffer)? {
            let now = Instant::now();
            self.answers += 1;
            self.histogram
                .saturating_record((now - asked).as_nanos() as u64);
            if !asks {
                return Ok(());
            }
            exchange.ask(&self.dialogue, now)?;
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let listener = self.listener.as_mut().expect("its token came");
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let token = Token(self.first_backend + self.backends.len());
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, token, both)?;
            self.backends.push(Backend::new(stream));
        }
    }
}
