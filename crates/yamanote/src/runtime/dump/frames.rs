//! A stack with the names of its functions.
#![forbid(unsafe_code)]

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::ptr::with_exposed_provenance_mut;

/// A stack: the calls that led to one leaf.
#[derive(Clone, Debug)]
pub struct Backtrace {
    frames: Box<[BacktraceFrame]>,
}

/// A call on a stack.
#[derive(Clone, Debug)]
pub struct BacktraceFrame {
    ip: usize,
    function: usize,
    symbols: Box<[BacktraceSymbol]>,
}

/// A function in a [`BacktraceFrame`].
#[derive(Clone, Debug)]
pub struct BacktraceSymbol {
    raw_name: Option<Box<[u8]>>,
    name: Option<Box<str>>,
    address: Option<usize>,
    file: Option<PathBuf>,
    line: Option<u32>,
    column: Option<u32>,
}

impl Backtrace {
    /// Looks the names up, which takes milliseconds.
    pub(super) fn resolve(stack: Vec<backtrace::BacktraceFrame>) -> Backtrace {
        let mut resolved = backtrace::Backtrace::from(stack);
        resolved.resolve();
        let frames = resolved.frames().iter().map(BacktraceFrame::of);
        Backtrace {
            frames: without_how_we_got_here(frames.collect()),
        }
    }

    /// The calls, the innermost first: the poll of a future of this crate, as a rule.
    pub fn frames(&self) -> impl Iterator<Item = &BacktraceFrame> {
        self.frames.iter()
    }
}

/// Drops the innermost functions, by which a leaf says that it is one.
fn without_how_we_got_here(mut frames: Vec<BacktraceFrame>) -> Box<[BacktraceFrame]> {
    let is_other = |symbol: &BacktraceSymbol| {
        let ours = ["yamanote::util::coop::", "yamanote::util::trace::"];
        let name = symbol.name.as_deref().unwrap_or_default();
        // Of a function that was inlined, or in which another was, the name may lack its path.
        let files = ["src/util/coop.rs", "src/util/trace.rs"];
        let file = symbol.filename().unwrap_or(Path::new(""));
        !ours.iter().any(|it| name.starts_with(it)) && !files.iter().any(|it| file.ends_with(it))
    };
    let begins = |frame: &BacktraceFrame| frame.symbols.iter().position(is_other);
    let is_unknown = |frame: &BacktraceFrame| frame.symbols.is_empty();
    let first = (frames.iter()).position(|frame| is_unknown(frame) || begins(frame).is_some());
    frames.drain(..first.unwrap_or(frames.len()));
    if let Some(frame) = frames.first_mut() {
        let begin = begins(frame).unwrap_or(0);
        frame.symbols = frame.symbols[begin..].into();
    }
    frames.into()
}

impl BacktraceFrame {
    fn of(frame: &backtrace::BacktraceFrame) -> Self {
        BacktraceFrame {
            ip: frame.ip().expose_provenance(),
            function: frame.symbol_address().expose_provenance(),
            symbols: frame.symbols().iter().map(BacktraceSymbol::of).collect(),
        }
    }

    /// Where it goes on.
    pub fn ip(&self) -> *mut c_void {
        with_exposed_provenance_mut(self.ip)
    }

    /// Where its function begins.
    pub fn symbol_address(&self) -> *mut c_void {
        with_exposed_provenance_mut(self.function)
    }

    /// The function that was called, after those that the compiler has inlined in it, the innermost
    /// first. None where the program has no symbols.
    pub fn symbols(&self) -> impl Iterator<Item = &BacktraceSymbol> {
        self.symbols.iter()
    }
}

impl BacktraceSymbol {
    fn of(symbol: &backtrace::BacktraceSymbol) -> Self {
        let name = symbol.name();
        BacktraceSymbol {
            raw_name: name.as_ref().map(|name| name.as_bytes().into()),
            name: name.map(|name| format!("{name}").into()),
            address: symbol.addr().map(|address| address.expose_provenance()),
            file: symbol.filename().map(Path::to_owned),
            line: symbol.lineno(),
            column: symbol.colno(),
        }
    }

    /// Its name in the program's file.
    pub fn name_raw(&self) -> Option<&[u8]> {
        self.raw_name.as_deref()
    }

    /// Its name as in the source.
    pub fn name_demangled(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it begins.
    pub fn addr(&self) -> Option<*mut c_void> {
        self.address.map(with_exposed_provenance_mut)
    }

    /// The file that it is defined in. `None` without information for debuggers, as the line and
    /// the column.
    pub fn filename(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line in that file where it has got to.
    pub fn lineno(&self) -> Option<u32> {
        self.line
    }

    /// The column in that line.
    pub fn colno(&self) -> Option<u32> {
        self.column
    }
}
