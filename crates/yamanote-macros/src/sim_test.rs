//! `#[yamanote::sim::test]`: an `async fn` becomes a test that is run in simulations.
#![forbid(unsafe_code)]

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, ItemFn, Lit, MetaNameValue, Path, Result, Token};

/// What may stand between the parentheses.
struct Args {
    /// Fields of the test that are not the usual ones.
    fields: Vec<TokenStream>,
    krate: Path,
}

const OPTIONS: &str = "`seeds`, `limit`, `real_limit`, `order`, `crate`";

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = syn::parse2(item.clone()).and_then(|function| generate(args, function));
    expanded.unwrap_or_else(|error| {
        let error = error.to_compile_error();
        quote!(#error #item)
    })
}

fn generate(args: TokenStream, function: ItemFn) -> Result<TokenStream> {
    let Args { fields, krate } = parse(args)?;
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
        ..
    } = function;
    if sig.asyncness.is_none() {
        let text = "the `async` keyword is missing from the function declaration";
        return Err(Error::new_spanned(sig.fn_token, text));
    }
    let name = &sig.ident;
    let text = name.to_string();
    let experiment = match sig.inputs.len() {
        0 => quote!(|_: #krate::sim::Sim| #name()),
        1 => name.to_token_stream(),
        _ => {
            let text = "the function of a simulated test takes a `Sim`, or nothing";
            return Err(Error::new_spanned(&sig.inputs, text));
        }
    };
    Ok(quote! {
        #[::core::prelude::v1::test]
        #(#attrs)*
        #vis fn #name() {
            #sig #block
            let mut test = #krate::sim::harness::Test::new(#krate::sim::harness::mark!(#text));
            #(#fields)*
            #krate::sim::harness::run(&test, #experiment)
        }
    })
}

fn parse(tokens: TokenStream) -> Result<Args> {
    let mut fields = Vec::new();
    let mut krate: Path = syn::parse_quote!(::yamanote);
    let mut order = None;
    for pair in Punctuated::<MetaNameValue, Token![,]>::parse_terminated.parse2(tokens)? {
        let option = pair.path.to_token_stream().to_string();
        let value = &pair.value;
        match option.as_str() {
            "seeds" => fields.push(quote!(test.seeds = #value;)),
            "limit" => fields.push(quote!(test.limit_s = #value;)),
            "real_limit" => fields.push(quote!(test.real_limit_s = #value;)),
            "order" => order = Some(string(value)?),
            "crate" => {
                let (text, span) = string(value)?;
                krate = syn::parse_str(&text).map_err(|error| Error::new(span, error))?;
            }
            unknown => {
                let text = format!("Unknown option {unknown}; expected one of: {OPTIONS}.");
                return Err(Error::new_spanned(&pair.path, text));
            }
        }
    }
    if let Some((name, span)) = order {
        let order = match name.as_str() {
            "fifo" => quote!(Fifo),
            "priorities" => quote!(Priorities),
            "random" => quote!(Random { stay: 224 }),
            _ => {
                let text = "`order` is one of \"fifo\", \"random\" and \"priorities\"";
                return Err(Error::new(span, text));
            }
        };
        fields.push(quote! {
            test.order = ::core::option::Option::Some(#krate::sim::Order::#order);
        });
    }
    Ok(Args { fields, krate })
}

fn string(value: &Expr) -> Result<(String, Span)> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Ok((text.value(), text.span())),
        other => Err(Error::new_spanned(other, "expected a string")),
    }
}
