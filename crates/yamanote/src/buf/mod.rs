//! Owned buffers: what the kernel may fill or read while an operation lives.
