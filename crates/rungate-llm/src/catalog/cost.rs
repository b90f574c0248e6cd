//! What usage costs at a price, in integers.

use rungate_core::money::NanoUsd;
use rungate_core::usage::Usage;

use super::price::{Price, Rate, Unit};

/// Milliseconds in a minute. Sums are kept in pico-dollars times this, so that a price per minute needs no division
/// before the end.
const MS_PER_MINUTE: i128 = 60_000;
/// What one nano-dollar is in a sum.
const NANO: i128 = 1_000 * MS_PER_MINUTE;

/// What `usage` costs at `price`, rounded up to whole nano-dollars once, at the end. `None` when a unit that was used has
/// no price, or when the sum is above what [`NanoUsd`] can hold.
///
/// Every token is charged once, at the price of its kind, or where that kind has none:
///
/// | kind | else |
/// |---|---|
/// | cached input, cache write, audio input | input |
/// | cache write for an hour | cache write, then input |
/// | reasoning, audio output | output |
///
/// Plain input is all input less those kinds. Audio that was read from the cache is counted as cached, so that it is not
/// charged twice; parts that a provider reports to be larger than the whole are charged as reported. The tier is chosen
/// by all input and applies to the whole request.
///
/// Images, characters and minutes are charged at their own price. Where a model has none, it charges for the same thing
/// in tokens: the answer must then have reported them (output for images, input for the others), else the cost is unknown.
pub fn cost(price: &Price, usage: &Usage) -> Option<NanoUsd> {
    let rates = price.rates(usage.input);
    let input = rates.get(Rate::Input);
    let output = rates.get(Rate::Output);
    let cache_write = rates.get(Rate::CacheWrite).or(input);

    let from_cache =
        usage.cached_input.saturating_add(usage.cache_write).saturating_add(usage.cache_write_1h);
    let fresh_input = usage.input.saturating_sub(from_cache);
    let audio_input = usage.audio_input.min(fresh_input);
    let special_output = usage.reasoning.saturating_add(usage.audio_output);

    let tokens = [
        (fresh_input - audio_input, input),
        (usage.cached_input, rates.get(Rate::CachedInput).or(input)),
        (usage.cache_write, cache_write),
        (usage.cache_write_1h, rates.get(Rate::CacheWrite1h).or(cache_write)),
        (audio_input, rates.get(Rate::AudioInput).or(input)),
        (usage.output.saturating_sub(special_output), output),
        (usage.reasoning, rates.get(Rate::Reasoning).or(output)),
        (usage.audio_output, rates.get(Rate::AudioOutput).or(output)),
    ];
    let units = [
        (usage.images, price.unit(Unit::Image), MS_PER_MINUTE, usage.output),
        (usage.characters, price.unit(Unit::Character), MS_PER_MINUTE, usage.input),
        (usage.audio_ms, price.unit(Unit::AudioMinute), 1, usage.input),
    ];

    let mut sum: i128 = 0;
    for (count, rate) in tokens {
        sum = sum.checked_add(product(count, rate, MS_PER_MINUTE)?)?;
    }
    for (count, own, scale, tokens) in units {
        let paid_in_tokens = own.is_none() && tokens > 0;
        if !paid_in_tokens {
            sum = sum.checked_add(product(count, own, scale)?)?;
        }
    }
    let nanos = sum / NANO + i128::from(sum % NANO != 0);
    i64::try_from(nanos).ok().map(NanoUsd::from_nanos)
}

