//! The driver: rings, readiness, timers.
