//! Fuzzing on stable Rust: what must hold for any bytes, and two ways to look for bytes for which it does not.
//!
//! Each file of [`targets`] holds the properties of one reader. `tests/short.rs` replays the corpus and mutates it for a
//! moment in plain Rust; the binary hands the same targets to libFuzzer, guided by coverage (`make fuzz`).

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "everything here is a test: it fails by panicking"
)]

pub mod input;
pub mod mutate;
pub mod runner;
pub mod targets;

/// Something that reads bytes of strangers.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, that of its folder in `corpus` and of its file in `dictionaries`.
    pub name: &'static str,
    /// Panics when a property does not hold for these bytes.
    pub run: fn(&[u8]),
    /// Words of the format in libFuzzer's notation: one quoted word a line.
    pub dictionary: &'static str,
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        &[$(Target {
            name: stringify!($name),
            run: targets::$name::run,
            dictionary: include_str!(concat!("../dictionaries/", stringify!($name), ".dict")),
        }),*]
    };
}

/// Every target.
pub const ALL: &[Target] = targets![bridge, headers, journal, meter, price, request, sse];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}
