//! Wire formats, providers, models and prices. Bytes in, bytes out: no IO, no clock.
//!
//! Modules are listed in reading order and import only from modules above them.
