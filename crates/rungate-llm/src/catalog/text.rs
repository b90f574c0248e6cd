//! A catalogue as text, and the id that is made of what is in it.

use sha2::{Digest as _, Sha256};

use super::{Catalogue, Model};

/// Bytes of the hash that stand in an id.
const HASH_BYTES: usize = 4;

impl Catalogue {
    /// The catalogue in the form that [`Catalogue::parse`] reads, one model a line.
    pub fn to_text(&self) -> String {
        let id = serde_json::Value::from(self.snapshot_id());
        format!("{{\"snapshotId\": {id}, \"models\": [\n{}\n]}}\n", lines(&self.models))
    }

    /// Whether the id ends in the hash of the models.
    pub fn is_sealed(&self) -> bool {
        let hash = hash(&self.models);
        self.snapshot_id.rsplit_once('-').is_some_and(|(_, end)| end == hash)
    }

    /// The same models under an id that ends in their hash: the id as it is where it does, else with the hash put behind
    /// it. So two catalogues of one id are the same.
    #[must_use]
    pub fn sealed(self) -> Self {
        if self.is_sealed() {
            return self;
        }
        let snapshot_id = format!("{}-{}", self.snapshot_id, hash(&self.models)).into();
        Self { snapshot_id, ..self }
    }
}

fn lines(models: &[Model]) -> String {
    // A model is texts and numbers, so it is always JSON.
    let lines: Vec<String> =
        models.iter().map(|model| serde_json::to_string(model).unwrap_or_default()).collect();
    lines.join(",\n")
}

fn hash(models: &[Model]) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(lines(models));
    digest.iter().take(HASH_BYTES).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_catalogue_is_written_as_it_stands_and_its_id_is_that_of_its_models() {
        let embedded = Catalogue::embedded().unwrap();
        assert!(embedded.is_sealed(), "{}", embedded.snapshot_id());
        assert!(embedded.to_text() == include_str!("../../catalogue/models.json"));
    }

    #[test]
    fn an_id_changes_with_the_models() {
        let of = |id: &str, price: &str| {
            let text = format!(
                r#"{{"snapshotId": "{id}", "models": [{{"provider": "openai", "id": "m", "mode": "chat", "prices": {{"inputPerMTok": "{price}"}}}}]}}"#
            );
            Catalogue::parse(&text).unwrap().sealed()
        };
        let one = of("mine", "1");
        assert!(one.is_sealed() && one.snapshot_id().starts_with("mine-"));
        assert_eq!(of(one.snapshot_id(), "1").snapshot_id(), one.snapshot_id());
        assert_ne!(of("mine", "2").snapshot_id(), one.snapshot_id());
        assert_ne!(of(one.snapshot_id(), "2").snapshot_id(), one.snapshot_id());
    }
}
