//! Refusals of which nobody knows whose they are: written to the log for the instance's operator, a bounded number of
//! them a minute, so that a scanner can neither fill a disk nor hide behind silence. All of them are counted.

use std::sync::Mutex;

use rungate_core::code::Code;
use rungate_core::time::Timestamp;

/// At most this many are written a minute.
const PER_MINUTE: u32 = 100;

/// How many were written in the current minute.
#[derive(Debug, Default)]
pub struct AnonymousRefusals(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    written: u32,
    left_out: u32,
}

/// Whether a refusal is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// It is; this many of the minute before were not.
    Write {
        /// Not written since the last that was.
        left_out: u32,
    },
    /// It is not.
    LeaveOut,
}

impl AnonymousRefusals {
    /// Whether an answer with this code was a refusal before anybody was identified.
    pub const fn is_one(code: Code) -> bool {
        matches!(
            code,
            Code::InvalidApiKey | Code::AuthenticationFailed | Code::UnknownRoute | Code::MethodNotAllowed
        )
    }

    /// Takes one of the minute's places, if there is one.
    pub fn note(&self, now: Timestamp) -> Note {
        let Ok(mut minute) = self.0.lock() else { return Note::LeaveOut };
        let number = now.seconds().div_euclid(60);
        if number != minute.number {
            minute.number = number;
            minute.written = 0;
        }
        if minute.written >= PER_MINUTE {
            minute.left_out = minute.left_out.saturating_add(1);
            return Note::LeaveOut;
        }
        minute.written += 1;
        Note::Write { left_out: std::mem::take(&mut minute.left_out) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_055_a_minute_has_a_hundred_places() {
        let refusals = AnonymousRefusals::default();
        let now = Timestamp::from_millis(60_000);
        let written = (0..150).filter(|_| refusals.note(now) != Note::LeaveOut).count();
        assert_eq!(written, 100);
        assert_eq!(refusals.note(Timestamp::from_millis(120_000)), Note::Write { left_out: 50 });
    }
}
