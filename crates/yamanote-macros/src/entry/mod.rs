//! `#[main]` and `#[test]`: an `async fn` becomes a plain one that builds a runtime and blocks on
//! the old body.
//!
//! The body is never parsed, only carried over: the compiler reports what is wrong in it, in its
//! place.
#![forbid(unsafe_code)]

mod args;

use args::{Args, Flavor};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::token::Brace;
use syn::{AttrStyle, Attribute, Error, Result, ReturnType, Signature, Type, Visibility};

/// Which attribute is expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Main,
    Test,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Main => "main",
            Kind::Test => "test",
        }
    }

    fn default_flavor(self) -> Flavor {
        match self {
            Kind::Main => Flavor::MultiThread,
            Kind::Test => Flavor::CurrentThread,
        }
    }
}

/// Which crate the user wrote the attribute for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Yamanote,
    Tokio,
    /// The shim with its feature `rt` but without `rt-multi-thread`.
    TokioCurrentThread,
}

impl Host {
    fn name(self) -> &'static str {
        match self {
            Host::Yamanote => "yamanote",
            Host::Tokio | Host::TokioCurrentThread => "tokio",
        }
    }

    /// The path used unless `crate = "..."` gives another.
    fn path(self) -> TokenStream {
        match self {
            Host::Yamanote => quote!(::yamanote),
            // Looked up where the macro is used, not in the extern prelude: crates that re-export
            // tokio rely on `use their::tokio` being enough.
            Host::Tokio | Host::TokioCurrentThread => quote!(tokio),
        }
    }
}

/// Refuses to expand because the feature of the runtime that the expansion needs is off.
pub(crate) fn refuse(kind: Kind, host: Host) -> TokenStream {
    let text = format!(
        "The #[{}::{}] macro requires rt or rt-multi-thread.",
        host.name(),
        kind.name()
    );
    Error::new(Span::call_site(), text).to_compile_error()
}

/// Expands `#[main]` or `#[test]`.
pub(crate) fn expand(kind: Kind, host: Host, args: TokenStream, item: TokenStream) -> TokenStream {
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => return beside(item, &error),
    };
    let args = check(kind, &function).and_then(|()| Args::parse(kind, host, args));
    match args {
        Ok(args) => generate(kind, host, function, &args),
        Err(error) => beside(generate(kind, host, function, &Args::after_error()), &error),
    }
}

/// An error does not take the function away: editors go on completing inside it.
fn beside(mut tokens: TokenStream, error: &Error) -> TokenStream {
    tokens.extend(error.to_compile_error());
    tokens
}

fn check(kind: Kind, function: &Function) -> Result<()> {
    let signature = &function.signature;
    if kind == Kind::Main && signature.ident == "main" && !signature.inputs.is_empty() {
        return Err(Error::new_spanned(
            &signature.ident,
            "the main function cannot accept arguments",
        ));
    }
    if kind == Kind::Test {
        if let Some(second) = function.attributes.iter().find(|it| is_test(it)) {
            return Err(Error::new_spanned(
                second,
                "second test attribute is supplied, consider removing or changing the order of \
                 your test attributes",
            ));
        }
    }
    if signature.asyncness.is_none() {
        return Err(Error::new_spanned(
            signature.fn_token,
            "the `async` keyword is missing from the function declaration",
        ));
    }
    Ok(())
}

/// `#[test]`, or the same by its full name in any edition's prelude.
fn is_test(attribute: &Attribute) -> bool {
    let syn::Meta::Path(path) = &attribute.meta else {
        return false;
    };
    let names: Vec<_> = path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => path.leading_colon.is_none(),
        ["core" | "std", "prelude", _, "test"] => true,
        _ => false,
    }
}

/// A function whose body is left as it is.
struct Function {
    /// Outer and inner ones.
    attributes: Vec<Attribute>,
    visibility: Visibility,
    signature: Signature,
    brace: Brace,
    body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse()?;
        let content;
        let brace = syn::braced!(content in input);
        // Inner attributes may stand in a function's body but not in a block, which the body
        // becomes: they move out.
        for mut attribute in Attribute::parse_inner(&content)? {
            attribute.style = AttrStyle::Outer;
            attributes.push(attribute);
        }
        Ok(Function {
            attributes,
            visibility,
            signature,
            brace,
            body: content.parse()?,
        })
    }
}

