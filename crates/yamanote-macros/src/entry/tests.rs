//! What the attributes expand to, and what they say when they cannot.
#![forbid(unsafe_code)]

use super::{Host, Kind, expand, refuse};
use proc_macro2::TokenStream;

fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap()
}

fn expanded(kind: Kind, host: Host, args: &str, item: &str) -> String {
    expand(kind, host, tokens(args), tokens(item)).to_string()
}

/// The message of the `compile_error!`, after a function that is still there.
fn error(kind: Kind, args: &str, item: &str) -> String {
    error_of(kind, Host::Yamanote, args, item)
}

fn error_of(kind: Kind, host: Host, args: &str, item: &str) -> String {
    let output = expand(kind, host, tokens(args), tokens(item));
    let text = output.to_string();
    assert!(text.contains("fn "), "the function is gone: {text}");
    let file: syn::File = syn::parse2(output).unwrap();
    let Some(syn::Item::Macro(error)) = file.items.last() else {
        panic!("no error in {text}");
    };
    assert!(error.mac.path.segments.last().unwrap().ident == "compile_error");
    error.mac.parse_body::<syn::LitStr>().unwrap().value()
}

const MAIN: &str = "async fn main() {}";

#[test]
fn the_crate_is_found_where_it_was_said_to_be() {
    let ours = expanded(Kind::Main, Host::Yamanote, "", MAIN);
    assert!(
        ours.contains("use :: yamanote :: runtime :: Builder ; return Builder :: new_multi_thread")
    );
    let shim = expanded(Kind::Main, Host::Tokio, "", MAIN);
    assert!(shim.contains("use tokio :: runtime :: Builder ; return Builder :: new_multi_thread"));
    for host in [Host::Yamanote, Host::Tokio] {
        let given = expanded(Kind::Test, host, "crate = \"a::b\"", "async fn t() {}");
        assert!(
            given.contains(
                "use a :: b :: runtime :: Builder ; return Builder :: new_current_thread"
            )
        );
    }
}

#[test]
fn without_rt_multi_thread_the_flavor_must_be_another() {
    let host = Host::TokioCurrentThread;
    assert_eq!(
        error_of(Kind::Main, host, "", MAIN),
        "The default runtime flavor is `multi_thread`, but the `rt-multi-thread` feature is \
         disabled."
    );
    for kind in [Kind::Main, Kind::Test] {
        assert_eq!(
            error_of(kind, host, "flavor = \"multi_thread\"", MAIN),
            "The runtime flavor `multi_thread` requires the `rt-multi-thread` feature."
        );
        let given = expanded(kind, host, "flavor = \"current_thread\"", MAIN);
        assert!(
            given
                .contains("use tokio :: runtime :: Builder ; return Builder :: new_current_thread")
        );
    }
    let default = expanded(Kind::Test, host, "", "async fn t() {}");
    assert!(
        default.contains("use tokio :: runtime :: Builder ; return Builder :: new_current_thread")
    );
}

#[test]
fn without_rt_nothing_is_expanded() {
    let text = refuse(Kind::Test, Host::Tokio).to_string();
    assert!(text.contains("The #[tokio::test] macro requires rt or rt-multi-thread."));
}

