//! What the tests of this workspace share: the driver matrix, capabilities, leak checks.
