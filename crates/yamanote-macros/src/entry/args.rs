//! What may stand between the parentheses of `#[main(...)]` and `#[test(...)]`.
//!
//! The messages are the ones users of Tokio know.
#![forbid(unsafe_code)]

use super::{Host, Kind};
use proc_macro2::{Span, TokenStream};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Lit, Meta, Path, Result, Token};

const OPTIONS: &str =
    "`flavor`, `worker_threads`, `start_paused`, `crate`, `unhandled_panic`, `name`";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    CurrentThread,
    MultiThread,
    Local,
}

/// The options, checked against each other.
pub(super) struct Args {
    pub(super) flavor: Flavor,
    pub(super) worker_threads: Option<usize>,
    pub(super) start_paused: Option<bool>,
    /// The variant of `UnhandledPanic`.
    pub(super) unhandled_panic: Option<&'static str>,
    pub(super) name: Option<String>,
    pub(super) crate_path: Option<Path>,
}

/// An option that was given, and where.
type Given<T> = Option<(T, Span)>;

impl Args {
    /// What is expanded beside an error message, so that an editor still sees a function.
    pub(super) fn after_error() -> Self {
        Args {
            flavor: Flavor::CurrentThread,
            worker_threads: None,
            start_paused: None,
            unhandled_panic: None,
            name: None,
            crate_path: None,
        }
    }

    pub(super) fn parse(kind: Kind, host: Host, tokens: TokenStream) -> Result<Self> {
        let attribute = format!("#[{}::{}", host.name(), kind.name());
        let mut flavor: Given<Flavor> = None;
        let mut worker_threads: Given<usize> = None;
        let mut start_paused: Given<bool> = None;
        let mut unhandled_panic: Given<&'static str> = None;
        let mut name: Given<String> = None;
        let mut crate_path: Given<Path> = None;

        for meta in Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens)? {
            let (option, lit) = name_and_literal(&meta, &attribute)?;
            let span = lit.span();
            match option.as_str() {
                "flavor" => once(&mut flavor, &option, span, || {
                    parse_flavor(&string(lit, &option)?).map_err(|text| Error::new(span, text))
                })?,
                "worker_threads" => once(&mut worker_threads, &option, span, || {
                    match integer(lit, &option)? {
                        0 => Err(Error::new(span, "`worker_threads` may not be 0.")),
                        number => Ok(number),
                    }
                })?,
                "start_paused" => {
                    once(&mut start_paused, &option, span, || boolean(lit, &option))?;
                }
                "unhandled_panic" => once(&mut unhandled_panic, &option, span, || {
                    parse_unhandled_panic(&string(lit, &option)?)
                        .map_err(|text| Error::new(span, text))
                })?,
                "name" => once(&mut name, &option, span, || string(lit, &option))?,
                "crate" => once(&mut crate_path, &option, span, || path(lit, &option))?,
                "core_threads" => {
                    return Err(Error::new_spanned(
                        &meta,
                        "Attribute `core_threads` is renamed to `worker_threads`",
                    ));
                }
                unknown => return Err(Error::new_spanned(&meta, unknown_option(unknown))),
            }
        }

        let flavor_given = flavor.is_some();
        let flavor = flavor.map_or(kind.default_flavor(), |given| given.0);
        if flavor == Flavor::MultiThread && host == Host::TokioCurrentThread {
            let text = if flavor_given {
                "The runtime flavor `multi_thread` requires the `rt-multi-thread` feature."
            } else {
                "The default runtime flavor is `multi_thread`, but the `rt-multi-thread` feature \
                 is disabled."
            };
            return Err(Error::new(Span::call_site(), text));
        }
        // An option that the flavor does not know, and the flavor that does.
        let refuse = |option: &str, given: Option<Span>, needs: &str| match given {
            Some(span) => Err(Error::new(
                span,
                format!(
                    "The `{option}` option requires the `{needs}` runtime flavor. \
                     Use `{attribute}(flavor = \"{needs}\")]`"
                ),
            )),
            None => Ok(()),
        };
        if flavor == Flavor::MultiThread {
            let given = start_paused.map(|given| given.1);
            refuse("start_paused", given, "current_thread")?;
            let given = unhandled_panic.map(|given| given.1);
            refuse("unhandled_panic", given, "current_thread")?;
        } else {
            let given = worker_threads.map(|given| given.1);
            refuse("worker_threads", given, "multi_thread")?;
        }
        Ok(Args {
            flavor,
            worker_threads: worker_threads.map(|given| given.0),
            start_paused: start_paused.map(|given| given.0),
            unhandled_panic: unhandled_panic.map(|given| given.0),
            name: name.map(|given| given.0),
            crate_path: crate_path.map(|given| given.0),
        })
    }
}

