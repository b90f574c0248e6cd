//! Reads the attribution headers of one request. Every rule about them stands here and nowhere else.
//!
//! One table maps all spellings (`Alephant-X`, `X-Alephant-X`, `Rungate-X`, some of `Helicone-X`) to one meaning. These
//! headers are opt-in to this product, so a malformed one is an error that names it; it is never dropped silently.

use crate::activity::{Attribution, CacheWish, StepKind, StepSource};
use crate::code::Code;
use crate::id::{AgentRef, CallerId, IdError, RunId, SessionId, TraceId, UserId};

/// What the headers of one request said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Run, session, step, properties.
    pub attribution: Attribution,
    /// The agent named.
    pub agent: Option<AgentRef>,
    /// The agent's name as given.
    pub agent_name: Option<String>,
    /// What was said of caching.
    pub cache: CacheWish,
    /// The request's body is not to be kept.
    pub omit_request: bool,
    /// The answer's body is not to be kept.
    pub omit_response: bool,
    /// Warnings for `rungate-warning`, each once.
    pub warnings: Vec<&'static str>,
}

/// Why a header is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{header}: {rule}")]
pub struct HeaderError {
    /// What kind of refusal.
    pub code: Code,
    /// The header as it was spelled, in lower case.
    pub header: String,
    /// The rule it breaks.
    pub rule: String,
}

/// What a header means, whatever its spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    AgentId,
    AgentName,
    RunId,
    SessionId,
    SessionPath,
    SessionName,
    TraceId,
    UserId,
    StepId,
    ParentStepId,
    ToolCallId,
    HandoffId,
    GraphNode,
    StateHash,
    StepInputHash,
    Iteration,
    StepAttempt,
    StepKind,
    StepSource,
    CacheEnabled,
    CacheRead,
    CacheSave,
    CacheControl,
    CacheBucketMaxSize,
    CacheSeed,
    OmitRequest,
    OmitResponse,
}

/// One line per header: the name behind its prefix, its meaning, and whether Helicone's spelling is known too.
const FIELDS: [(&str, Field, bool); 28] = [
    ("agent-id", Field::AgentId, false),
    ("agent", Field::AgentId, false),
    ("agent-name", Field::AgentName, false),
    ("run-id", Field::RunId, false),
    ("session-id", Field::SessionId, true),
    ("session-path", Field::SessionPath, true),
    ("session-name", Field::SessionName, true),
    ("trace-id", Field::TraceId, false),
    ("user-id", Field::UserId, true),
    ("step-id", Field::StepId, false),
    ("parent-step-id", Field::ParentStepId, false),
    ("tool-call-id", Field::ToolCallId, false),
    ("handoff-id", Field::HandoffId, false),
    ("graph-node", Field::GraphNode, false),
    ("state-hash", Field::StateHash, false),
    ("step-input-hash", Field::StepInputHash, false),
    ("iteration", Field::Iteration, false),
    ("step-attempt", Field::StepAttempt, false),
    ("step-kind", Field::StepKind, false),
    ("step-source", Field::StepSource, false),
    ("cache-enabled", Field::CacheEnabled, true),
    ("cache-read", Field::CacheRead, false),
    ("cache-save", Field::CacheSave, false),
    ("cache-control", Field::CacheControl, false),
    ("cache-bucket-max-size", Field::CacheBucketMaxSize, true),
    ("cache-seed", Field::CacheSeed, true),
    ("omit-request", Field::OmitRequest, true),
    ("omit-response", Field::OmitResponse, true),
];

const FIELD_COUNT: usize = Field::OmitResponse as usize + 1;
const PREFIXES: [&str; 3] = ["alephant-", "x-alephant-", "rungate-"];
const HELICONE: &str = "helicone-";
const MAX_PROPERTIES: usize = 32;
const MAX_PROPERTY_BYTES: usize = 512;
const MAX_PROPERTIES_BYTES: usize = 8 * 1024;
const SECRET_KEY_SEGMENTS: [&str; 4] = ["token", "secret", "password", "apikey"];
const SECRET_VALUE_PREFIXES: [&str; 4] = ["vk-", "pat_", "sk-", "whsec_"];

