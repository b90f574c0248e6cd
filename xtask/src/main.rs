//! Generators and checks of this repository.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

mod prices;
mod tidy;

/// Generators and checks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check what neither the compiler nor clippy can: rings, crate walls, error pages, migrations, words, fixtures
    Tidy,
    /// List error codes without a page in docs/errors
    Errors,
    /// Remember the checksums of new migrations, from when on they must not change
    Migrations,
    /// Models and prices
    #[command(subcommand)]
    Prices(Prices),
}

#[derive(Subcommand)]
enum Prices {
    /// Make the catalogue of rungate-llm from the lists that catalogue/sources.toml names
    Import(prices::Import),
}

fn main() -> Result<ExitCode> {
    let root = root()?;
    let mut out = std::io::stdout().lock();
    match Cli::parse().command {
        Command::Tidy => tidy::run(&root, &mut out),
        Command::Errors => {
            for page in tidy::missing_error_pages(&root)? {
                writeln!(out, "{page}")?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Migrations => {
            let added = tidy::remember_migrations(&root)?;
            writeln!(out, "{added} migrations added")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Prices(Prices::Import(import)) => {
            write!(out, "{}", import.run(&root)?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The repository: the folder above this crate.
fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent folder")?;
    Ok(root.to_owned())
}
