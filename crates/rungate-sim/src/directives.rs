//! Behaviour chosen by words in a model name: `gpt-4o-mini+latency=200+chunk=20`.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// The longest text that `big=` can ask for, in bytes.
const MAX_TEXT_BYTES: usize = 8 << 20;
/// The longest text that `tokens=` can ask for, in tokens.
const MAX_TOKENS: usize = 100_000;
/// The longest wait that can be asked for, in milliseconds.
const MAX_WAIT_MS: u64 = 600_000;

/// What the simulated provider does with one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives {
    /// Wait before the head of the answer.
    pub latency: Duration,
    /// Wait between two events of a stream.
    pub chunk: Duration,
    /// Length of the text it says, in tokens of four bytes.
    pub tokens: Option<usize>,
    /// Length of the text it says, in bytes; said in pieces of 4 KiB.
    pub big: Option<usize>,
    /// What to do instead of answering.
    pub instead: Option<Instead>,
    /// Only the first so many requests of this model name meet `instead` (503 where it is not set).
    pub fail: Option<u32>,
    /// How the answer goes wrong on the way.
    pub ending: Option<Ending>,
    /// The `retry-after` header of an error, in seconds.
    pub retry_after: Option<u64>,
    /// Prompt tokens reported as read from a cache.
    pub cached: u64,
    /// Reasoning tokens reported on top of the text.
    pub reasoning: u64,
    /// Leaves usage out of the answer.
    pub no_usage: bool,
    /// Splits events across writes at awkward places, also inside characters.
    pub ragged: bool,
    /// Ends the lines of a stream with CR LF.
    pub crlf: bool,
}

/// What is done instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// An error with this status, in the provider's shape.
    Error(StatusCode),
    /// 404 for a model that does not exist.
    UnknownModel,
    /// Silence before the head, for ever.
    Hang,
    /// A redirect to another host.
    Redirect,
    /// A 502 page of HTML, as a proxy in front of a provider makes.
    Html,
    /// A 200 whose body or event is not JSON.
    Garbage,
}

/// How an answer goes wrong on the way; the number counts events of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The connection is reset after so many events.
    Cut(usize),
    /// The body ends cleanly after so many events, without its terminator.
    Close(usize),
    /// Nothing more comes after so many events, and the connection stays open.
    Stall(usize),
    /// An error event comes after so many events, and the body ends.
    ErrorEvent(usize),
    /// The stream ends with its terminator but without its finish reason.
    NoFinish,
}

/// A word in a model name that means nothing here, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadDirective(String);

impl fmt::Display for BadDirective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadDirective {}

impl Directives {
    /// Reads words joined by `+`, such as `latency=20+tokens=64`. The empty text is the default behaviour.
    pub fn parse(words: &str) -> Result<Self, BadDirective> {
        Self::default().and(words.split('+').filter(|word| !word.is_empty()))
    }

    /// What `model` asks for on top of these: the words after its first `+`.
    pub(crate) fn of_model(&self, model: &str) -> Result<Self, BadDirective> {
        let mut words = model.split('+');
        let name = words.next().unwrap_or_default();
        let mut directives = self.clone();
        match name {
            "sim-slow" => {
                directives.latency = Duration::from_millis(400);
                directives.chunk = Duration::from_millis(40);
            }
            "sim-long" => directives.tokens = Some(2000),
            _ if name.starts_with("unknown-") => directives.instead = Some(Instead::UnknownModel),
            _ => {}
        }
        directives.and(words)
    }

    fn and<'a>(mut self, words: impl Iterator<Item = &'a str>) -> Result<Self, BadDirective> {
        let mut said = Said::default();
        for word in words {
            self.apply(word, &mut said)?;
        }
        if self.fail.is_some() && self.instead.is_none() {
            self.instead = Some(Instead::Error(StatusCode::SERVICE_UNAVAILABLE));
        }
        Ok(self)
    }

    fn apply(&mut self, word: &str, said: &mut Said) -> Result<(), BadDirective> {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let number = |max: u64| number(name, value, max);
        let count = || bounded(name, value, MAX_TEXT_BYTES);
        match name {
            "latency" => self.latency = Duration::from_millis(number(MAX_WAIT_MS)?),
            "chunk" => self.chunk = Duration::from_millis(number(MAX_WAIT_MS)?),
            "tokens" => self.tokens = Some(bounded(name, value, MAX_TOKENS)?),
            "big" => self.big = Some(count()?),
            "fail" => self.fail = u32::try_from(number(u64::from(u32::MAX))?).ok(),
            "retry-after" => self.retry_after = Some(number(86_400)?),
            "cached" => self.cached = number(1 << 40)?,
            "reasoning" => self.reasoning = number(1 << 40)?,
            "error" => self.instead = said.instead(name, Instead::Error(status(value)?))?,
            "cut" => self.ending = said.ending(name, Ending::Cut(count()?))?,
            "close" => self.ending = said.ending(name, Ending::Close(count()?))?,
            "stall" => self.ending = said.ending(name, Ending::Stall(count()?))?,
            "errorevent" => self.ending = said.ending(name, Ending::ErrorEvent(count()?))?,
            _ => return self.apply_flag(name, value, said),
        }
        Ok(())
    }

    fn apply_flag(&mut self, name: &str, value: Option<&str>, said: &mut Said) -> Result<(), BadDirective> {
        match name {
            "badmodel" => self.instead = said.instead(name, Instead::UnknownModel)?,
            "hang" => self.instead = said.instead(name, Instead::Hang)?,
            "redirect" => self.instead = said.instead(name, Instead::Redirect)?,
            "html" => self.instead = said.instead(name, Instead::Html)?,
            "garbage" => self.instead = said.instead(name, Instead::Garbage)?,
            "nofinish" => self.ending = said.ending(name, Ending::NoFinish)?,
            "nousage" => self.no_usage = true,
            "ragged" => self.ragged = true,
            "crlf" => self.crlf = true,
            _ => return Err(BadDirective(format!("unknown directive `{name}`"))),
        }
        match value {
            None => Ok(()),
            Some(_) => Err(BadDirective(format!("`{name}` takes no value"))),
        }
    }
}

