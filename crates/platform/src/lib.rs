//! System calls behind traits.
