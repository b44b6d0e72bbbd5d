//! `select!`: several futures in one task, until one gives a value that its pattern takes.
//!
//! A branch is cut out of the tokens, not parsed: up to `=` it is the pattern, up to `=>` the future
//! with its precondition. Only a handler that is no block has to be parsed, to find its end.
//!
//! Whether a value fits a pattern is asked before the other futures are dropped, and without moving
//! it: a match guard sees the bindings by reference, and this one always declines.
#![forbid(unsafe_code)]

use proc_macro2::{Ident, Literal, Spacing, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Index, Result, Token};

/// The width of the largest mask of disabled branches.
const MAX_BRANCHES: usize = 64;

mod keyword {
    syn::custom_keyword!(biased);
}

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
        Ok(select) => generate(&select),
        Err(error) => error.to_compile_error(),
    }
}

impl Parse for Select {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let krate = input.parse()?;
        let biased = input.peek(keyword::biased) && input.peek2(Token![;]);
        if biased {
            input.parse::<keyword::biased>()?;
            input.parse::<Token![;]>()?;
        }
        let mut branches = Vec::new();
        let mut otherwise = None;
        while !input.is_empty() {
            if input.peek(Token![else]) {
                input.parse::<Token![else]>()?;
                input.parse::<Token![=>]>()?;
                otherwise = Some(handler(input)?);
                if !input.is_empty() {
                    return Err(input.error("the `else` branch of `select!` must be the last one"));
                }
                break;
            }
            branches.push(input.parse()?);
            if branches.len() > MAX_BRANCHES {
                let text = "`select!` takes up to 64 branches";
                return Err(Error::new(Span::call_site(), text));
            }
        }
        if branches.is_empty() && otherwise.is_none() {
            return Err(Error::new(
                Span::call_site(),
                "select! requires at least one branch.",
            ));
        }
        Ok(Select {
            krate,
            biased,
            branches,
            otherwise,
        })
    }
}

impl Parse for Branch {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let pattern = until(input, at_assignment, "`=` after the pattern of this branch")?;
        input.parse::<Token![=]>()?;
        let at_arrow = |input: ParseStream<'_>| input.peek(Token![=>]);
        let at_end_of_future = |input: ParseStream<'_>| {
            at_arrow(input) || (input.peek(Token![,]) && input.peek2(Token![if]))
        };
        let future = until(
            input,
            at_end_of_future,
            "`=>` after the future of this branch",
        )?;
        let precondition = if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            input.parse::<Token![if]>()?;
            Some(until(input, at_arrow, "`=>` after the precondition")?)
        } else {
            None
        };
        input.parse::<Token![=>]>()?;
        Ok(Branch {
            pattern,
            future,
            precondition,
            handler: handler(input)?,
        })
    }
}

/// `=`, but not the `=` of `..=`, which [`until`] takes in one piece.
fn at_assignment(input: ParseStream<'_>) -> bool {
    input.peek(Token![=]) && !input.peek(Token![==]) && !input.peek(Token![=>])
}

/// The tokens before the place where `stop` says so; there must be one at least.
fn until(
    input: ParseStream<'_>,
    stop: impl Fn(ParseStream<'_>) -> bool,
    expected: &str,
) -> Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !stop(input) {
        if input.is_empty() {
            return Err(input.error(format!("`select!` expected {expected}")));
        }
        let mut token: TokenTree = input.parse()?;
        // A dot that is glued to the next token belongs to `..=`.
        while matches!(&token, TokenTree::Punct(dot) if dot.as_char() == '.' && dot.spacing() == Spacing::Joint)
        {
            tokens.extend([token]);
            token = input.parse()?;
        }
        tokens.extend([token]);
    }
    if tokens.is_empty() {
        return Err(input.error(format!("`select!` expected something before {expected}")));
    }
    Ok(tokens)
}

/// A block, or an expression and a comma; the last comma may be missing.
fn handler(input: ParseStream<'_>) -> Result<TokenStream> {
    if input.peek(syn::token::Brace) {
        let block: TokenTree = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        return Ok(block.into());
    }
    let expr: Expr = input.parse()?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(quote!(#expr))
}

fn generate(select: &Select) -> TokenStream {
    let Select {
        krate,
        biased,
        branches,
        otherwise,
    } = select;
    // Locals are invisible to the branches, and theirs to us.
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
    let mask = Ident::new(
        match count {
            0..=8 => "u8",
            9..=16 => "u16",
            17..=32 => "u32",
            _ => "u64",
        },
        Span::call_site(),
    );
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
    let polls: Vec<_> = branches
        .iter()
        .enumerate()
        .map(|(number, branch)| {
            let (bit, index, variant) = (bit(number), &indices[number], &variants[number]);
            let pattern = &branch.pattern;
            quote_spanned! {hygienic=>
                #[allow(
                    unreachable_code, unreachable_patterns,
                    unused_mut, unused_variables, unused_assignments
                )]
                'branch: {
                    if disabled & (#bit) != 0 {
                        break 'branch;
                    }
                    // SAFETY: the tuple is pinned by never being named again: it is a local that
                    // this macro shadows with the one reference to it, and nothing moves out of it.
                    let future = unsafe { #support::Pin::new_unchecked(&mut futures.#index) };
                    // The arm that leaves gives a value whose type nothing else determines, such as
                    // that of a `panic!()`, the type `()`.
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
        })
        .collect();
    let poll_all = if *biased || count == 1 {
        quote!(#(#polls)*)
    } else {
        let numbers = (0..count).map(|number| Literal::u32_unsuffixed(number as u32));
        let count = count as u32;
        quote_spanned! {hygienic=>
            let start = #support::thread_rng_n(#count);
            for step in 0u32..#count {
                match (start + step) % #count {
                    #(#numbers => { #polls })*
                    _ => #support::unreachable!(),
                }
            }
        }
    };
    let arms = branches.iter().zip(&variants).map(|(branch, variant)| {
        let Branch {
            pattern, handler, ..
        } = branch;
        quote_spanned! {hygienic=>
            // A branch may be of type `!`, and nothing is said twice.
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
                // Captured whole: one reference, where its fields would be one for each branch.
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
