//! The first program: tasks, a timer, and which driver the runtime got.
#![forbid(unsafe_code)]
use std::time::Duration;

#[yamanote::main]
async fn main() {
    let driver = yamanote::runtime::Handle::current().driver();
    let sum = yamanote::spawn(async {
        yamanote::time::sleep(Duration::from_millis(10)).await;
        (1..=10).sum::<u32>()
    });
    println!(
        "{} on {driver}",
        sum.await.expect("the task does not panic")
    );
}