/// Checks a property: its key in lower case, and its value. The code and the rule that it breaks.
///
/// # Errors
/// When it breaks one.
pub fn property(key: &str, value: &str) -> Result<(), (Code, &'static str)> {
    let is_well_formed = (1..=64).contains(&key.len())
        && key.as_bytes()[0].is_ascii_alphanumeric()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    if !is_well_formed {
        let rule = "the key must be 1 to 64 characters of a-z 0-9 _ - that start with a letter or digit";
        return Err((Code::InvalidHeader, rule));
    }
    if value.len() > MAX_PROPERTY_BYTES {
        return Err((Code::InvalidHeader, "the value must be at most 512 bytes"));
    }
    if value.chars().any(char::is_control) {
        return Err((Code::InvalidHeader, "the value must have no control characters"));
    }
    let key_looks_secret = key.split(['-', '_']).any(|segment| SECRET_KEY_SEGMENTS.contains(&segment));
    if key_looks_secret || SECRET_VALUE_PREFIXES.iter().any(|prefix| value.starts_with(prefix)) {
        let rule = "properties are stored and searchable: they must not carry credentials";
        return Err((Code::PropertyLooksSecret, rule));
    }
    Ok(())
}

/// A value with the spelling it came under.
#[derive(Clone, Copy)]
struct Sent<'a> {
    name: &'a str,
    value: &'a str,
}

/// Reads all attribution headers. `headers` gives names in lower case and raw values, in the order they came.
pub fn read<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Headers, HeaderError> {
    let mut reader = Reader::default();
    for (name, value) in headers {
        reader.take(name, value)?;
    }
    reader.finish()
}

/// Whether a header is one of ours, and so is never sent upstream.
pub fn is_ours(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || name.starts_with(HELICONE)
}

#[derive(Default)]
struct Reader<'a> {
    sent: [Option<Sent<'a>>; FIELD_COUNT],
    properties: Vec<(String, Sent<'a>)>,
    traceparent: Option<&'a [u8]>,
    warnings: Vec<&'static str>,
}

enum Meaning<'a> {
    Field(Field),
    Property(&'a str),
    Unknown,
    Foreign,
}

fn meaning(name: &str) -> Meaning<'_> {
    if let Some(rest) = name.strip_prefix(HELICONE) {
        if let Some(key) = rest.strip_prefix("property-") {
            return Meaning::Property(key);
        }
        let known = FIELDS.iter().find(|(suffix, _, helicone)| *helicone && *suffix == rest);
        return known.map_or(Meaning::Foreign, |(_, field, _)| Meaning::Field(*field));
    }
    let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) else {
        return Meaning::Foreign;
    };
    if let Some(key) = rest.strip_prefix("property-") {
        return Meaning::Property(key);
    }
    let known = FIELDS.iter().find(|(suffix, _, _)| *suffix == rest);
    known.map_or(Meaning::Unknown, |(_, field, _)| Meaning::Field(*field))
}

impl<'a> Reader<'a> {
    fn take(&mut self, name: &'a str, value: &'a [u8]) -> Result<(), HeaderError> {
        // Every spelling starts with one of these letters; most headers of a request do not.
        if !matches!(name.as_bytes().first(), Some(b'a' | b'x' | b'r' | b'h' | b't')) {
            return Ok(());
        }
        if name == "traceparent" {
            self.traceparent = Some(value);
            return Ok(());
        }
        match meaning(name) {
            Meaning::Foreign => Ok(()),
            Meaning::Unknown => {
                self.warn("unknown_header");
                Ok(())
            }
            Meaning::Field(field) => self.take_field(field, name, value),
            Meaning::Property(key) => self.take_property(key, name, value),
        }
    }

    fn take_field(&mut self, field: Field, name: &'a str, value: &'a [u8]) -> Result<(), HeaderError> {
        let value = text(name, value)?;
        let is_flag = matches!(field, Field::OmitRequest | Field::OmitResponse);
        if value.is_empty() && !is_flag {
            self.warn("empty_header");
            return Ok(());
        }
        let slot = &mut self.sent[field as usize];
        match slot {
            Some(earlier) if earlier.value != value => Err(clash(earlier, name)),
            _ => {
                *slot = Some(Sent { name, value });
                Ok(())
            }
        }
    }