fn generate(kind: Kind, host: Host, function: Function, args: &Args) -> TokenStream {
    let Function {
        attributes,
        visibility,
        mut signature,
        brace,
        body,
    } = function;
    signature.asyncness = None;

    // A body of the wrong type is reported where its value comes from: at its last statement.
    let (start, end) = last_statement(&body);
    let block = |content: TokenStream| {
        let mut tokens = TokenStream::new();
        brace.surround(&mut tokens, |inside| inside.extend(content));
        tokens
    };
    let body = block(body);
    let here = Span::call_site().located_at(start);
    let krate = match &args.crate_path {
        Some(path) => path.to_token_stream(),
        None => respan(host.path(), here),
    };
    // Imported, so that the expression to be blamed begins with a token of the user's: the crate's
    // name is one of the macro's.
    let import = quote_spanned!(here=> use #krate::runtime::Builder;);
    let mut builder = match args.flavor {
        Flavor::MultiThread => quote_spanned!(start=> Builder::new_multi_thread()),
        Flavor::CurrentThread | Flavor::Local => {
            quote_spanned!(start=> Builder::new_current_thread())
        }
    };
    if let Some(number) = args.worker_threads {
        builder = quote_spanned!(start=> #builder.worker_threads(#number));
    }
    if let Some(paused) = args.start_paused {
        builder = quote_spanned!(start=> #builder.start_paused(#paused));
    }
    if let Some(variant) = args.unhandled_panic {
        let variant = syn::Ident::new(variant, start);
        builder = quote_spanned! {start=>
            #builder.unhandled_panic(#krate::runtime::UnhandledPanic::#variant)
        };
    }
    if let Some(name) = &args.name {
        builder = quote_spanned!(start=> #builder.name(#name));
    }
    let build = match args.flavor {
        Flavor::Local => quote_spanned!(start=> build_local(::core::default::Default::default())),
        _ => quote_spanned!(start=> build()),
    };
    // A `macro_rules!` may have been given the body: its last statement has that caller's hygiene,
    // and what is declared here is not visible there.
    let future_name = syn::Ident::new("body", Span::call_site());
    // `return`, although it is the last expression: without it the compiler thinks that a function
    // whose body ends in a `!` could fall off its end.
    let run = quote_spanned! {end=>
        #[allow(
            clippy::expect_used,
            clippy::diverging_sub_expression,
            clippy::needless_return,
            clippy::unwrap_in_result
        )]
        {
            #import
            return #builder
                .enable_all()
                .#build
                .expect("Failed building the Runtime")
                .block_on(#future_name);
        }
    };

    let output = match &signature.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, output) => output.to_token_stream(),
    };
    let nameable = match &signature.output {
        ReturnType::Default => true,
        ReturnType::Type(_, output) => {
            !matches!(**output, Type::Never(_)) && !mentions_impl(output.to_token_stream())
        }
    };
    let future = match kind {
        // Behind a trait object `block_on` is compiled once, not once for every test.
        Kind::Test if nameable => quote! {
            let body = async #body;
            let body = ::core::pin::pin!(body);
            let body: ::core::pin::Pin<&mut dyn ::core::future::Future<Output = #output>> = body;
        },
        // Never run; it makes the compiler blame the body for a wrong type, not `block_on`.
        Kind::Main if nameable => quote! {
            let body = async #body;
            let body = {
                if false {
                    let _: &dyn ::core::future::Future<Output = #output> = &body;
                }
                body
            };
        },
        _ => quote! {
            let body = async #body;
        },
    };
    let test = (kind == Kind::Test).then(|| quote!(#[::core::prelude::v1::test]));
    // The braces are the user's: the compiler does not warn about a function that a macro has
    // written, for example that it is never used.
    let body = block(quote!(#future #run));
    quote! {
        #(#attributes)*
        #test
        #visibility #signature #body
    }
}

/// The spans of the first and the last token of the last statement.
fn last_statement(body: &TokenStream) -> (Span, Span) {
    let mut bounds = None;
    let mut ended = true;
    for token in body.clone() {
        let span = token.span();
        bounds = match bounds {
            Some((start, _)) if !ended => Some((start, span)),
            _ => Some((span, span)),
        };
        ended = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ';');
    }
    bounds.unwrap_or((Span::call_site(), Span::call_site()))
}

fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}

/// Whether `impl Trait` occurs anywhere in a type: then it cannot be written a second time.
fn mentions_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "impl",
        TokenTree::Group(group) => mentions_impl(group.stream()),
        _ => false,
    })
}

#[cfg(test)]
mod tests;
