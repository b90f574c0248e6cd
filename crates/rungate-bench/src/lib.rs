//! The benchmark rig: upstream, load, contestants, and the table they end in. For development only; `rungate` never links
//! it.
//!
//! Reading order: `bench` is everything in one go, `suite` the workloads, `contestant` who is measured, `target` what is
//! aimed at, `report` what is written.

pub mod bench;
pub mod contestant;
pub mod control;
pub mod cpu;
pub mod figures;
pub mod fill;
pub mod http;
pub mod instructions;
pub mod load;
pub mod machine;
pub mod pipeline;
pub mod process;
pub mod prompt;
pub mod proxy;
pub mod random;
pub mod reads;
pub mod report;
pub mod setup;
pub mod suite;
pub mod table;
pub mod target;
pub mod traffic;
pub mod upstream;
pub mod words;
