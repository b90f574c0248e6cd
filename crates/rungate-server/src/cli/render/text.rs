//! Single values as text.

use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;

/// A cost. Unknown is never shown as zero.
pub fn cost(cost: Option<NanoUsd>, status: Option<&str>) -> String {
    match (cost, status) {
        (_, Some("pending")) => "pending".to_owned(),
        (None, _) => "unknown".to_owned(),
        (Some(cost), Some("estimated")) => format!("~{}", usd(cost)),
        (Some(cost), _) => usd(cost),
    }
}

/// Dollars, exact, with at least six decimals so that small costs stand below each other; zero is `$0`.
pub fn usd(cost: NanoUsd) -> String {
    if cost.nanos() == 0 {
        return "$0".to_owned();
    }
    let text = cost.to_usd_text();
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |text| ("-", text));
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    format!("{sign}${whole}.{decimals:0<6}")
}

/// Milliseconds for people.
pub fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10),
        60_000..3_600_000 => format!("{} m {:02} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {:02} m", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// Since the start of something.
pub fn offset(ms: u64) -> String {
    if ms < 60_000 { format!("+{}.{:03} s", ms / 1_000, ms % 1_000) } else { format!("+{}", duration(ms)) }
}

/// Tokens in and out.
pub fn tokens(input: Option<u64>, output: Option<u64>) -> String {
    match (input, output) {
        (None, None) => String::new(),
        (input, output) => {
            let one = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
            format!("{} → {}", one(input), one(output))
        }
    }
}

/// Day and time, UTC, to the second: `11-23 16:05:12`.
pub fn time(at: Option<Timestamp>) -> String {
    let Some(at) = at else { return String::new() };
    at.to_string().get(5..19).unwrap_or_default().replace('T', " ")
}

/// Without control characters: what callers chose must not steer the terminal.
pub fn clean(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '·' } else { character }).collect()
}

/// The same for text of several lines.
pub fn clean_lines(text: &str) -> String {
    let keep = |character: char| matches!(character, '\n' | '\t') || !character.is_control();
    text.chars().map(|character| if keep(character) { character } else { '·' }).collect()
}

/// At most `width` characters; what is left out shows as `…`.
pub fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Where something lies within a longer time: `from` and `length` of `total`, drawn in `width` characters.
pub fn bar(from: u64, length: u64, total: u64, width: usize) -> String {
    let cells = u64::try_from(width).unwrap_or(0).max(1);
    let total = total.max(1);
    let start = (from.saturating_mul(cells) / total).min(cells - 1);
    let end = from.saturating_add(length).saturating_mul(cells).div_ceil(total).clamp(start + 1, cells);
    (0..cells).map(|cell| if (start..end).contains(&cell) { '█' } else { '·' }).collect()
}

/// `1 request`, `2 requests`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_008_unknown_costs_are_not_zero() {
        assert_eq!(cost(None, Some("unknown")), "unknown");
        assert_eq!(cost(None, None), "unknown");
        assert_eq!(cost(None, Some("pending")), "pending");
        assert_eq!(cost(Some(NanoUsd::ZERO), Some("final")), "$0");
        assert_eq!(cost(Some(NanoUsd::from_nanos(12_000)), Some("final")), "$0.000012");
        assert_eq!(cost(Some(NanoUsd::from_nanos(12_050)), Some("estimated")), "~$0.00001205");
        assert_eq!(cost(Some(NanoUsd::from_nanos(2_500_000_000)), None), "$2.500000");
    }

    #[test]
    fn times_are_for_people() {
        for (ms, expected) in
            [(0, "0 ms"), (812, "812 ms"), (1_240, "1.24 s"), (125_000, "2 m 05 s"), (3_720_000, "1 h 02 m")]
        {
            assert_eq!(duration(ms), expected);
        }
        assert_eq!(offset(1_005), "+1.005 s");
        assert_eq!(time(Timestamp::parse("2026-11-23T16:05:12.345Z").ok()), "11-23 16:05:12");
    }

    #[test]
    fn bars_stay_within_their_width_and_are_never_empty() {
        assert_eq!(bar(0, 100, 100, 4), "████");
        assert_eq!(bar(50, 25, 100, 4), "··█·");
        assert_eq!(bar(100, 0, 100, 4), "···█");
        assert_eq!(bar(7, 0, 0, 3), "··█");
        for (from, length, total, width) in [(0, 0, 0, 0), (u64::MAX, u64::MAX, 1, 5), (3, 9, 7, 1)] {
            let drawn = bar(from, length, total, width);
            assert_eq!(drawn.chars().count(), width.max(1));
            assert!(drawn.contains('█'));
        }
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(clean("a\u{1b}[31m\nb"), "a·[31m·b");
        assert_eq!(clean_lines("a\n\u{7}b"), "a\n·b");
        assert_eq!(shorten("abcdef", 4), "abc…");
    }
}