#[test]
fn every_option_reaches_the_builder() {
    let text = expanded(
        Kind::Main,
        Host::Yamanote,
        r#"flavor = "multi_thread", worker_threads = 3, name = "n""#,
        MAIN,
    );
    assert!(text.contains("new_multi_thread () . worker_threads (3usize) . name (\"n\")"));
    let text = expanded(
        Kind::Test,
        Host::Yamanote,
        r#"start_paused = true, unhandled_panic = "shutdown_runtime","#,
        "async fn t() {}",
    );
    assert!(text.contains("new_current_thread () . start_paused (true) . unhandled_panic"));
    assert!(text.contains("UnhandledPanic :: ShutdownRuntime"));
    let text = expanded(Kind::Main, Host::Yamanote, r#"flavor = "local""#, MAIN);
    assert!(text.contains("build_local"));
}

#[test]
fn attributes_signature_and_inner_attributes_are_kept() {
    let text = expanded(
        Kind::Test,
        Host::Yamanote,
        "",
        "#[ignore] pub(crate) async fn t() -> Result<(), E> { #![allow(dead_code)] let x = 1; \
         Ok(()) }",
    );
    let function: syn::ItemFn = syn::parse_str(&text).unwrap();
    assert_eq!(function.attrs.len(), 3, "{text}");
    assert!(function.sig.asyncness.is_none());
    assert!(text.contains("Output = Result < () , E >"));
    // `impl Trait` cannot be named a second time.
    let text = expanded(
        Kind::Main,
        Host::Yamanote,
        "",
        "async fn f() -> Vec<impl Sized> { vec![1] }",
    );
    assert!(!text.contains("Output ="));
}

#[test]
fn the_function_must_fit() {
    assert_eq!(
        error(Kind::Main, "", "fn main() {}"),
        "the `async` keyword is missing from the function declaration"
    );
    assert_eq!(
        error(Kind::Main, "", "async fn main(x: u8) {}"),
        "the main function cannot accept arguments"
    );
    for second in [
        "#[test]",
        "#[::core::prelude::v1::test]",
        "#[std::prelude::rust_2024::test]",
    ] {
        assert!(
            error(Kind::Test, "", &format!("{second} async fn t() {{}}"))
                .starts_with("second test attribute is supplied")
        );
    }
}

#[test]
fn wrong_options_are_told_what_is_right() {
    let cases = [
        (
            "foo",
            "Unknown attribute foo is specified; expected one of: `flavor`, `worker_threads`, \
             `start_paused`, `crate`, `unhandled_panic`, `name`.",
        ),
        (
            "foo = 1",
            "Unknown attribute foo is specified; expected one of: `flavor`, `worker_threads`, \
             `start_paused`, `crate`, `unhandled_panic`, `name`.",
        ),
        (
            "threaded_scheduler",
            "Set the runtime flavor with #[yamanote::main(flavor = \"multi_thread\")].",
        ),
        (
            "current_thread",
            "Set the runtime flavor with #[yamanote::main(flavor = \"current_thread\")].",
        ),
        ("flavor", "The `flavor` attribute requires an argument."),
        ("foo(bar)", "Unknown attribute inside the macro"),
        ("a::b = 1", "Must have specified ident"),
        ("worker_threads = 1 + 1", "Must be a literal"),
        (
            "core_threads = 4",
            "Attribute `core_threads` is renamed to `worker_threads`",
        ),
        (
            "flavor = 123",
            "Failed to parse value of `flavor` as string.",
        ),
        (
            "flavor = \"foo\"",
            "No such runtime flavor `foo`. The runtime flavors are `current_thread`, `local`, and \
             `multi_thread`.",
        ),
        (
            "flavor = \"basic_scheduler\"",
            "The `basic_scheduler` runtime flavor has been renamed to `current_thread`.",
        ),
        (
            "flavor = \"single_thread\"",
            "The single threaded runtime flavor is called `current_thread`.",
        ),
        ("worker_threads = 0", "`worker_threads` may not be 0."),
        (
            "worker_threads = \"x\"",
            "Failed to parse value of `worker_threads` as integer.",
        ),
        (
            "worker_threads = 1, worker_threads = 2",
            "`worker_threads` set multiple times.",
        ),
        (
            "flavor = \"current_thread\", worker_threads = 4",
            "The `worker_threads` option requires the `multi_thread` runtime flavor. Use \
             `#[yamanote::main(flavor = \"multi_thread\")]`",
        ),
        (
            "start_paused = true",
            "The `start_paused` option requires the `current_thread` runtime flavor. Use \
             `#[yamanote::main(flavor = \"current_thread\")]`",
        ),
        (
            "start_paused = 1",
            "Failed to parse value of `start_paused` as bool.",
        ),
        (
            "unhandled_panic = \"x\"",
            "No such unhandled panic behavior `x`. The unhandled panic behaviors are `ignore` and \
             `shutdown_runtime`.",
        ),
        (
            "unhandled_panic = \"ignore\"",
            "The `unhandled_panic` option requires the `current_thread` runtime flavor. Use \
             `#[yamanote::main(flavor = \"current_thread\")]`",
        ),
        ("crate = 456", "Failed to parse value of `crate` as path."),
        (
            "crate = \"456\"",
            "Failed to parse value of `crate` as path: \"456\"",
        ),
    ];
    for (args, expected) in cases {
        assert_eq!(error(Kind::Main, args, MAIN), expected, "for ({args})");
    }
}
