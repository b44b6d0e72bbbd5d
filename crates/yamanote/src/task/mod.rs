//! Tasks: what is spawned, joined and aborted.
