//! Exact money: integer nano-dollars. One US dollar is 1 000 000 000 nano-dollars.
//!
//! There is no conversion from a float: a price list is read as decimal text, a limit as decimal text or an
//! integer, and nothing in between can round.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nano-dollars in one US dollar.
pub const NANO_PER_USD: i64 = 1_000_000_000;

/// An amount of US dollars in integer nano-dollars (1e-9 USD).
///
/// The range is about ±9.22 billion USD. On the wire it is a string of an integer (`"12000"`), since JSON
/// readers lose integers above 2^53; both a string and an integer are accepted when reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(i64);

/// Why a text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// More than nine decimals, so it cannot be held exactly.
    #[error("more than nine decimals of a US dollar")]
    TooPrecise,
    /// Above 9.2 billion US dollars.
    #[error("out of range: above 9.2 billion US dollars")]
    OutOfRange,
}

impl NanoUsd {
    /// No money. Not "unknown": an unknown amount is `None`.
    pub const ZERO: Self = Self(0);
    /// The largest amount that can be held.
    pub const MAX: Self = Self(i64::MAX);

    /// An amount from integer nano-dollars.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The amount in integer nano-dollars.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Reads a decimal amount of US dollars, such as `0.000012` or `50`, exactly.
    pub fn parse_usd(text: &str) -> Result<Self, MoneyError> {
        parse_scaled(text, 9).map(Self)
    }

    /// `self + other`, or `None` when the sum is out of range.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `self + other`, held at the ends of the range.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `self - other`, held at the ends of the range.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The amount as decimal text in US dollars, exact, without trailing zeros: `0.000012`.
    pub fn to_usd_text(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        if rest == 0 {
            return format!("{sign}{whole}");
        }
        let digits = format!("{rest:09}");
        format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
    }

    /// The amount as a JSON number in US dollars, exact to nine decimals.
    pub fn to_usd_number(self) -> serde_json::Number {
        json_number(&self.to_usd_text())
    }

    /// The amount as a JSON number in US cents; may be fractional (one nano-dollar is 1e-7 cents).
    pub fn to_cents_number(self) -> serde_json::Number {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let (whole, rest) = (nanos / 10_000_000, nanos % 10_000_000);
        if rest == 0 {
            return json_number(&format!("{sign}{whole}"));
        }
        let digits = format!("{rest:07}");
        json_number(&format!("{sign}{whole}.{}", digits.trim_end_matches('0')))
    }
}

/// Decimal text that this module printed, as a JSON number. The nearest double to at most nine decimals prints
/// back as the same decimals for amounts below four million dollars; above, integers and cents stay right.
fn json_number(text: &str) -> serde_json::Number {
    if let Ok(integer) = text.parse::<i64>() {
        return integer.into();
    }
    text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).unwrap_or_else(|| 0.into())
}

/// Reads decimal text as an integer scaled by ten to the power `decimals`, exactly; exponents are accepted.
pub fn parse_scaled(text: &str, decimals: i32) -> Result<i64, MoneyError> {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.parse::<i32>().map_err(|_| MoneyError::NotANumber)?)
        }
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(MoneyError::NotANumber);
    }
    if whole.len() + fraction.len() > 60 || !(-60..=60).contains(&exponent) {
        return Err(MoneyError::OutOfRange);
    }
    let fraction = fraction.trim_end_matches('0');
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(i128::from(digit - b'0')))
            .ok_or(MoneyError::OutOfRange)?;
    }
    let shift = decimals + exponent - i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let scaled = if shift >= 0 {
        10_i128
            .checked_pow(shift.unsigned_abs())
            .and_then(|factor| value.checked_mul(factor))
            .ok_or(MoneyError::OutOfRange)?
    } else {
        let divisor = 10_i128.checked_pow(shift.unsigned_abs()).ok_or(MoneyError::TooPrecise)?;
        if value % divisor != 0 {
            return Err(MoneyError::TooPrecise);
        }
        value / divisor
    };
    i64::try_from(if negative { -scaled } else { scaled }).map_err(|_| MoneyError::OutOfRange)
}

impl Add for NanoUsd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

impl AddAssign for NanoUsd {
    fn add_assign(&mut self, other: Self) {
        *self = self.saturating_add(other);
    }
}

impl Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.to_usd_text())
    }
}

impl Serialize for NanoUsd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NanoUsd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = NanoUsd;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer of nano-dollars, as a string or a number")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<NanoUsd, E> {
                text.parse().map(NanoUsd).map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<NanoUsd, E> {
                Ok(NanoUsd(value))
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<NanoUsd, E> {
                i64::try_from(value).map(NanoUsd).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_decimal_dollars_exactly() {
        assert_eq!(NanoUsd::parse_usd("0.000012"), Ok(NanoUsd(12_000)));
        assert_eq!(NanoUsd::parse_usd("1.5e-7"), Ok(NanoUsd(150)));
        assert_eq!(NanoUsd::parse_usd("50"), Ok(NanoUsd(50 * NANO_PER_USD)));
        assert_eq!(NanoUsd::parse_usd("-0.5"), Ok(NanoUsd(-NANO_PER_USD / 2)));
        assert_eq!(NanoUsd::parse_usd("0.0000000001"), Err(MoneyError::TooPrecise));
        assert_eq!(NanoUsd::parse_usd("1e30"), Err(MoneyError::OutOfRange));
        for bad in ["", ".", "-", "1,5", "0x1", "NaN", "1.2.3", "1e", "e5"] {
            assert_eq!(NanoUsd::parse_usd(bad), Err(MoneyError::NotANumber), "{bad:?}");
        }
    }

    #[test]
    fn prints_a_sub_cent_spend() {
        assert_eq!(NanoUsd(1).to_usd_text(), "0.000000001");
        assert_eq!(NanoUsd(12_000).to_usd_number().to_string(), "0.000012");
        assert_eq!(NanoUsd(125_000_000).to_cents_number().to_string(), "12.5");
        assert_eq!(serde_json::to_string(&NanoUsd(12_000)).unwrap(), "\"12000\"");
    }

    proptest! {
        #[test]
        fn dollar_text_round_trips(nanos: i64) {
            let amount = NanoUsd(nanos);
            prop_assert_eq!(NanoUsd::parse_usd(&amount.to_usd_text()), Ok(amount));
        }

        #[test]
        fn the_json_number_agrees_with_the_integer(nanos in -4_000_000_000_000_000_i64..4_000_000_000_000_000) {
            let amount = NanoUsd(nanos);
            prop_assert_eq!(NanoUsd::parse_usd(&amount.to_usd_number().to_string()), Ok(amount));
        }
    }
}
