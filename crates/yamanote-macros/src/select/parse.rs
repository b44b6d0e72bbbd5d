//! What `select!` is given.
//!
//! A branch is cut out of the tokens, not parsed: up to `=` it is the pattern, up to `=>` the
//! future with its precondition. Only a handler that is no block has to be parsed, to find its end.
#![forbid(unsafe_code)]

use proc_macro2::{Spacing, Span, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Result, Token};

use super::{Branch, Select};

/// The width of the largest mask of disabled branches.
const MAX_BRANCHES: usize = 64;

mod keyword {
    syn::custom_keyword!(biased);
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
        while is_joined_dot(&token) {
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

/// A dot that is joined to the next token, and so belongs to `..=`.
fn is_joined_dot(token: &TokenTree) -> bool {
    match token {
        TokenTree::Punct(dot) => dot.as_char() == '.' && dot.spacing() == Spacing::Joint,
        _ => false,
    }
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