    fn take_property(&mut self, key: &'a str, name: &'a str, value: &'a [u8]) -> Result<(), HeaderError> {
        let value = text(name, value)?;
        property(key, value).map_err(|(code, rule)| HeaderError {
            code,
            header: name.to_owned(),
            rule: rule.to_owned(),
        })?;
        match self.properties.iter().find(|(known, _)| known == key) {
            Some((_, earlier)) if earlier.value != value => Err(clash(earlier, name)),
            Some(_) => Ok(()),
            None => {
                self.properties.push((key.to_owned(), Sent { name, value }));
                Ok(())
            }
        }
    }

    fn warn(&mut self, warning: &'static str) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn finish(mut self) -> Result<Headers, HeaderError> {
        let mut headers = Headers::default();
        self.properties(&mut headers)?;
        self.identity(&mut headers)?;
        self.step(&mut headers)?;
        headers.cache = self.cache()?;
        headers.omit_request = self.flag(Field::OmitRequest);
        headers.omit_response = self.flag(Field::OmitResponse);
        if let Some(value) = self.traceparent {
            match otel_trace_id(value) {
                Some(id) => headers.attribution.otel_trace_id = Some(id),
                None => self.warn("traceparent_malformed"),
            }
        }
        headers.warnings = self.warnings;
        Ok(headers)
    }

    fn properties(&self, headers: &mut Headers) -> Result<(), HeaderError> {
        let Some((_, last)) = self.properties.last() else { return Ok(()) };
        if self.properties.len() > MAX_PROPERTIES {
            return Err(invalid(last.name, "at most 32 properties"));
        }
        let bytes: usize = self.properties.iter().map(|(key, sent)| key.len() + sent.value.len()).sum();
        if bytes > MAX_PROPERTIES_BYTES {
            return Err(invalid(last.name, "all properties together must be at most 8 KiB"));
        }
        let pairs = self.properties.iter().map(|(key, sent)| (key.clone(), sent.value.to_owned()));
        headers.attribution.properties = pairs.collect();
        Ok(())
    }

    fn identity(&self, headers: &mut Headers) -> Result<(), HeaderError> {
        headers.agent = self.parsed(Field::AgentId, AgentRef::parse)?;
        headers.agent_name = self.label(Field::AgentName)?;
        let attribution = &mut headers.attribution;
        attribution.run_id = self.parsed(Field::RunId, RunId::parse)?;
        attribution.session_id = self.parsed(Field::SessionId, SessionId::parse)?;
        attribution.session_name = self.label(Field::SessionName)?;
        attribution.trace_id = self.parsed(Field::TraceId, TraceId::parse)?;
        attribution.user_id = self.parsed(Field::UserId, UserId::parse)?;
        if let Some(sent) = self.sent(Field::SessionPath) {
            if sent.value.chars().count() > 256 || sent.value.chars().any(char::is_control) {
                return Err(invalid(sent.name, "must be 1 to 256 characters without control characters"));
            }
            let slash = if sent.value.starts_with('/') { "" } else { "/" };
            attribution.session_path = Some(format!("{slash}{}", sent.value));
        }
        Ok(())
    }

    fn step(&self, headers: &mut Headers) -> Result<(), HeaderError> {
        let step = &mut headers.attribution.step;
        step.step_id = self.parsed(Field::StepId, CallerId::parse)?;
        step.parent_step_id = self.parsed(Field::ParentStepId, CallerId::parse)?;
        step.tool_call_id = self.parsed(Field::ToolCallId, CallerId::parse)?;
        step.handoff_id = self.parsed(Field::HandoffId, CallerId::parse)?;
        step.graph_node = self.parsed(Field::GraphNode, CallerId::parse)?;
        step.state_hash = self.parsed(Field::StateHash, CallerId::parse)?;
        step.step_input_hash = self.parsed(Field::StepInputHash, CallerId::parse)?;
        step.iteration = self.number(Field::Iteration)?;
        step.step_attempt = self.number(Field::StepAttempt)?;
        step.step_kind = self.word::<StepKind>(
            Field::StepKind,
            "must be planning, reasoning, llm_call, tool_call, tool_result, handoff, approval, checkpoint, final_answer, \
             retry, error_recovery or unknown",
        )?;
        step.step_source = self
            .word::<StepSource>(Field::StepSource, "must be runtime, gateway, rule, heuristic or unknown")?;
        Ok(())
    }