/// `count × price × scale`; nothing for none, whatever the price.
fn product(count: u64, price: Option<i64>, scale: i128) -> Option<i128> {
    if count == 0 {
        return Some(0);
    }
    i128::from(count).checked_mul(i128::from(price?))?.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn price(value: Value) -> Price {
        serde_json::from_value(value).unwrap()
    }

    fn nanos(value: Value, usage: Usage) -> Option<i64> {
        cost(&price(value), &usage).map(NanoUsd::nanos)
    }

    #[test]
    fn a_chat_costs_what_the_price_list_says() {
        let mini = json!({"inputPerMTok": "0.15", "outputPerMTok": "0.6", "cachedInputPerMTok": "0.075"});
        let usage =
            Usage { input: 1_000, cached_input: 400, output: 500, reasoning: 100, ..Usage::default() };
        // 600 × 0.15 + 400 × 0.075 + 500 × 0.6 = 420 µUSD
        assert_eq!(nanos(mini, usage), Some(420_000));
    }

    #[test]
    fn cache_writes_have_their_own_prices_and_fall_back() {
        let usage = Usage { input: 60, cache_write: 20, cache_write_1h: 30, output: 0, ..Usage::default() };
        let all = json!({"inputPerMTok": "3", "cacheWritePerMTok": "3.75", "cacheWrite1hPerMTok": "6"});
        assert_eq!(nanos(all, usage), Some(10 * 3_000 + 20 * 3_750 + 30 * 6_000));
        let short = json!({"inputPerMTok": "3", "cacheWritePerMTok": "3.75"});
        assert_eq!(nanos(short, usage), Some(10 * 3_000 + 50 * 3_750));
        assert_eq!(nanos(json!({"inputPerMTok": "3"}), usage), Some(60 * 3_000));
    }

    #[test]
    fn reasoning_and_audio_are_parts_of_the_whole() {
        let usage = Usage {
            input: 100,
            cached_input: 80,
            audio_input: 50,
            output: 100,
            reasoning: 30,
            audio_output: 20,
            ..Usage::default()
        };
        let all = json!({
            "inputPerMTok": "1", "cachedInputPerMTok": "0.5", "audioInputPerMTok": "10",
            "outputPerMTok": "2", "reasoningPerMTok": "3", "audioOutputPerMTok": "20",
        });
        // Of the audio, 30 tokens must have come from the cache.
        assert_eq!(nanos(all, usage), Some(80 * 500 + 20 * 10_000 + 50 * 2_000 + 30 * 3_000 + 20 * 20_000));
        let plain = json!({"inputPerMTok": "1", "outputPerMTok": "2"});
        assert_eq!(nanos(plain, usage), Some(100 * 1_000 + 100 * 2_000));
    }

    #[test]
    fn the_tier_is_chosen_by_all_input_and_holds_for_the_whole_request() {
        let tiered = json!({
            "inputPerMTok": "1.25", "outputPerMTok": "10", "cachedInputPerMTok": "0.125",
            "tiers": [{"aboveInputTokens": 200_000, "inputPerMTok": "2.5", "outputPerMTok": "15"}],
        });
        let usage = |input| Usage { input, cached_input: 100_000, output: 10, ..Usage::default() };
        assert_eq!(nanos(tiered.clone(), usage(200_000)), Some(100_000 * 1_250 + 100_000 * 125 + 100_000));
        assert_eq!(nanos(tiered, usage(200_001)), Some(100_001 * 2_500 + 100_000 * 125 + 150_000));
    }

    #[test]
    fn units_have_their_own_price_or_are_paid_in_tokens() {
        let images = Usage { images: 2, ..Usage::default() };
        assert_eq!(nanos(json!({"perImage": "0.04"}), images), Some(80_000_000));
        let by_token = json!({"inputPerMTok": "5", "outputPerMTok": "40"});
        assert_eq!(nanos(by_token.clone(), images), None, "no tokens were reported");
        assert_eq!(nanos(by_token, Usage { output: 1_000, ..images }), Some(40_000_000));
        let speech = Usage { characters: 3, ..Usage::default() };
        assert_eq!(nanos(json!({"perMCharacters": "15"}), speech), Some(45_000));
        let audio = Usage { audio_ms: 90_000, ..Usage::default() };
        assert_eq!(nanos(json!({"perAudioMinute": "0.006"}), audio), Some(9_000_000));
        assert_eq!(nanos(json!({"inputPerMTok": "1"}), audio), None);
    }

    #[test]
    fn a_used_unit_without_a_price_makes_the_cost_unknown() {
        let usage = Usage { input: 1, output: 1, ..Usage::default() };
        assert_eq!(nanos(json!({"inputPerMTok": "1"}), usage), None);
        assert_eq!(nanos(json!({"inputPerMTok": "1"}), Usage { output: 0, ..usage }), Some(1_000));
        assert_eq!(nanos(json!({"outputPerMTok": "1"}), usage), None);
        assert_eq!(cost(&Price::default(), &Usage::default()), Some(NanoUsd::ZERO));
    }

    #[test]
    fn rounding_is_up_and_once() {
        // A tenth of a nano-dollar each: together they are two tenths, which is one.
        let tiny = json!({"inputPerMTok": "0.0001", "outputPerMTok": "0.0001"});
        assert_eq!(nanos(tiny.clone(), Usage { input: 1, output: 1, ..Usage::default() }), Some(1));
        assert_eq!(nanos(tiny, Usage { input: 10, output: 10, ..Usage::default() }), Some(2));
        let minute = json!({"perAudioMinute": "0.006"});
        assert_eq!(nanos(minute, Usage { audio_ms: 1, ..Usage::default() }), Some(100));
    }

    #[test]
    fn a_sum_out_of_range_is_unknown() {
        let usage = Usage { input: u64::MAX, output: u64::MAX, images: u64::MAX, ..Usage::default() };
        let dear = json!({"inputPerMTok": "1000000", "outputPerMTok": "1000000", "perImage": "1000000"});
        assert_eq!(nanos(dear, usage), None);
        assert_eq!(
            nanos(json!({"inputPerMTok": "0", "outputPerMTok": "0", "perImage": "0"}), usage),
            Some(0)
        );
    }

    /// Every price, whole micro-dollars apart; tiers ask more, as all that are listed do.
    fn any_price() -> impl Strategy<Value = Price> {
        let rate =
            || (0..50_000_000_i64).prop_map(|pico| format!("{}.{:06}", pico / 1_000_000, pico % 1_000_000));
        (prop::array::uniform8(prop::option::of(rate())), prop::array::uniform3(rate()), 0..2_000_u64)
            .prop_map(|(rates, units, above)| {
                let mut map = serde_json::Map::new();
                for (rate, text) in Rate::ALL.into_iter().zip(rates) {
                    map.insert(rate.field().into(), json!(text));
                }
                for (unit, text) in Unit::ALL.into_iter().zip(units) {
                    map.insert(unit.field().into(), json!(text));
                }
                map.entry("inputPerMTok").and_modify(|value| {
                    if value.is_null() {
                        *value = json!("1");
                    }
                });
                let tier = json!({"aboveInputTokens": above, "inputPerMTok": "60", "outputPerMTok": "70"});
                map.insert("tiers".into(), json!([tier]));
                price(Value::Object(map))
            })
    }

    fn any_usage() -> impl Strategy<Value = Usage> {
        prop::array::uniform11(0..3_000_u64).prop_map(|counts| {
            let [
                input,
                output,
                cached_input,
                cache_write,
                cache_write_1h,
                reasoning,
                audio_input,
                audio_output,
                rest @ ..,
            ] = counts;
            let [images, characters, audio_ms] = rest;
            Usage {
                input,
                output,
                cached_input,
                cache_write,
                cache_write_1h,
                reasoning,
                audio_input,
                audio_output,
                images,
                characters,
                audio_ms,
            }
        })
    }

    /// The same sum, written out with one division and one choice per kind.
    fn naive(price: &Price, usage: &Usage) -> Option<i128> {
        let rates = price.rates(usage.input);
        let first = |kinds: &[Rate]| kinds.iter().find_map(|kind| rates.get(*kind)).map(i128::from);
        let of = |count: u64, price: Option<i128>| {
            if count == 0 { Some(0) } else { price.map(|price| price * i128::from(count)) }
        };
        let cache = usage.cached_input + usage.cache_write + usage.cache_write_1h;
        let audio = usage.audio_input.min(usage.input.saturating_sub(cache));
        let pico = of(usage.input.saturating_sub(cache + audio), first(&[Rate::Input]))?
            + of(usage.cached_input, first(&[Rate::CachedInput, Rate::Input]))?
            + of(usage.cache_write, first(&[Rate::CacheWrite, Rate::Input]))?
            + of(usage.cache_write_1h, first(&[Rate::CacheWrite1h, Rate::CacheWrite, Rate::Input]))?
            + of(audio, first(&[Rate::AudioInput, Rate::Input]))?
            + of(usage.output.saturating_sub(usage.reasoning + usage.audio_output), first(&[Rate::Output]))?
            + of(usage.reasoning, first(&[Rate::Reasoning, Rate::Output]))?
            + of(usage.audio_output, first(&[Rate::AudioOutput, Rate::Output]))?
            + of(usage.images, price.unit(Unit::Image).map(i128::from))?
            + of(usage.characters, price.unit(Unit::Character).map(i128::from))?;
        let minutes_times_60_000 = of(usage.audio_ms, price.unit(Unit::AudioMinute).map(i128::from))?;
        let denominator = 60_000 * 1_000;
        Some((pico * 60_000 + minutes_times_60_000 + denominator - 1) / denominator)
    }

    proptest! {
        #[test]
        fn equals_the_rational_sum_rounded_up(price in any_price(), usage in any_usage()) {
            prop_assert_eq!(cost(&price, &usage).map(|cost| i128::from(cost.nanos())), naive(&price, &usage));
        }

        #[test]
        fn is_never_negative_and_nothing_costs_nothing(price in any_price(), usage in any_usage()) {
            prop_assert!(cost(&price, &usage).is_none_or(|cost| cost >= NanoUsd::ZERO));
            prop_assert_eq!(cost(&price, &Usage::default()), Some(NanoUsd::ZERO));
        }

        #[test]
        fn more_of_anything_never_costs_less(price in any_price(), usage in any_usage(), more in 1..3_000_u64, which in 0..5) {
            // The parts (cached, reasoning …) are left alone: more of a part is less of the rest.
            let mut larger = usage;
            let count = match which {
                0 => &mut larger.input,
                1 => &mut larger.output,
                2 => &mut larger.images,
                3 => &mut larger.characters,
                _ => &mut larger.audio_ms,
            };
            *count += more;
            let (Some(less), Some(more)) = (cost(&price, &usage), cost(&price, &larger)) else { return Ok(()) };
            prop_assert!(more >= less, "{less} > {more}");
        }
    }
}
