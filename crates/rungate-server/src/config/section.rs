//! A section of the configuration: its keys, each with its documentation, its type and its default, in one place.

use std::borrow::Cow;

use crate::config::setting::{Given, Setting};

/// A key as people see it.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// What it does; one entry per line.
    pub about: &'static [&'static str],
    /// What may be given.
    pub allowed: Cow<'static, str>,
    /// The value it has, as TOML; `None` when nothing is set.
    pub value: Option<String>,
}

/// Why a value was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The section has no such key.
    UnknownKey,
    /// The key allows something else.
    Value {
        /// What was given, for people.
        value: String,
        /// What may be given.
        allowed: Cow<'static, str>,
    },
}

/// A section of the configuration.
pub trait Section {
    /// What it is about; one entry per line.
    fn about(&self) -> &'static [&'static str];

    /// Its keys, in order, with their present values.
    fn keys(&self) -> Vec<Key>;

    /// Gives a key a value.
    fn set(&mut self, key: &str, given: Given<'_>) -> Result<(), Refused>;
}

/// Reads the value of a key.
pub fn read<T: Setting>(given: Given<'_>) -> Result<T, Refused> {
    T::read(given).ok_or_else(|| Refused::Value {
        value: if T::SECRET { "[secret]".to_owned() } else { given.display() },
        allowed: T::allowed(),
    })
}

/// Defines a section: a struct, its defaults, and what [`Section`] tells of them.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident {
            $($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr;)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $key: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        impl $crate::config::section::Section for $name {
            fn about(&self) -> &'static [&'static str] {
                &[$($about),+]
            }

            fn keys(&self) -> Vec<$crate::config::section::Key> {
                vec![$($crate::config::section::Key {
                    name: stringify!($key),
                    about: &[$($doc),+],
                    allowed: <$type as $crate::config::setting::Setting>::allowed(),
                    value: $crate::config::setting::Setting::show(&self.$key),
                }),+]
            }

            fn set(
                &mut self,
                key: &str,
                given: $crate::config::setting::Given<'_>,
            ) -> Result<(), $crate::config::section::Refused> {
                match key {
                    $(stringify!($key) => self.$key = $crate::config::section::read(given)?,)+
                    _ => return Err($crate::config::section::Refused::UnknownKey),
                }
                Ok(())
            }
        }
    };
}
pub(crate) use section;