/// Which of the words that exclude each other this model name has said already.
#[derive(Default)]
struct Said {
    instead: bool,
    ending: bool,
}

impl Said {
    fn instead(&mut self, name: &str, instead: Instead) -> Result<Option<Instead>, BadDirective> {
        if std::mem::replace(&mut self.instead, true) {
            return Err(BadDirective(format!("`{name}` excludes the directive before it")));
        }
        Ok(Some(instead))
    }

    fn ending(&mut self, name: &str, ending: Ending) -> Result<Option<Ending>, BadDirective> {
        if std::mem::replace(&mut self.ending, true) {
            return Err(BadDirective(format!("`{name}` excludes the directive before it")));
        }
        Ok(Some(ending))
    }
}

fn number(name: &str, value: Option<&str>, max: u64) -> Result<u64, BadDirective> {
    value.and_then(|value| value.parse().ok()).filter(|number| *number <= max).ok_or_else(|| {
        BadDirective(format!("`{name}` needs a whole number from 0 to {max}, as in `{name}=1`"))
    })
}

fn bounded(name: &str, value: Option<&str>, max: usize) -> Result<usize, BadDirective> {
    let number = number(name, value, u64::try_from(max).unwrap_or(u64::MAX))?;
    Ok(usize::try_from(number).unwrap_or(max))
}

fn status(value: Option<&str>) -> Result<StatusCode, BadDirective> {
    value
        .and_then(|value| value.parse::<u16>().ok())
        .filter(|status| (400..600).contains(status))
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(|| BadDirective("`error` needs a status from 400 to 599, as in `error=503`".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(model: &str) -> Result<Directives, BadDirective> {
        Directives::default().of_model(model)
    }

    #[test]
    fn a_plain_name_asks_for_nothing() {
        assert_eq!(of("gpt-4o-mini"), Ok(Directives::default()));
        assert_eq!(of(""), Ok(Directives::default()));
    }

    #[test]
    fn words_combine() {
        let directives = of("gpt-4o-mini+latency=200+chunk=20+tokens=3+cut=2+ragged").unwrap();
        assert_eq!(directives.latency, Duration::from_millis(200));
        assert_eq!(directives.chunk, Duration::from_millis(20));
        assert_eq!(directives.tokens, Some(3));
        assert_eq!(directives.ending, Some(Ending::Cut(2)));
        assert!(directives.ragged);
    }

    #[test]
    fn fail_without_error_means_503_and_error_overrides_it() {
        assert_eq!(of("m+fail=2").unwrap().instead, Some(Instead::Error(StatusCode::SERVICE_UNAVAILABLE)));
        let directives = of("m+fail=2+error=429").unwrap();
        assert_eq!(directives.instead, Some(Instead::Error(StatusCode::TOO_MANY_REQUESTS)));
    }

    #[test]
    fn names_can_carry_a_behaviour() {
        assert_eq!(of("unknown-model").unwrap().instead, Some(Instead::UnknownModel));
        assert_eq!(of("sim-slow+latency=1").unwrap().latency, Duration::from_millis(1));
    }

    #[test]
    fn a_model_overrides_the_default_behaviour() {
        let defaults = Directives::parse("latency=5+hang").unwrap();
        let directives = defaults.of_model("m+error=500").unwrap();
        assert_eq!(directives.latency, Duration::from_millis(5));
        assert_eq!(directives.instead, Some(Instead::Error(StatusCode::INTERNAL_SERVER_ERROR)));
    }

    #[test]
    fn a_bad_word_says_what_is_wrong() {
        for (model, message) in [
            ("m+latency", "`latency` needs a whole number"),
            ("m+latency=-1", "`latency` needs a whole number"),
            ("m+latency=9999999", "`latency` needs a whole number"),
            ("m+error=200", "`error` needs a status"),
            ("m+ragged=1", "`ragged` takes no value"),
            ("m+slow", "unknown directive `slow`"),
            ("m++ragged", "unknown directive ``"),
            ("m+hang+html", "`html` excludes the directive before it"),
            ("m+cut=1+stall=1", "`stall` excludes the directive before it"),
        ] {
            let error = of(model).unwrap_err().to_string();
            assert!(error.starts_with(message), "{model}: {error}");
        }
    }
}
