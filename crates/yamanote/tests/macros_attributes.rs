//! `#[main]` and `#[test]`: functions of every shape, on the runtime that was asked for.
#![forbid(unsafe_code)]

use yamanote::runtime::{Handle, RuntimeFlavor};

fn flavor() -> RuntimeFlavor {
    Handle::current().runtime_flavor()
}

#[yamanote::test]
async fn a_test_has_one_thread() {
    assert_eq!(flavor(), RuntimeFlavor::CurrentThread);
    yamanote::spawn(async {}).await.unwrap();
}

#[yamanote::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_test_with_three_workers() {
    assert_eq!(flavor(), RuntimeFlavor::MultiThread);
    assert_eq!(Handle::current().metrics().num_workers(), 3);
}

#[yamanote::test(name = "named")]
async fn a_test_with_a_name() {
    assert_eq!(Handle::current().name(), Some("named"));
}

#[yamanote::test]
async fn a_test_that_may_fail() -> Result<(), Box<dyn std::error::Error>> {
    let number: u32 = "1".parse()?;
    yamanote::time::sleep(std::time::Duration::from_micros(1)).await;
    assert_eq!(number, 1);
    Ok(())
}

#[yamanote::test]
#[should_panic(expected = "as expected")]
async fn other_attributes_stay() {
    #![allow(clippy::let_unit_value)]
    panic!("as expected");
}

#[yamanote::main]
async fn with_arguments<T: Copy>(value: T, (left, right): (u8, u8)) -> (T, u8) {
    assert_eq!(flavor(), RuntimeFlavor::MultiThread);
    (value, left + right)
}

#[yamanote::main(flavor = "current_thread")]
async fn never() -> ! {
    panic!("never");
}

#[yamanote::main(flavor = "current_thread")]
async fn opaque() -> impl Iterator<Item = u8> {
    [1, 2].into_iter()
}

#[yamanote::main(crate = "renamed::inner", flavor = "current_thread")]
async fn elsewhere() -> RuntimeFlavor {
    flavor()
}

mod renamed {
    pub use ::yamanote as inner;
}

struct Receiver(u8);

impl Receiver {
    #[yamanote::main(flavor = "current_thread")]
    async fn method(&mut self) -> &u8 {
        self.0 += 1;
        &self.0
    }
}

#[test]
fn functions_of_every_shape() {
    assert_eq!(with_arguments("x", (1, 2)), ("x", 3));
    assert!(std::panic::catch_unwind(|| never()).is_err());
    assert_eq!(opaque().sum::<u8>(), 3);
    assert_eq!(elsewhere(), RuntimeFlavor::CurrentThread);
    assert_eq!(*Receiver(1).method(), 2);
}

// A name of ours that the user has taken does not get in the way.
mod shadowed {
    #[allow(dead_code)]
    mod yamanote {}
    #[allow(dead_code)]
    struct Result;

    #[::yamanote::test]
    async fn names_are_found() {
        let (body, first) = (1, 2);
        assert_eq!(::yamanote::join!(async { body }, async { first }), (1, 2));
        ::yamanote::pin! { let one = async { 1 }; }
        let got = ::yamanote::select! { one = &mut one => one, else => 0 };
        assert_eq!(got, 1);
    }
}

// Tables of tests are written like this: the body has the hygiene of the code that wrote it, the
// function that of the macro.
mod from_macros {
    use super::{RuntimeFlavor, flavor};

    macro_rules! tests {
        (block $name:ident $body:block) => {
            #[yamanote::test]
            async fn $name() $body
        };
        (tokens $name:ident { $($body:tt)* }) => {
            #[yamanote::test(flavor = "multi_thread", worker_threads = 1)]
            async fn $name() { $($body)* }
        };
        (fallible $name:ident $body:block) => {
            #[yamanote::test]
            async fn $name() -> Result<(), yamanote::task::JoinError> $body
        };
        (main $name:ident -> $output:ty, $body:block) => {
            #[yamanote::main(flavor = "current_thread")]
            async fn $name() -> $output $body
        };
        (last $name:ident $last:expr) => {
            #[yamanote::main(worker_threads = 1)]
            async fn $name() -> RuntimeFlavor {
                yamanote::task::yield_now().await;
                $last
            }
        };
    }

    tests!(block a_block {
        yamanote::task::yield_now().await;
        assert_eq!(flavor(), RuntimeFlavor::CurrentThread);
    });
    tests!(block an_expression { yamanote::task::yield_now().await });
    tests!(block nothing {});
    tests!(tokens some_tokens {
        let body = yamanote::spawn(async { 1 }).await.unwrap();
        assert_eq!((body, flavor()), (1, RuntimeFlavor::MultiThread));
    });
    tests!(fallible a_question { yamanote::spawn(async {}).await?; Ok(()) });
    tests!(main three -> u8, { let body = 2; body + 1 });
    tests!(main no_never -> std::convert::Infallible, { panic!("never") });
    tests!(last of_this_file flavor());

    #[test]
    fn mains() {
        assert_eq!(three(), 3);
        assert!(std::panic::catch_unwind(no_never).is_err());
        assert_eq!(of_this_file(), RuntimeFlavor::MultiThread);
    }
}
