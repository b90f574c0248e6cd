//! The benchmark rig: an upstream, a load generator, and the table they end in. For development only; `rungate` never
//! links it.

pub mod figures;
pub mod http;
pub mod load;
pub mod prompt;
pub mod random;
pub mod upstream;
pub mod words;
