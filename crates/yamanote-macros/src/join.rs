//! `join!` and `try_join!`: several futures in one task, until all are done or one failed.
//!
//! The branches live in a tuple of `MaybeDone`. Each poll goes once through all of them and, unless
//! `biased;` is given, begins with the branch after the one that the previous poll began with.
#![forbid(unsafe_code)]

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, Index, Result, Token};

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    All,
    FirstError,
}

struct Join {
    /// `$crate` of the runtime.
    krate: TokenTree,
    biased: bool,
    branches: Punctuated<Expr, Token![,]>,
}

mod keyword {
    syn::custom_keyword!(biased);
}

impl Parse for Join {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let krate = input.parse()?;
        let biased = input.peek(keyword::biased) && input.peek2(Token![;]);
        if biased {
            input.parse::<keyword::biased>()?;
            input.parse::<Token![;]>()?;
        }
        Ok(Join {
            krate,
            biased,
            branches: Punctuated::parse_terminated(input)?,
        })
    }
}

pub(crate) fn expand(until: Until, input: TokenStream) -> TokenStream {
    match syn::parse2::<Join>(input) {
        Ok(join) => generate(until, &join),
        Err(error) => error.to_compile_error(),
    }
}

fn generate(until: Until, join: &Join) -> TokenStream {
    let Join {
        krate,
        biased,
        branches,
    } = join;
    // Our locals are invisible to the branches, and theirs to us.
    let hygienic = Span::mixed_site();
    let support = quote!(#krate::macros::support);
    if branches.is_empty() {
        return match until {
            Until::All => quote!(async {}.await),
            Until::FirstError => {
                quote!(async { #support::Result::Ok(()) }.await)
            }
        };
    }
    let count = branches.len() as u32;
    let exprs = branches.iter();
    let indices: Vec<Index> = (0..branches.len()).map(Index::from).collect();

    let polls: Vec<_> = indices
        .iter()
        .map(|index| {
            let fail = (until == Until::FirstError).then(|| {
                quote_spanned! {hygienic=>
                    if let #support::Option::Some(error) = branch.take_error() {
                        return #support::Poll::Ready(#support::Result::Err(error));
                    }
                }
            });
            quote_spanned! {hygienic=> {
                // SAFETY: the tuple is pinned by never being named again: it is a local that this
                // macro shadows with the one reference to it, and nothing moves out of it.
                let mut branch = unsafe { #support::Pin::new_unchecked(&mut branches.#index) };
                if branch.as_mut().poll_done(cx).is_pending() {
                    pending = true;
                }
                #fail
            }}
        })
        .collect();
    let outputs = indices.iter().map(|index| {
        let take = match until {
            Until::All => quote!(take_output),
            Until::FirstError => quote!(take_ok),
        };
        quote_spanned! {hygienic=>
            // SAFETY: as above.
            unsafe { #support::Pin::new_unchecked(&mut branches.#index) }.#take()
        }
    });
    let outputs = match until {
        Until::All => quote!((#(#outputs,)*)),
        Until::FirstError => quote!(#support::Result::Ok((#(#outputs,)*))),
    };
    let (declare_first, poll_all) = if !biased {
        let numbers = 0..count;
        (
            quote_spanned!(hygienic=> let mut first = 0u32;),
            quote_spanned! {hygienic=>
                let mut turn = first;
                first = if first + 1u32 == #count { 0u32 } else { first + 1u32 };
                for _ in 0u32..#count {
                    match turn {
                        #(#numbers => #polls)*
                        _ => #support::unreachable!(),
                    }
                    turn = if turn + 1u32 == #count { 0u32 } else { turn + 1u32 };
                }
            },
        )
    } else {
        (quote!(), quote!(#(#polls)*))
    };
    quote_spanned! {hygienic=> {
        let mut branches = (#(#support::maybe_done(#exprs),)*);
        let branches = &mut branches;
        #declare_first
        #support::poll_fn(move |cx| {
            let mut pending = false;
            #poll_all
            if pending {
                #support::Poll::Pending
            } else {
                #support::Poll::Ready(#outputs)
            }
        })
        .await
    }}
}
