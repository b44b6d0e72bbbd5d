//! Which driver a program of this workspace gets: the one that `YAMANOTE_DRIVER` asks for.
//!
//! It does not build with Tokio: `Handle::driver` is Yamanote's.
#![forbid(unsafe_code)]

use tokio::runtime::Handle;

#[tokio::main]
async fn main() {
    println!("{}", Handle::current().driver());
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    fn asked_for() -> String {
        std::env::var("YAMANOTE_DRIVER").expect("YAMANOTE_DRIVER says uring or epoll")
    }

    #[tokio::test]
    async fn on_one_thread() {
        assert_eq!(Handle::current().driver().to_string(), asked_for());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_two_workers() {
        assert_eq!(Handle::current().driver().to_string(), asked_for());
    }
}