    fn cache(&self) -> Result<CacheWish, HeaderError> {
        let switch = |field| match self.sent(field).map(|sent| (sent, sent.value)) {
            None => Ok(None),
            Some((_, "true")) => Ok(Some(true)),
            Some((_, "false")) => Ok(Some(false)),
            Some((sent, _)) => Err(invalid(sent.name, "must be true or false")),
        };
        let mut wish = CacheWish {
            enabled: switch(Field::CacheEnabled)?,
            read: switch(Field::CacheRead)?,
            save: switch(Field::CacheSave)?,
            ..CacheWish::default()
        };
        if let Some(sent) = self.sent(Field::CacheControl) {
            wish.max_age = shortest_age(sent.value);
            if wish.max_age.is_none() {
                return Err(invalid(sent.name, "must be max-age= or s-maxage= with 0 to 31536000 seconds"));
            }
        }
        if let Some(sent) = self.sent(Field::CacheBucketMaxSize) {
            let size = decimal(sent.value).and_then(|size| u8::try_from(size).ok());
            wish.bucket = size.filter(|size| (1..=20).contains(size));
            if wish.bucket.is_none() {
                return Err(invalid(sent.name, "must be a number from 1 to 20"));
            }
        }
        if let Some(sent) = self.sent(Field::CacheSeed) {
            if sent.value.len() > 128 || !sent.value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(invalid(sent.name, "must be 1 to 128 visible ASCII characters"));
            }
            wish.seed = Some(sent.value.to_owned());
        }
        Ok(wish)
    }

    fn sent(&self, field: Field) -> Option<Sent<'a>> {
        self.sent[field as usize]
    }

    fn parsed<T>(
        &self,
        field: Field,
        parse: impl Fn(&str) -> Result<T, IdError>,
    ) -> Result<Option<T>, HeaderError> {
        let Some(sent) = self.sent(field) else { return Ok(None) };
        parse(sent.value).map(Some).map_err(|error| invalid(sent.name, &error.to_string()))
    }

    fn label(&self, field: Field) -> Result<Option<String>, HeaderError> {
        let Some(sent) = self.sent(field) else { return Ok(None) };
        if sent.value.chars().count() > 128 || sent.value.chars().any(char::is_control) {
            return Err(invalid(sent.name, "must be 1 to 128 characters without control characters"));
        }
        Ok(Some(sent.value.to_owned()))
    }

    fn number(&self, field: Field) -> Result<Option<u32>, HeaderError> {
        let Some(sent) = self.sent(field) else { return Ok(None) };
        match decimal(sent.value).and_then(|value| u32::try_from(value).ok()) {
            Some(value) => Ok(Some(value)),
            None => Err(invalid(sent.name, "must be a decimal number from 0 to 4294967295")),
        }
    }

    fn word<T: serde::de::DeserializeOwned>(
        &self,
        field: Field,
        rule: &str,
    ) -> Result<Option<T>, HeaderError> {
        let Some(sent) = self.sent(field) else { return Ok(None) };
        let value = serde_json::Value::String(sent.value.to_owned());
        serde_json::from_value(value).map(Some).map_err(|_| invalid(sent.name, rule))
    }

    /// Presence counts, whatever the value but `false`.
    fn flag(&self, field: Field) -> bool {
        self.sent(field).is_some_and(|sent| !sent.value.eq_ignore_ascii_case("false"))
    }
}

fn text<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, HeaderError> {
    std::str::from_utf8(value).map(str::trim).map_err(|_| invalid(name, "must be UTF-8"))
}

