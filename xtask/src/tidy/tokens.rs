//! Pieces of Rust's source, recognised by their tokens.
#![forbid(unsafe_code)]

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The items of a file, those in `unstable! { ... }` among the others.
pub fn without_gates(tokens: TokenStream) -> Vec<TokenTree> {
    let mut found: Vec<TokenTree> = Vec::new();
    for token in tokens {
        let inside = match (&token, &*found) {
            (TokenTree::Group(items), [.., TokenTree::Ident(name), mark])
                if name == "unstable" && is_punct(mark, '!') =>
            {
                Some(items.stream())
            }
            _ => None,
        };
        match inside {
            Some(items) => {
                found.truncate(found.len() - 2);
                found.extend(items);
            }
            None => found.push(token),
        }
    }
    found
}

pub fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}

/// Whom the attribute lets the next item be compiled for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    Tests,
    NotTests,
}

/// `#[cfg(test)]`, `#[cfg(all(test, ...))]` and `#[cfg(not(all(test, ...)))]` at the head of
/// `tokens`.
pub fn test_gate(tokens: &[TokenTree]) -> Option<Gate> {
    let [hash, TokenTree::Group(attribute), ..] = tokens else {
        return None;
    };
    if !is_punct(hash, '#') {
        return None;
    }
    let inner: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match &*inner {
        [TokenTree::Ident(cfg), TokenTree::Group(condition)] if cfg == "cfg" => {
            let condition: Vec<TokenTree> = condition.stream().into_iter().collect();
            match &*condition {
                [TokenTree::Ident(word)] if word == "test" => Some(Gate::Tests),
                [TokenTree::Ident(all), TokenTree::Group(of)] if all == "all" => {
                    is_ident_in(of.stream(), "test").then_some(Gate::Tests)
                }
                [TokenTree::Ident(not), TokenTree::Group(of)] if not == "not" => {
                    is_ident_in(of.stream(), "test").then_some(Gate::NotTests)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn is_ident_in(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => is_ident_in(group.stream(), name),
        _ => false,
    })
}

/// Where the item, field or statement ends whose attributes begin at `at`.
pub fn end_of_item(tokens: &[TokenTree], mut at: usize) -> usize {
    while at < tokens.len() {
        let is_end = match &tokens[at] {
            TokenTree::Punct(punct) => matches!(punct.as_char(), ';' | ','),
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            _ => false,
        };
        at += 1;
        if is_end {
            break;
        }
    }
    at
}

/// The `x` of `mod x`.
pub fn module_name(item: &[TokenTree]) -> Option<String> {
    item.windows(2).find_map(|pair| match pair {
        [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "mod" => Some(name.to_string()),
        _ => None,
    })
}
