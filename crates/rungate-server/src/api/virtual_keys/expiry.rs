//! When a virtual key ends, as it was asked for.

use std::time::Duration;

use rungate_core::agent::ExpiryPreset;
use rungate_core::time::Timestamp;

use crate::api::error::ApiError;

/// The preset and the time it means: `custom` needs a time, and a time alone is `custom`.
pub fn resolve(
    preset: Option<ExpiryPreset>,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(ExpiryPreset, Option<Timestamp>), ApiError> {
    let preset = preset.unwrap_or(if at.is_some() { ExpiryPreset::Custom } else { ExpiryPreset::Never });
    let days = match (preset, at) {
        (ExpiryPreset::Custom, Some(at)) if at > now => return Ok((preset, Some(at))),
        (ExpiryPreset::Custom, Some(_)) => {
            return Err(ApiError::field("expiresAt", "range", "must be in the future"));
        }
        (ExpiryPreset::Custom, None) => {
            return Err(ApiError::field("expiresAt", "required", "is required where expiryPreset is custom"));
        }
        (_, Some(_)) => {
            return Err(ApiError::field("expiresAt", "conflict", "is only for the expiryPreset custom"));
        }
        (ExpiryPreset::Never, None) => return Ok((preset, None)),
        (ExpiryPreset::Days7, None) => 7,
        (ExpiryPreset::Days30, None) => 30,
        (ExpiryPreset::Days90, None) => 90,
    };
    Ok((preset, Some(now.plus(Duration::from_hours(24 * days)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_means_a_time() {
        let now = Timestamp::from_millis(1_000);
        let later = now.plus(Duration::from_secs(1));
        assert_eq!(resolve(None, None, now).unwrap(), (ExpiryPreset::Never, None));
        assert_eq!(resolve(None, Some(later), now).unwrap(), (ExpiryPreset::Custom, Some(later)));
        let week = now.plus(Duration::from_hours(168));
        assert_eq!(resolve(Some(ExpiryPreset::Days7), None, now).unwrap(), (ExpiryPreset::Days7, Some(week)));
        for (preset, at) in [
            (Some(ExpiryPreset::Custom), None),
            (Some(ExpiryPreset::Custom), Some(now)),
            (Some(ExpiryPreset::Never), Some(later)),
        ] {
            assert!(resolve(preset, at, now).is_err());
        }
    }
}
