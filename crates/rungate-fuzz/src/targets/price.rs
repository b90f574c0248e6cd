//! Prices, costs and amounts. First line: what was used, one letter or digit a count; then a price as JSON, or an amount.

use rungate_core::money::{NanoUsd, parse_scaled};
use rungate_core::usage::Usage;
use rungate_llm::catalog::{Price, cost};

use crate::input::Input;

/// Counts at the edges of types; a choice picks one.
const COUNTS: [u64; 12] =
    [0, 1, 2, 999, 200_000, 200_001, 1 << 32, 1 << 53, i64::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX];

/// Every property of prices for one text.
pub fn run(data: &[u8]) {
    let input = Input::of(data);
    let Ok(text) = std::str::from_utf8(input.body) else { return };
    amount(text);
    if let Ok(price) = serde_json::from_str::<Price>(text) {
        let written = serde_json::to_string(&price).unwrap();
        assert_eq!(serde_json::from_str::<Price>(&written).unwrap(), price, "{written}");
        charge(&price, &usage(&input));
    }
}

fn amount(text: &str) {
    for decimals in [0, 6, 9, 12] {
        let Ok(scaled) = parse_scaled(text, decimals) else { continue };
        let plain = text.trim();
        if let Some((whole, fraction)) = plain.split_once('.')
            && !plain.contains(['e', 'E'])
        {
            // The same without a point: the digits, and zeros up to the scale.
            let fraction = fraction.trim_end_matches('0');
            let zeros = "0".repeat(usize::try_from(decimals).unwrap() - fraction.len());
            let digits = format!("{whole}{fraction}{zeros}");
            assert_eq!(digits.parse::<i128>().unwrap_or_default(), i128::from(scaled), "{text}");
        }
    }
    if let Ok(money) = NanoUsd::parse_usd(text) {
        assert_eq!(NanoUsd::parse_usd(&money.to_usd_text()), Ok(money), "{text}");
    }
}

fn charge(price: &Price, usage: &Usage) {
    let free = Usage::default();
    assert_eq!(cost(price, &free), Some(NanoUsd::ZERO));
    let paid = cost(price, usage);
    assert_eq!(paid, cost(price, usage));
    assert!(paid.is_none_or(|paid| paid >= NanoUsd::ZERO), "a negative cost");
    // More of what is charged alone never costs less, nor becomes known.
    let more = [
        Usage { images: usage.images.saturating_add(1), ..*usage },
        Usage { characters: usage.characters.saturating_add(1), ..*usage },
        Usage { audio_ms: usage.audio_ms.saturating_add(1), ..*usage },
        Usage { output: usage.output.saturating_add(1), ..*usage },
    ];
    for more in more {
        if let (Some(less), Some(more)) = (paid, cost(price, &more)) {
            // Output that pays for images makes their own price moot, never the other way about.
            assert!(more >= less, "{less:?} for less and {more:?} for more");
        }
    }
}

fn usage(input: &Input<'_>) -> Usage {
    let count = |at| COUNTS[usize::from(input.choice(at).wrapping_sub(b'0')) % COUNTS.len()];
    Usage {
        input: count(0),
        output: count(1),
        cached_input: count(2),
        cache_write: count(3),
        cache_write_1h: count(4),
        reasoning: count(5),
        audio_input: count(6),
        audio_output: count(7),
        images: count(8),
        characters: count(9),
        audio_ms: count(10),
    }
}
