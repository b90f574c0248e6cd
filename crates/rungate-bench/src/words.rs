//! Text that compresses about as well as what people and tools write: words of a small vocabulary, with numbers between.

use std::io::Write as _;

use crate::random::Random;

#[rustfmt::skip]
const WORDS: [&str; 128] = [
    "the", "of", "and", "to", "in", "is", "that", "for", "on", "with", "as", "are", "this", "be", "from",
    "or", "by", "not", "an", "it", "at", "was", "which", "can", "has", "have", "will", "all", "one",
    "more", "when", "its", "customer", "order", "invoice", "refund", "shipment", "warehouse", "delivery",
    "account", "balance", "payment", "contract", "supplier", "region", "price", "discount", "report",
    "summary", "table", "column", "query", "result", "error", "timeout", "retry", "service", "deployment",
    "cluster", "latency", "request", "response", "agent", "policy", "budget", "approval", "manager",
    "ticket", "priority", "status", "pending", "resolved", "analysis", "forecast", "quarter", "revenue",
    "margin", "estimate", "schedule", "meeting", "document", "section", "paragraph", "reference",
    "source", "evidence", "conclusion", "recommendation", "alternative", "constraint", "requirement",
    "experiment", "measurement", "temperature", "pressure", "material", "component", "assembly",
    "inspection", "maintenance", "customer's", "history", "message", "attachment", "language",
    "translation", "function", "parameter", "variable", "module", "compiler", "release", "version",
    "branch", "commit", "review", "search", "index", "record", "transaction", "ledger", "journal",
    "snapshot", "archive", "backup", "restore", "network", "gateway",
];

/// Appends words until `out` is `bytes` longer, and not a byte more. Safe inside a JSON string.
pub fn append(out: &mut Vec<u8>, bytes: usize, random: &mut Random) {
    let end = out.len() + bytes;
    while out.len() < end {
        if random.percent(8) {
            // Writing to memory does not fail.
            let _ = write!(out, "{} ", random.below(100_000));
        } else {
            out.extend_from_slice(random.pick(&WORDS).as_bytes());
            out.push(b' ');
        }
    }
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_its_length_and_needs_no_escapes() {
        let mut out = b"before ".to_vec();
        append(&mut out, 1_000, &mut Random::new(7));
        assert_eq!(out.len(), 1_007);
        assert!(out.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' '));
        assert!(!out.contains(&b'"') && !out.contains(&b'\\'));
    }
}
