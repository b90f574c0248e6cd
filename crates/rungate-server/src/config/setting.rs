//! The types a key can have: how each is read, what it allows, and how it is written.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use rungate_core::secret::Secret;
use rungate_gateway::egress::EgressRules;
use rungate_store::DatabaseUrl;

/// A value as it was given: in the file, or as text in the environment or a flag.
#[derive(Debug, Clone, Copy)]
pub enum Given<'a> {
    /// From the file.
    Toml(&'a toml::Value),
    /// From the environment or a flag.
    Text(&'a str),
}

/// A type that a key can have.
pub trait Setting: Sized {
    /// Whether the value must not be shown.
    const SECRET: bool = false;

    /// What may be given, for people.
    fn allowed() -> Cow<'static, str>;

    /// Reads a value; `None` when it is not allowed.
    fn read(given: Given<'_>) -> Option<Self>;

    /// The value as TOML; `None` when nothing is set.
    fn show(&self) -> Option<String>;
}

impl<'a> Given<'a> {
    fn text(self) -> Option<&'a str> {
        match self {
            Self::Toml(value) => value.as_str(),
            Self::Text(text) => Some(text),
        }
    }

    /// The text of a choice.
    pub fn choice(self) -> Option<&'a str> {
        self.text().map(str::trim)
    }

    fn number(self) -> Option<u64> {
        match self {
            Self::Toml(value) => value.as_integer().and_then(|number| u64::try_from(number).ok()),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }

    /// The value for people: as it would stand in the file.
    pub fn display(self) -> String {
        match self {
            Self::Toml(value) => value.to_string(),
            Self::Text(text) => quoted(text),
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Setting for bool {
    fn allowed() -> Cow<'static, str> {
        "true or false".into()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        match given {
            Given::Toml(value) => value.as_bool(),
            Given::Text(text) => text.trim().parse().ok(),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for SocketAddr {
    fn allowed() -> Cow<'static, str> {
        "an address and a port, such as 127.0.0.1:8787 or [::]:8787".into()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        given.text()?.trim().parse().ok()
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Setting for PathBuf {
    fn allowed() -> Cow<'static, str> {
        "a path".into()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        given.text().filter(|text| !text.is_empty()).map(Self::from)
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string_lossy()))
    }
}

impl Setting for IpNet {
    fn allowed() -> Cow<'static, str> {
        "an address or a network, such as 10.0.0.1 or 10.0.0.0/8".into()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        let text = given.text()?.trim();
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Self::from))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Setting for Secret {
    const SECRET: bool = true;

    fn allowed() -> Cow<'static, str> {
        "text".into()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        given.text().filter(|text| !text.is_empty()).map(|text| Self::new(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        None
    }
}

impl Setting for DatabaseUrl {
    const SECRET: bool = true;

    fn allowed() -> Cow<'static, str> {
        Self::ALLOWED.into()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        given.text().and_then(Self::parse)
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl<T: Setting> Setting for Option<T> {
    const SECRET: bool = T::SECRET;

    fn allowed() -> Cow<'static, str> {
        T::allowed()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        T::read(given).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(T::show)
    }
}

/// A list; in the environment its entries are parted by commas.
impl<T: Setting> Setting for Vec<T> {
    fn allowed() -> Cow<'static, str> {
        format!("a list, each entry {}", T::allowed()).into()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        match given {
            Given::Toml(value) => value.as_array()?.iter().map(|entry| T::read(Given::Toml(entry))).collect(),
            Given::Text(text) => {
                let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
                entries.map(|entry| T::read(Given::Text(entry))).collect()
            }
        }
    }

    fn show(&self) -> Option<String> {
        let entries: Vec<String> = self.iter().filter_map(T::show).collect();
        Some(format!("[{}]", entries.join(", ")))
    }
}

/// A whole number within bounds, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// A number known to be within the bounds; held to them otherwise.
    pub const fn new(number: u64) -> Self {
        if number < MIN {
            Self(MIN)
        } else if number > MAX {
            Self(MAX)
        } else {
            Self(number)
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> Setting for Whole<MIN, MAX> {
    fn allowed() -> Cow<'static, str> {
        format!("a whole number from {MIN} to {MAX}").into()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        given.number().filter(|number| (MIN..=MAX).contains(number)).map(Self)
    }

    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// A number of bytes, at least `MIN`: a plain number, or one with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size<const MIN: u64>(u64);

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

impl<const MIN: u64> Size<MIN> {
    /// A number known to be large enough; held to the bound otherwise.
    pub const fn new(bytes: u64) -> Self {
        Self(if bytes < MIN { MIN } else { bytes })
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl<const MIN: u64> Setting for Size<MIN> {
    fn allowed() -> Cow<'static, str> {
        let least = Self(MIN).show().unwrap_or_default();
        format!("a number of bytes such as 65536, \"64KiB\", \"512MiB\" or \"4GiB\", at least {least}").into()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        let bytes = given.number().or_else(|| {
            let text = given.text()?.trim();
            let (number, unit) =
                UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))?;
            number.trim_end().parse::<u64>().ok()?.checked_mul(unit)
        })?;
        (bytes >= MIN).then_some(Self(bytes))
    }

    fn show(&self) -> Option<String> {
        // Zero has no unit of its own.
        let fits = |unit: u64| unit == 1 || (self.0 >= unit && self.0.is_multiple_of(unit));
        let (name, unit) = UNITS.into_iter().find(|(_, unit)| fits(*unit))?;
        let number = self.0 / unit;
        Some(if name.is_empty() { number.to_string() } else { quoted(&format!("{number}{name}")) })
    }
}

/// A host, address or network that the gateway may connect to although it is private.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressEntry(String);

impl AsRef<str> for EgressEntry {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Setting for EgressEntry {
    fn allowed() -> Cow<'static, str> {
        "a host name, an address or a network, such as gpu.internal or 10.0.0.0/8".into()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        let text = given.text()?.trim();
        EgressRules::parse(&[text]).ok().map(|_| Self(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}

/// What is logged: a level, or levels per target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelFilter(String);

impl LevelFilter {
    /// A filter known to be well-formed.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The filter's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for LevelFilter {
    fn allowed() -> Cow<'static, str> {
        "error, warn, info, debug or trace, or levels per target such as info,rungate_gateway=debug".into()
    }

    fn read(given: Given<'_>) -> Option<Self> {
        let text = given.text()?.trim();
        let well_formed = text.split(',').all(|part| {
            let (target, level) = part.rsplit_once('=').unwrap_or(("-", part));
            !target.trim().is_empty()
                && ["off", "error", "warn", "info", "debug", "trace"].contains(&level.trim())
        });
        well_formed.then(|| Self(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}

/// Makes an enum a type that a key can have.
macro_rules! choice {
    ($name:ty { $($text:literal => $variant:path),+ $(,)? }) => {
        impl $crate::config::setting::Setting for $name {
            fn allowed() -> ::std::borrow::Cow<'static, str> {
                [$($text),+].join(", ").into()
            }

            fn read(given: $crate::config::setting::Given<'_>) -> Option<Self> {
                match given.choice()? {
                    $($text => Some($variant),)+
                    _ => None,
                }
            }

            fn show(&self) -> Option<String> {
                Some(match self { $($variant => concat!("\"", $text, "\"")),+ }.to_owned())
            }
        }
    };
}
pub(crate) use choice;

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Setting>(text: &str) -> Option<T> {
        T::read(Given::Text(text))
    }

    #[test]
    fn sizes_take_units() {
        assert_eq!(read::<Size<1>>("4GiB").unwrap().bytes(), 4 << 30);
        assert_eq!(read::<Size<1>>("64 KiB").unwrap().bytes(), 65_536);
        assert_eq!(read::<Size<1>>("1000").unwrap().show().unwrap(), "1000");
        assert_eq!(Size::<1>::new(512 << 20).show().unwrap(), "\"512MiB\"");
        for bad in ["", "4GB", "-1", "4 G", "99999999999GiB"] {
            assert_eq!(read::<Size<1>>(bad), None, "{bad:?}");
        }
        assert_eq!(read::<Size<4096>>("4095"), None);
    }

    #[test]
    fn numbers_keep_their_bounds() {
        assert_eq!(read::<Whole<1, 10>>("10").unwrap().get(), 10);
        assert_eq!(read::<Whole<1, 10>>("11"), None);
        assert_eq!(Whole::<1, 10>::read(Given::Toml(&toml::Value::Integer(-1))), None);
    }

    #[test]
    fn lists_are_parted_by_commas() {
        let nets: Vec<IpNet> = read("10.0.0.0/8, 192.168.1.1").unwrap();
        assert_eq!(nets.show().unwrap(), "[\"10.0.0.0/8\", \"192.168.1.1/32\"]");
        assert_eq!(read::<Vec<IpNet>>("10.0.0.0/8,nonsense"), None);
        assert!(read::<Vec<EgressEntry>>("gpu.internal,127.0.0.0/8").is_some());
        assert!(read::<Vec<EgressEntry>>("not a host").is_none());
    }

    #[test]
    fn a_level_is_checked() {
        assert!(read::<LevelFilter>("info,rungate_gateway=debug").is_some());
        for bad in ["", "loud", "rungate=loud", "=info"] {
            assert!(read::<LevelFilter>(bad).is_none(), "{bad:?}");
        }
    }
}
