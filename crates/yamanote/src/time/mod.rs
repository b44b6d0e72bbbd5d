//! Time: sleeping, intervals, timeouts.
