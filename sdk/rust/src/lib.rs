//! What decoders for Wayside are written with in Rust.
#![no_std]
