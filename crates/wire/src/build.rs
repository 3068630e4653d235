//! Whole frames made from their parts.
