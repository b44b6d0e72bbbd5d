//! What `select!` becomes.
//!
//! Whether a value fits its pattern is checked before the other futures are dropped, and without
//! moving the value: a match guard sees the bindings by reference, and this one always declines.
#![forbid(unsafe_code)]

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Index;

use super::{Branch, Select};

pub(super) fn generate(select: &Select) -> TokenStream {
    let Select {
        krate,
        biased,
        branches,
        otherwise,
    } = select;
    // Our locals are invisible to the branches, and theirs to us.
    let hygienic = Span::mixed_site();
    let support = quote!(#krate::macros::support);
    let otherwise = otherwise.clone().unwrap_or_else(|| {
        quote!(#support::panic!(
            "all branches are disabled and there is no else branch"
        ))
    });
    if branches.is_empty() {
        return quote!({ #otherwise });
    }
    let count = branches.len();
    let mask = mask(count);
    let bit = |number: usize| {
        let number = Literal::usize_unsuffixed(number);
        quote!((1 as #support::#mask) << #number)
    };
    let variants: Vec<_> = (0..count)
        .map(|number| format_ident!("Branch{number}"))
        .collect();
    let futures = branches.iter().map(|branch| &branch.future);
    let indices: Vec<Index> = (0..count).map(Index::from).collect();

    let preconditions = branches.iter().enumerate().filter_map(|(number, branch)| {
        let precondition = branch.precondition.as_ref()?;
        let bit = bit(number);
        Some(quote_spanned! {hygienic=>
            #[allow(unused_parens)]
            if !(#precondition) {
                disabled |= #bit;
            }
        })
    });
    let polls = branches.iter().enumerate().map(|(number, branch)| {
        let (bit, index, variant) = (bit(number), &indices[number], &variants[number]);
        poll_branch(&support, &bit, index, variant, &branch.pattern)
    });
    let poll_all = if *biased || count == 1 {
        quote!(#(#polls)*)
    } else {
        begin_at_random(&support, polls)
    };
    let arms = branches.iter().zip(&variants).map(|(branch, variant)| {
        let Branch {
            pattern, handler, ..
        } = branch;
        quote_spanned! {hygienic=>
            // A branch may be of type `!`, which is nothing to warn of.
            #[allow(unreachable_patterns)]
            Selected::#variant(#pattern) => #handler,
        }
    });
    quote_spanned! {hygienic=> {
        enum Selected<#(#variants),*> {
            #(#variants(#variants),)*
            Disabled,
        }
        #[allow(unused_mut)]
        let mut disabled: #support::#mask = 0;
        #(#preconditions)*
        // The futures are gone before a handler runs, so that it may use what they borrowed.
        #[allow(unused_mut)]
        let mut selected = {
            // First the expressions alone: as elements of a tuple in a `let` their temporaries live
            // as long as the tuple.
            #[allow(unused_parens)]
            let futures = (#((#futures),)*);
            let mut futures = (#(#support::IntoFuture::into_future(futures.#indices),)*);
            let futures = &mut futures;
            #support::poll_fn(|cx| {
                // A task without budget yields here rather than let a branch that knows nothing of
                // budgets win every time.
                #support::ready!(#support::poll_budget_available(cx));
                let mut pending = false;
                // Captured as a whole: one reference instead of one for each branch.
                let futures = &mut *futures;
                #poll_all
                if pending {
                    #support::Poll::Pending
                } else {
                    #support::Poll::Ready(Selected::Disabled)
                }
            })
            .await
        };
        match selected {
            #(#arms)*
            Selected::Disabled => #otherwise,
            #[allow(unreachable_patterns)]
            _ => #support::unreachable!("the value did not fit its pattern a second time"),
        }
    }}
}

/// The integer with a bit for each branch.
fn mask(count: usize) -> Ident {
    let name = match count {
        0..=8 => "u8",
        9..=16 => "u16",
        17..=32 => "u32",
        _ => "u64",
    };
    Ident::new(name, Span::call_site())
}

/// Polls one branch, unless it is disabled, and returns from the poll of all if its value fits.
fn poll_branch(
    support: &TokenStream,
    bit: &TokenStream,
    index: &Index,
    variant: &Ident,
    pattern: &TokenStream,
) -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[allow(
            unreachable_code, unreachable_patterns,
            unused_mut, unused_variables, unused_assignments
        )]
        'branch: {
            if disabled & (#bit) != 0 {
                break 'branch;
            }
            // SAFETY: the tuple is pinned by never being named again: it is a local that this macro
            // shadows with the one reference to it, and nothing moves out of it.
            let future = unsafe { #support::Pin::new_unchecked(&mut futures.#index) };
            // The arm that leaves the block gives the type `()` to a value whose type nothing else
            // determines, such as that of a `panic!()`.
            let mut value = match #support::Future::poll(future, cx) {
                #support::Poll::Ready(value) => value,
                #support::Poll::Pending => {
                    pending = true;
                    break 'branch;
                }
            };
            disabled |= #bit;
            let mut fits = false;
            match value {
                #pattern if { fits = true; false } => #support::unreachable!(),
                _ => {}
            }
            if fits {
                return #support::Poll::Ready(Selected::#variant(value));
            }
        }
    }
}

/// All of `polls`, in their order, but beginning with one chosen at random.
fn begin_at_random(
    support: &TokenStream,
    polls: impl ExactSizeIterator<Item = TokenStream>,
) -> TokenStream {
    let count = polls.len() as u32;
    let numbers = (0..count).map(Literal::u32_unsuffixed);
    quote_spanned! {Span::mixed_site()=>
        let start = #support::thread_rng_n(#count);
        for step in 0u32..#count {
            match (start + step) % #count {
                #(#numbers => { #polls })*
                _ => #support::unreachable!(),
            }
        }
    }
}
