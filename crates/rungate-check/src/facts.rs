//! What a verdict rests on: everything that is known of an action and of its run, and nothing of what untrusted text says.

use rungate_core::id::TrailId;
use rungate_core::policy::detectors;
use rungate_core::trail::Completeness;
use serde::{Deserialize, Serialize};

use crate::action::{Action, SideEffect, name_words, side_effect};
use crate::normalise::{Kind, Leaf, TooMuch, flatten, mentions, typed};
use crate::state::{Origin, RunState};

/// Destinations of one action that are judged.
const MAX_DESTINATIONS: usize = 100;

/// Members whose value says where an action goes.
const DESTINATIONS: [&str; 36] = [
    "to",
    "recipient",
    "recipients",
    "receiver",
    "payee",
    "beneficiary",
    "iban",
    "account",
    "url",
    "uri",
    "link",
    "endpoint",
    "host",
    "domain",
    "webhook",
    "email",
    "emails",
    "address",
    "cc",
    "bcc",
    "participants",
    "attendees",
    "guests",
    "members",
    "user",
    "username",
    "channel",
    "chat",
    "room",
    "group",
    "phone",
    "wallet",
    "target",
    "destination",
    "invitees",
    "contact",
];
/// What names the thing that is reserved or ordered.
const BOOKED: [&str; 9] = ["name", "flight", "item", "product", "venue", "vendor", "title", "place", "id"];
/// What names who or what is written, sent or removed, without being a place that it goes to.
const FILES: [&str; 5] = ["file", "path", "filename", "folder", "directory"];

/// Where a destination comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// The user or the operator named it.
    User,
    /// Only untrusted text has it.
    UntrustedOnly,
    /// Nobody has.
    None,
}

impl Provenance {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::UntrustedOnly => "untrusted_only",
            Self::None => "none",
        }
    }
}

/// A value that says where an action goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// The argument, as a JSON Pointer.
    pub argument: String,
    /// What the value is; absent for plain words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<Kind>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// The event it was first seen in, where only untrusted text has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event_id: Option<TrailId>,
}

/// A secret in an argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretFound {
    /// The argument, as a JSON Pointer.
    pub argument: String,
    /// What kind of secret.
    pub detector: String,
}

/// Everything a verdict is computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The name of the action.
    pub action: String,
    /// What it does.
    pub side_effect: SideEffect,
    /// Where it goes.
    pub destinations: Vec<Destination>,
    /// Secrets in its arguments.
    pub secrets: Vec<SecretFound>,
    /// The first untrusted text that the run had read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub read_untrusted: Option<TrailId>,
    /// Whether the arguments fit the description; absent without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fits_schema: Option<bool>,
    /// Whether trusted text of the run was let go.
    pub forgot_trusted: bool,
    /// Whether the record of the run is whole.
    pub completeness: Completeness,
}

impl Facts {
    /// What is known of an action.
    ///
    /// # Errors
    /// When its arguments have more values or destinations than are looked at.
    pub fn of(state: &RunState, action: &Action) -> Result<Self, TooMuch> {
        let leaves = flatten(&action.arguments)?;
        let named = side_effect(&action.name);
        let mut destinations = Vec::new();
        for leaf in &leaves {
            destinations.extend(destinations_in(state, leaf, named));
            // One that is not looked at would go on unseen behind those that are.
            if destinations.len() > MAX_DESTINATIONS {
                return Err(TooMuch);
            }
        }
        let reaches_out = destinations.iter().any(|it| matches!(it.kind, Some(Kind::Url | Kind::Host)));
        // What looks somewhere outside tells the outside what it is looking for.
        let side_effect = if named == SideEffect::Read && reaches_out { SideEffect::Egress } else { named };
        Ok(Self {
            action: action.name.chars().take(200).collect(),
            side_effect,
            destinations,
            secrets: secrets(&leaves),
            read_untrusted: state.read_untrusted(),
            fits_schema: action.fits_schema,
            forgot_trusted: state.forgot_trusted(),
            completeness: Completeness::ReportedOnly,
        })
    }
}

fn destinations_in(state: &RunState, leaf: &Leaf, class: SideEffect) -> Vec<Destination> {
    let typed_whole = typed(&leaf.text);
    let names = name_words(&leaf.name);
    let is_named = |known: &[&str]| names.iter().any(|name| known.contains(&name.as_str()));
    let judged = |value: &str, typed: Option<crate::normalise::Typed>| {
        let origin = state.origin(value, typed.as_ref());
        let (provenance, event_id) = match origin {
            Origin::Trusted => (Provenance::User, None),
            Origin::UntrustedOnly(id) => (Provenance::UntrustedOnly, Some(id)),
            Origin::Nowhere => (Provenance::None, None),
        };
        Destination { argument: leaf.path.clone(), kind: typed.map(|it| it.kind), provenance, event_id }
    };
    if class == SideEffect::Read {
        // Only what reaches the outside.
        return match typed_whole {
            Some(typed) if matches!(typed.kind, Kind::Url | Kind::Host) => {
                vec![judged(&leaf.text, Some(typed))]
            }
            _ => Vec::new(),
        };
    }
    let is_destination = is_named(&DESTINATIONS)
        || (class == SideEffect::Book && is_named(&BOOKED))
        || (matches!(class, SideEffect::DataWrite | SideEffect::Delete | SideEffect::Execute)
            && is_named(&FILES));
    if typed_whole.as_ref().is_some_and(|it| it.kind != Kind::Path)
        || (is_destination && !leaf.text.is_empty())
    {
        return vec![judged(&leaf.text, typed_whole)];
    }
    // A destination inside another value, such as a web address in a subject.
    let inside = mentions(&leaf.text).into_iter();
    let outside = inside.filter(|it| matches!(it.kind, Kind::Url | Kind::Email | Kind::Wallet));
    outside.map(|typed| judged("", Some(typed))).collect()
}

fn secrets(leaves: &[Leaf]) -> Vec<SecretFound> {
    let detectors = || detectors().iter().filter(|it| matches!(it.name(), "api_key" | "private_key"));
    let mut found = Vec::new();
    for leaf in leaves.iter().filter(|leaf| leaf.is_text) {
        for detector in detectors().filter(|detector| detector.finds(&leaf.text)) {
            found.push(SecretFound { argument: leaf.path.clone(), detector: detector.name().to_owned() });
        }
    }
    // Split over arguments.
    if found.is_empty() {
        let plain = leaves.iter().filter(|leaf| leaf.is_text && typed(&leaf.text).is_none());
        let joined: String = plain.map(|leaf| leaf.text.trim()).collect();
        for detector in detectors().filter(|detector| detector.finds(&joined)) {
            found.push(SecretFound { argument: String::new(), detector: detector.name().to_owned() });
        }
    }
    found
}
