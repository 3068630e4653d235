//! Ethernet frames.
