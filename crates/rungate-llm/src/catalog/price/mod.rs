//! Prices as exact integers; `wire` reads and writes them as decimal US dollars.

mod dated;
mod wire;

pub use dated::{Dated, Prices};

/// A price per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Input that is none of the kinds below.
    Input,
    /// Output that is none of the kinds below.
    Output,
    /// Input read from the provider's prompt cache.
    CachedInput,
    /// Input written to the provider's prompt cache, for its default lifetime.
    CacheWrite,
    /// Input written to the provider's prompt cache for an hour.
    CacheWrite1h,
    /// Output spent on reasoning.
    Reasoning,
    /// Input that is audio.
    AudioInput,
    /// Output that is audio.
    AudioOutput,
}

/// A price per something else than a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// An image made.
    Image,
    /// A character read aloud; stated per million.
    Character,
    /// A minute of audio transcribed.
    AudioMinute,
}

impl Rate {
    /// Every rate, in the order they are written.
    pub const ALL: [Self; 8] = [
        Self::Input,
        Self::Output,
        Self::CachedInput,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::Reasoning,
        Self::AudioInput,
        Self::AudioOutput,
    ];

    /// Its field, in US dollars per million tokens.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Input => "inputPerMTok",
            Self::Output => "outputPerMTok",
            Self::CachedInput => "cachedInputPerMTok",
            Self::CacheWrite => "cacheWritePerMTok",
            Self::CacheWrite1h => "cacheWrite1hPerMTok",
            Self::Reasoning => "reasoningPerMTok",
            Self::AudioInput => "audioInputPerMTok",
            Self::AudioOutput => "audioOutputPerMTok",
        }
    }
}

impl Unit {
    /// Every unit, in the order they are written.
    pub const ALL: [Self; 3] = [Self::Image, Self::Character, Self::AudioMinute];

    /// Its field, in US dollars per image, million characters, or minute.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Image => "perImage",
            Self::Character => "perMCharacters",
            Self::AudioMinute => "perAudioMinute",
        }
    }

    /// Decimals that are held: such that one unit has an integer price in pico-dollars.
    const fn decimals(self) -> u8 {
        match self {
            Self::Character => 6,
            Self::Image | Self::AudioMinute => 12,
        }
    }
}

/// Prices per token, each in pico-dollars (1e-12 USD): one dollar per million tokens is a million of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates([Amount; Rate::ALL.len()]);

/// A price that may be unknown, in half the room of an `Option`: a catalogue holds tens of thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Amount(i64);

impl Amount {
    /// No price is negative.
    const UNKNOWN: Self = Self(-1);

    const fn known(self) -> Option<i64> {
        if self.0 < 0 { None } else { Some(self.0) }
    }
}

impl Default for Amount {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl From<Option<i64>> for Amount {
    fn from(amount: Option<i64>) -> Self {
        amount.map_or(Self::UNKNOWN, Self)
    }
}

impl Rates {
    /// A rate in pico-dollars per token.
    pub const fn get(&self, rate: Rate) -> Option<i64> {
        self.0[rate as usize].known()
    }

    /// These rates, and those of `base` where there is none.
    fn or(self, base: Self) -> Self {
        let mut rates = self;
        for (own, base) in rates.0.iter_mut().zip(base.0) {
            *own = own.known().or(base.known()).into();
        }
        rates
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|amount| amount.known().is_none())
    }
}

/// Other prices for the whole request once its input is large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// The tier is for requests with more input tokens than this.
    pub above_input_tokens: u64,
    /// What it changes; other rates stay as they are.
    pub rates: Rates,
}

/// What a model costs.
///
/// On the wire an object of decimal strings, such as `{"inputPerMTok": "0.15", "outputPerMTok": "0.6"}`; see
/// [`Rate::field`] and [`Unit::field`] for the fields. `tiers` is a list of `{"aboveInputTokens": 200000, …}` with the
/// fields of rates, in ascending order. Reading refuses unknown fields, numbers that are not strings, negative prices,
/// more decimals than can be held exactly (six per million, twelve per unit), and prices nobody asks; the error names the
/// field and the rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Price {
    rates: Rates,
    units: [Amount; Unit::ALL.len()],
    tiers: Box<[Tier]>,
}

impl Price {
    /// The rates of a request with so many input tokens, cached ones included.
    pub fn rates(&self, input_tokens: u64) -> Rates {
        let reached = self.tiers.iter().rev().find(|tier| input_tokens > tier.above_input_tokens);
        reached.map_or(self.rates, |tier| tier.rates.or(self.rates))
    }

    /// A price in pico-dollars per image, character, or minute.
    pub const fn unit(&self, unit: Unit) -> Option<i64> {
        self.units[unit as usize].known()
    }

    /// The tiers, lowest first.
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// Whether nothing is priced above zero.
    pub fn is_free(&self) -> bool {
        let tiers = self.tiers.iter().flat_map(|tier| tier.rates.0);
        self.rates
            .0
            .into_iter()
            .chain(self.units)
            .chain(tiers)
            .filter_map(Amount::known)
            .all(|price| price == 0)
    }
}
