//! What a request says about caching: in headers of ours, and in HTTP's own `Cache-Control`.

/// What the headers of a request say: `Alephant-Cache-*`, of which `None` was not sent, and HTTP's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheWish {
    /// `-Cache-Enabled`: both of the next two, where they are not sent.
    pub enabled: Option<bool>,
    /// `-Cache-Read`: a kept answer may be given.
    pub read: Option<bool>,
    /// `-Cache-Save`: the answer may be kept.
    pub save: Option<bool>,
    /// `-Cache-Control`: seconds that an answer may be old, and is kept.
    pub max_age: Option<u64>,
    /// `-Cache-Bucket-Max-Size`: so many answers to equal requests are kept beside each other.
    pub bucket: Option<u8>,
    /// `-Cache-Seed`: only requests with the same one share answers.
    pub seed: Option<String>,
    /// `Cache-Control`.
    pub control: CacheControl,
}

impl CacheWish {
    /// Whether caching is asked for.
    pub fn asks(&self) -> bool {
        [self.enabled, self.read, self.save].contains(&Some(true))
    }
}

/// The directives of a request's `Cache-Control` that bear on answers kept by a gateway; others are let be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// The answer is not to be kept, nor to be a kept one.
    pub no_store: bool,
    /// A new answer is wanted; it may be kept.
    pub no_cache: bool,
    /// A kept answer may be so many seconds old.
    pub max_age: Option<u64>,
}

impl CacheControl {
    /// Reads the values of all `Cache-Control` headers of a request. A `max-age` that is no number counts as zero: the client
    /// wants something fresh.
    pub fn read<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut control = Self::default();
        for directive in values.flat_map(|value| value.split(',')) {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" => control.no_store = true,
                "no-cache" => control.no_cache = true,
                "max-age" => {
                    let seconds = argument.trim().trim_matches('"').parse().unwrap_or(0);
                    control.max_age = Some(control.max_age.map_or(seconds, |least| least.min(seconds)));
                }
                _ => {}
            }
        }
        control
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_read_as_http_has_it() {
        let read = |values: &[&str]| CacheControl::read(values.iter().copied());
        let nothing = CacheControl::default();
        assert_eq!(read(&[]), nothing);
        assert_eq!(read(&["no-transform, only-if-cached"]), nothing);
        assert_eq!(read(&["No-Store"]), CacheControl { no_store: true, ..nothing });
        assert_eq!(
            read(&["no-cache , max-age=30", "max-age=\"20\""]),
            CacheControl { no_cache: true, max_age: Some(20), ..nothing }
        );
        assert_eq!(read(&["max-age=soon"]), CacheControl { max_age: Some(0), ..nothing });
    }
}
