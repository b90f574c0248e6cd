use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::activity::{StepKind, StepSource, Trust};
use crate::code::Code;
use crate::exchange::{CacheUse, CostStatus, Effect, Mode, Outcome};
use crate::id::{
    AgentId, CallerId, ExchangeId, ExternalId, MemberId, ProviderKeyId, RequestId, RunId, SessionId, TraceId,
    UserId, VirtualKeyId, WorkspaceId,
};
use crate::money::NanoUsd;
use crate::operation::Kind;
use crate::time::Timestamp;
use crate::usage::{Usage, UsageSource};

/// Gives what the next field holds, or that it holds nothing.
struct Dice {
    bits: u128,
    texts: Vec<String>,
    next: usize,
}

impl Dice {
    fn throw(&mut self) -> bool {
        let bit = self.bits & 1 == 1;
        self.bits = self.bits.rotate_right(1);
        bit
    }

    fn some<T>(&mut self, value: T) -> Option<T> {
        self.throw().then_some(value)
    }

    fn text(&mut self) -> String {
        self.next += 1;
        self.texts[self.next % self.texts.len()].clone()
    }

    fn some_text(&mut self) -> Option<String> {
        let text = self.text();
        self.some(text)
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_u128(self.bits.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn number(&mut self) -> u64 {
        u64::try_from(self.bits & u128::from(u64::MAX)).unwrap()
    }

    fn caller(&mut self) -> Option<CallerId> {
        self.some(CallerId::parse("a_.:/@+=~-Z9").unwrap())
    }

    fn attribution(&mut self) -> Attribution {
        Attribution {
            run_id: self.some(RunId::parse("run/1").unwrap()),
            session_id: self.some(SessionId::parse("session").unwrap()),
            session_path: self.some_text(),
            session_name: self.some_text(),
            trace_id: self.some(TraceId::parse("trace").unwrap()),
            otel_trace_id: self.some_text(),
            user_id: self.some(UserId::parse("zoe@example.com").unwrap()),
            step: Step {
                step_id: self.caller(),
                parent_step_id: self.caller(),
                tool_call_id: self.caller(),
                handoff_id: self.caller(),
                graph_node: self.caller(),
                state_hash: self.caller(),
                step_input_hash: self.caller(),
                iteration: self.some(u32::MAX),
                step_attempt: self.some(0),
                step_kind: self.some(StepKind::ErrorRecovery),
                step_source: self.some(StepSource::Heuristic),
            },
            properties: (0..self.bits % 3).map(|_| (self.text(), self.text())).collect(),
        }
    }

    fn record(&mut self) -> ExchangeRecord {
        let agent = AgentStamp {
            id: Some(AgentId::new(self.uuid())).filter(|_| self.throw()),
            external_id: ExternalId::parse("agt_x:1.a-b").unwrap(),
            name: self.some_text(),
            trust: if self.throw() { Trust::AuthBound } else { Trust::SelfReported },
        };
        let at = Timestamp::from_micros(1_795_500_000_123_456);
        let mut record = ExchangeRecord::new(
            ExchangeId::new(self.uuid()),
            WorkspaceId::new(self.uuid()),
            at,
            Kind::Chat,
            agent,
            VirtualKeyId::new(self.uuid()),
        );
        record.completed_at = self.some(at);
        record.method = self.text();
        record.path = self.text();
        record.request_id = self.some(RequestId::parse("req-1_A").unwrap());
        record.attribution = self.attribution();
        record.virtual_key_label = self.text();
        record.key_prefix = self.text();
        record.member_id = Some(MemberId::new(self.uuid())).filter(|_| self.throw());
        let address: IpAddr =
            if self.throw() { [127, 0, 0, 1].into() } else { [0, 1, 2, 3, 4, 5, 6, 7].into() };
        record.client_ip = self.some(address);
        record.country = self.some_text();
        record.outcome = if self.throw() { Outcome::UpstreamFailed } else { Outcome::Pending };
        record.status = self.some(429);
        record.error_code = self.some(Code::ModelNotAllowed);
        record.error_message = self.some_text();
        record.warnings = (0..self.bits % 3).map(|_| self.text()).collect();
        for _ in 0..self.bits % 3 {
            let (policy_id, rule) = (self.some_text(), self.text());
            let effect = if self.throw() { Effect::Allow } else { Effect::Deny };
            record.decisions.push(Decision {
                policy_id,
                policy_name: self.some_text(),
                version: self.some(3),
                mode: self.some(Mode::LogOnly),
                rule,
                effect,
                reason: self.some_text(),
            });
        }
        record.requested_model = self.some_text();
        record.model = self.some_text();
        record.provider = self.some_text();
        record.provider_key_id = Some(ProviderKeyId::new(self.uuid())).filter(|_| self.throw());
        record.stream = self.throw();
        for _ in 0..self.bits % 3 {
            record.attempts.push(Attempt {
                provider: self.text(),
                model: self.some_text(),
                provider_key_id: ProviderKeyId::new(self.uuid()),
                status: self.some(503),
                upstream_request_id: self.some_text(),
                latency_ms: self.number(),
                error_code: self.some(Code::UpstreamError),
                cost: self.some(NanoUsd::from_nanos(7)),
            });
        }
        let usage = Usage { input: self.number(), output: 2, reasoning: 1, ..Usage::default() };
        record.usage = self.some(usage);
        record.usage_source = UsageSource::Estimated;
        record.cost = self.some(NanoUsd::from_nanos(18_750));
        record.cost_status = CostStatus::Final;
        record.reserved = self.some(NanoUsd::from_nanos(i64::MAX));
        record.price_snapshot_id = self.some_text();
        record.cache = self.some(CacheUse::Bypass);
        record.cache_saved = self.some(NanoUsd::from_nanos(18_750));
        record.latency_ms = self.some(u64::MAX);
        record.ttft_ms = self.some(0);
        record.overhead_us = self.some(77);
        record.request_bytes = self.number();
        record.response_bytes = self.number();
        record.preview_in = self.some_text().unwrap_or_default();
        record.preview_out = self.some_text().unwrap_or_default();
        record.response_id = self.some_text();
        record
    }
}

proptest! {
    #[test]
    fn the_text_is_serdes(bits in any::<u128>(), texts in prop::collection::vec("[\\x00-\\x7Fü€😀]{0,40}", 8)) {
        let mut dice = Dice { bits, texts, next: 0 };
        for _ in 0..4 {
            let record = dice.record();
            prop_assert_eq!(record.to_json().unwrap(), serde_json::to_string(&record).unwrap());
        }
    }
}
