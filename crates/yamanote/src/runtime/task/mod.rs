//! The task state machine.
