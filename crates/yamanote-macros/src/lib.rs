//! Attribute macros of the yamanote runtime.
