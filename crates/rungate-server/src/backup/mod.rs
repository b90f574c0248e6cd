//! Backups of a data folder: taken while a server runs on it, verified, and restored.

mod archive;
mod manifest;
mod verify;

pub mod take;

pub mod restore;

pub use manifest::Manifest;
pub use verify::verify;
