//! Runs a command with `RUNGATE_STORE_URL` naming a fresh database, which is dropped when the command ends:
//! `test_database COMMAND [ARGUMENT…]`.

use std::process::{Command, ExitCode};

use rungate_testkit::TestDatabase;

#[expect(clippy::print_stderr, reason = "it says what is wrong to whoever ran it")]
fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(program), Some(database)) = (arguments.next(), TestDatabase::create()) else {
        eprintln!("usage: test_database COMMAND [ARGUMENT…], where PostgreSQL is installed");
        return ExitCode::from(2);
    };
    let status = Command::new(program).args(arguments).env("RUNGATE_STORE_URL", database.url()).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
