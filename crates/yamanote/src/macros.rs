//! Declarative macros.