fn decimal(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The shortest of the ages in `max-age=1, s-maxage=2`; `None` where anything else stands in it, or more than a year.
fn shortest_age(value: &str) -> Option<u64> {
    let mut shortest = u64::MAX;
    for directive in value.split(',').map(str::trim) {
        let seconds = directive.strip_prefix("max-age=").or_else(|| directive.strip_prefix("s-maxage="))?;
        shortest = shortest.min(decimal(seconds).filter(|seconds| *seconds <= 31_536_000)?);
    }
    Some(shortest)
}

fn invalid(header: &str, rule: &str) -> HeaderError {
    HeaderError { code: Code::InvalidHeader, header: header.to_owned(), rule: rule.to_owned() }
}

fn clash(earlier: &Sent<'_>, name: &str) -> HeaderError {
    if earlier.name == name {
        let rule = "was sent twice with different values".to_owned();
        return HeaderError { code: Code::DuplicateHeader, header: name.to_owned(), rule };
    }
    let rule = format!("has another value than {}, which means the same", earlier.name);
    HeaderError { code: Code::HeaderConflict, header: name.to_owned(), rule }
}

/// The trace id of a W3C `traceparent`: `<2 hex>-<32 hex>-<16 hex>-<2 hex>`, all lower case, not all zeros.
fn otel_trace_id(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags, rest @ ..] = parts.as_slice() else { return None };
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let well_formed = is_hex(version, 2)
        && *version != "ff"
        && (*version != "00" || rest.is_empty())
        && is_hex(trace, 32)
        && !is_zero(trace)
        && is_hex(parent, 16)
        && !is_zero(parent)
        && is_hex(flags, 2);
    well_formed.then(|| (*trace).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Headers, HeaderError> {
        read(pairs.iter().map(|(name, value)| (*name, value.as_bytes())))
    }

    fn code(pairs: &[(&str, &str)]) -> Code {
        from(pairs).unwrap_err().code
    }

    #[test]
    fn w_026_all_spellings_mean_the_same() {
        for name in ["alephant-run-id", "x-alephant-run-id", "rungate-run-id"] {
            let headers = from(&[(name, "run_8421")]).unwrap();
            assert_eq!(headers.attribution.run_id, Some(RunId::parse("run_8421").unwrap()), "{name}");
        }
        for name in ["helicone-session-id", "alephant-session-id"] {
            let headers = from(&[(name, "s1")]).unwrap();
            assert_eq!(headers.attribution.session_id, Some(SessionId::parse("s1").unwrap()), "{name}");
        }
        for name in ["x-alephant-agent", "alephant-agent-id", "x-alephant-agent-id"] {
            assert!(from(&[(name, "agt_support_bot_8f3a")]).unwrap().agent.is_some(), "{name}");
        }
        assert!(from(&[("alephant-run-id", &"r".repeat(256))]).is_ok());
        assert_eq!(code(&[("alephant-run-id", &"r".repeat(257))]), Code::InvalidHeader);
    }

    #[test]
    fn w_027_clashes_are_refused_and_repeats_are_not() {
        assert_eq!(code(&[("alephant-run-id", "a"), ("alephant-run-id", "b")]), Code::DuplicateHeader);
        assert_eq!(code(&[("alephant-run-id", "a"), ("rungate-run-id", "b")]), Code::HeaderConflict);
        assert!(from(&[("alephant-run-id", "a"), ("alephant-run-id", "a"), ("rungate-run-id", "a")]).is_ok());
        assert_eq!(code(&[("alephant-property-a", "1"), ("helicone-property-a", "2")]), Code::HeaderConflict);
    }

    #[test]
    fn w_028_empty_and_unknown_headers_are_warnings() {
        let headers =
            from(&[("alephant-run-id", "  "), ("alephant-prompt-id", "x"), ("rungate-x", "y")]).unwrap();
        assert_eq!(headers.attribution.run_id, None);
        assert_eq!(headers.warnings, ["empty_header", "unknown_header"]);
        for (name, value) in [
            ("alephant-cache-enabled", "yes"),
            ("alephant-cache-control", "max-age=31536001"),
            ("alephant-cache-control", "no-store"),
            ("alephant-cache-bucket-max-size", "21"),
            ("alephant-cache-seed", "a b"),
        ] {
            assert_eq!(code(&[(name, value)]), Code::InvalidHeader, "{name}: {value}");
        }
        assert!(from(&[("helicone-cache-enabled", "true")]).unwrap().cache.asks());
        let headers = from(&[
            ("alephant-cache-read", "false"),
            ("alephant-cache-control", "s-maxage=60, max-age=5"),
            ("helicone-cache-bucket-max-size", "20"),
            ("rungate-cache-seed", "s-1"),
        ])
        .unwrap();
        let wish = CacheWish {
            read: Some(false),
            max_age: Some(5),
            bucket: Some(20),
            seed: Some("s-1".to_owned()),
            ..CacheWish::default()
        };
        assert_eq!(headers.cache, wish);
        assert!(!wish.asks());
    }

    #[test]
    fn w_029_properties_have_rules() {
        let headers =
            from(&[("alephant-property-workflow", "support-triage"), ("helicone-property-env", "")]).unwrap();
        assert_eq!(headers.attribution.properties["workflow"], "support-triage");
        assert_eq!(headers.attribution.properties["env"], "");
        assert_eq!(code(&[("alephant-property-", "x")]), Code::InvalidHeader);
        assert_eq!(code(&[("alephant-property-_x", "x")]), Code::InvalidHeader);
        assert_eq!(code(&[("alephant-property-x", &"v".repeat(513))]), Code::InvalidHeader);
        assert_eq!(code(&[("alephant-property-api-token", "x")]), Code::PropertyLooksSecret);
        assert_eq!(code(&[("alephant-property-x", "sk-live")]), Code::PropertyLooksSecret);
        assert!(from(&[("alephant-property-max-tokens", "8")]).is_ok());
        let many: Vec<_> = (0..33).map(|index| (format!("alephant-property-p{index}"), "x")).collect();
        let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert!(from(&many[..32]).is_ok());
        assert_eq!(code(&many), Code::InvalidHeader);
        let large: Vec<_> =
            (0..17).map(|index| (format!("alephant-property-p{index}"), "x".repeat(500))).collect();
        let large: Vec<_> = large.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(code(&large), Code::InvalidHeader);
    }

    #[test]
    fn steps_paths_names_and_flags() {
        let headers = from(&[
            ("alephant-step-kind", "tool_call"),
            ("alephant-iteration", "4294967295"),
            ("alephant-session-path", "triage/draft"),
            ("alephant-session-name", "Zoë’s ticket"),
            ("alephant-omit-request", ""),
            ("alephant-omit-response", "false"),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ])
        .unwrap();
        assert_eq!(headers.attribution.step.step_kind, Some(StepKind::ToolCall));
        assert_eq!(headers.attribution.step.iteration, Some(u32::MAX));
        assert_eq!(headers.attribution.session_path.as_deref(), Some("/triage/draft"));
        assert_eq!(headers.attribution.session_name.as_deref(), Some("Zoë’s ticket"));
        assert!(headers.omit_request && !headers.omit_response);
        assert_eq!(headers.attribution.otel_trace_id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        for (name, value) in [
            ("alephant-step-kind", "dance"),
            ("alephant-iteration", "4294967296"),
            ("alephant-iteration", "-1"),
            ("alephant-agent-id", "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a00g"),
            ("alephant-agent-name", &"n".repeat(129)),
            ("alephant-tool-call-id", "call 1"),
        ] {
            assert_eq!(code(&[(name, value)]), Code::InvalidHeader, "{name}: {value}");
        }
        let error = read([("alephant-run-id", &b"\xff"[..])].into_iter()).unwrap_err();
        assert_eq!(error.rule, "must be UTF-8");
        assert_eq!(from(&[("traceparent", "nonsense")]).unwrap().warnings, ["traceparent_malformed"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(name in "(alephant|x-alephant|rungate|helicone)-[a-z-]{0,30}", value: Vec<u8>) {
            if let Err(error) = read([(name.as_str(), value.as_slice())].into_iter()) {
                prop_assert_eq!(error.header, name);
            }
        }
    }
}
