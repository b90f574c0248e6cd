//! What a command says to the person or script that ran it. The server's log goes through `tracing` instead.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Writes to standard output as it is. A reader that has gone (`rungate … | head`) is not an error.
pub fn print(text: &str) -> io::Result<()> {
    offer(text).map(drop)
}

/// The same, for commands without an end: whether anybody still reads.
pub fn offer(text: &str) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        done => done.map(|()| true),
    }
}

/// Writes a line to standard error.
#[expect(clippy::print_stderr, reason = "the one place where a command reports its failure")]
pub fn complain(line: &str) {
    eprintln!("{line}");
}

/// Asks the person at the terminal a question that only `y` or `yes` answers; where there is nobody, an error that says
/// what to pass instead.
pub fn confirm(question: &str, instead: &str) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    anyhow::ensure!(stdin.is_terminal(), "nobody can be asked: {instead}");
    print(&format!("{question} [y/N] "))?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
