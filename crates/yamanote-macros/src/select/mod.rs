//! `select!`: several futures in one task, until one gives a value that its pattern takes.
#![forbid(unsafe_code)]

mod generate;
mod parse;

use proc_macro2::{TokenStream, TokenTree};

struct Select {
    /// `$crate` of the runtime.
    krate: TokenTree,
    biased: bool,
    branches: Vec<Branch>,
    otherwise: Option<TokenStream>,
}

struct Branch {
    pattern: TokenStream,
    future: TokenStream,
    precondition: Option<TokenStream>,
    handler: TokenStream,
}

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    match syn::parse2::<Select>(input) {
        Ok(select) => generate::generate(&select),
        Err(error) => error.to_compile_error(),
    }
}
