//! A task that blocks its worker, and what is said of it:
//! `YAMANOTE_STALL_MS=200 cargo run --example stall`.
#![forbid(unsafe_code)]

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;
use yamanote::insight::{self, Detail};
use yamanote::runtime::Handle;

/// Waits for a child's output in a way that blocks.
async fn output_of_a_child() -> usize {
    let child = Command::new("sleep")
        .arg("1.4")
        .stdout(Stdio::piped())
        .spawn();
    let mut output = Vec::new();
    let mut pipe = child.expect("there is sleep").stdout.expect("it is piped");
    pipe.read_to_end(&mut output).expect("it can be read");
    output.len()
}

#[yamanote::main]
async fn main() {
    let (to, mut from) = yamanote::sync::mpsc::channel::<usize>(1);
    yamanote::spawn(async move { while from.recv().await.is_some() {} });
    yamanote::spawn(async { yamanote::time::sleep(Duration::from_secs(60)).await });
    let blocks = yamanote::spawn(async move { to.send(output_of_a_child().await).await });
    let handle = Handle::current();
    let looks = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        insight::dump_of(&handle, Detail::Leaves, Duration::from_millis(100))
    });
    blocks
        .await
        .expect("it does not panic")
        .expect("somebody receives");
    println!("{}", looks.join().expect("it does not panic"));
}