/// `option = literal`, or why it is not that.
fn name_and_literal<'a>(meta: &'a Meta, attribute: &str) -> Result<(String, &'a Lit)> {
    let option = |path: &Path, whole: &dyn quote::ToTokens| match path.get_ident() {
        Some(ident) => Ok(ident.to_string().to_lowercase()),
        None => Err(Error::new_spanned(whole, "Must have specified ident")),
    };
    match meta {
        Meta::NameValue(pair) => {
            let option = option(&pair.path, pair)?;
            match &pair.value {
                Expr::Lit(ExprLit { lit, .. }) => Ok((option, lit)),
                other => Err(Error::new_spanned(other, "Must be a literal")),
            }
        }
        Meta::Path(path) => {
            let option = option(path, path)?;
            let text = match option.as_str() {
                "threaded_scheduler" | "multi_thread" => {
                    format!("Set the runtime flavor with {attribute}(flavor = \"multi_thread\")].")
                }
                "basic_scheduler" | "current_thread" | "single_threaded" => format!(
                    "Set the runtime flavor with {attribute}(flavor = \"current_thread\")]."
                ),
                "flavor" | "worker_threads" | "start_paused" | "crate" | "unhandled_panic"
                | "name" => format!("The `{option}` attribute requires an argument."),
                unknown => unknown_option(unknown),
            };
            Err(Error::new_spanned(path, text))
        }
        other => Err(Error::new_spanned(
            other,
            "Unknown attribute inside the macro",
        )),
    }
}

fn unknown_option(name: &str) -> String {
    format!("Unknown attribute {name} is specified; expected one of: {OPTIONS}.")
}

fn once<T>(
    given: &mut Given<T>,
    option: &str,
    span: Span,
    parse: impl FnOnce() -> Result<T>,
) -> Result<()> {
    if given.is_some() {
        return Err(Error::new(span, format!("`{option}` set multiple times.")));
    }
    *given = Some((parse()?, span));
    Ok(())
}

fn parse_flavor(text: &str) -> std::result::Result<Flavor, String> {
    let now_called = |new: &str| {
        Err(format!(
            "The `{text}` runtime flavor has been renamed to `{new}`."
        ))
    };
    match text {
        "current_thread" => Ok(Flavor::CurrentThread),
        "multi_thread" => Ok(Flavor::MultiThread),
        "local" => Ok(Flavor::Local),
        "single_thread" => {
            Err("The single threaded runtime flavor is called `current_thread`.".to_owned())
        }
        "basic_scheduler" => now_called("current_thread"),
        "threaded_scheduler" => now_called("multi_thread"),
        _ => Err(format!(
            "No such runtime flavor `{text}`. The runtime flavors are `current_thread`, `local`, \
             and `multi_thread`."
        )),
    }
}

fn parse_unhandled_panic(text: &str) -> std::result::Result<&'static str, String> {
    match text {
        "ignore" => Ok("Ignore"),
        "shutdown_runtime" => Ok("ShutdownRuntime"),
        _ => Err(format!(
            "No such unhandled panic behavior `{text}`. The unhandled panic behaviors are \
             `ignore` and `shutdown_runtime`."
        )),
    }
}

fn cannot_parse(lit: &Lit, option: &str, as_what: &str) -> Error {
    Error::new(
        lit.span(),
        format!("Failed to parse value of `{option}` as {as_what}"),
    )
}

fn string(lit: &Lit, option: &str) -> Result<String> {
    match lit {
        Lit::Str(text) => Ok(text.value()),
        Lit::Verbatim(text) => Ok(text.to_string()),
        _ => Err(cannot_parse(lit, option, "string.")),
    }
}

fn integer(lit: &Lit, option: &str) -> Result<usize> {
    match lit {
        Lit::Int(number) => number
            .base10_parse()
            .map_err(|why| cannot_parse(lit, option, &format!("integer: {why}"))),
        _ => Err(cannot_parse(lit, option, "integer.")),
    }
}

fn boolean(lit: &Lit, option: &str) -> Result<bool> {
    match lit {
        Lit::Bool(value) => Ok(value.value),
        _ => Err(cannot_parse(lit, option, "bool.")),
    }
}

fn path(lit: &Lit, option: &str) -> Result<Path> {
    match lit {
        Lit::Str(text) => text
            .parse()
            .map_err(|_| cannot_parse(lit, option, &format!("path: \"{}\"", text.value()))),
        _ => Err(cannot_parse(lit, option, "path.")),
    }
}
