//! What an agent is about to do, and what kind of thing that is.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::normalise::words;

/// What an action does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SideEffect {
    /// It looks, and changes nothing.
    Read,
    /// It takes data elsewhere.
    Egress,
    /// It says something to somebody.
    Message,
    /// It moves money.
    Money,
    /// It changes how somebody proves who they are.
    Credential,
    /// It changes who may do what.
    Permission,
    /// It writes data.
    DataWrite,
    /// It removes something.
    Delete,
    /// It reserves or orders something.
    Book,
    /// It runs something.
    Execute,
    /// Nobody knows: as if it had one.
    Unknown,
}

impl SideEffect {
    /// Its name in facts and reasons.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Egress => "egress",
            Self::Message => "message",
            Self::Money => "money",
            Self::Credential => "credential",
            Self::Permission => "permission",
            Self::DataWrite => "data_write",
            Self::Delete => "delete",
            Self::Book => "book",
            Self::Execute => "execute",
            Self::Unknown => "unknown",
        }
    }
}

/// An action as it was asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Its name.
    pub name: String,
    /// Its arguments, an object.
    pub arguments: Value,
    /// Whether they fit its description; absent without one.
    pub fits_schema: Option<bool>,
}

/// What a word in the name of an action says of it; general verbs and nouns. Of several classes the first in this list counts.
const WORDS: [(SideEffect, &[&str]); 9] = [
    (
        SideEffect::Credential,
        &["password", "passwd", "credential", "credentials", "secret", "token", "mfa", "otp"],
    ),
    (
        SideEffect::Permission,
        &["grant", "permission", "permissions", "role", "authorize", "share", "invite", "access"],
    ),
    (
        SideEffect::Money,
        &[
            "pay",
            "payment",
            "payout",
            "transfer",
            "money",
            "funds",
            "charge",
            "refund",
            "purchase",
            "buy",
            "withdraw",
            "deposit",
            "donate",
            "transaction",
            "invoice",
            "subscribe",
        ],
    ),
    (
        SideEffect::Delete,
        &["delete", "remove", "drop", "erase", "purge", "destroy", "cancel", "revoke", "wipe"],
    ),
    (SideEffect::Execute, &["run", "execute", "exec", "shell", "eval", "deploy", "install", "command"]),
    (
        SideEffect::Message,
        &[
            "send", "email", "mail", "message", "sms", "post", "reply", "notify", "publish", "tweet",
            "comment", "call",
        ],
    ),
    (SideEffect::Book, &["book", "reserve", "order", "rent", "checkout"]),
    (SideEffect::Egress, &["upload", "http", "request", "webhook", "export", "sync"]),
    (
        SideEffect::DataWrite,
        &[
            "create",
            "update",
            "write",
            "edit",
            "set",
            "insert",
            "add",
            "append",
            "save",
            "modify",
            "rename",
            "move",
            "schedule",
            "change",
            "put",
            "patch",
            "assign",
            "copy",
            "reschedule",
        ],
    ),
];

/// Verbs that a name of something that only looks begins with.
const LOOKS: [&str; 21] = [
    "get",
    "list",
    "read",
    "search",
    "find",
    "fetch",
    "lookup",
    "look",
    "check",
    "view",
    "show",
    "query",
    "count",
    "describe",
    "retrieve",
    "summarize",
    "calculate",
    "compare",
    "validate",
    "is",
    "has",
];

/// What an action does, by its name: nobody has said more.
pub fn side_effect(name: &str) -> SideEffect {
    let words = name_words(name);
    if words.first().is_some_and(|verb| LOOKS.contains(&verb.as_str())) {
        return SideEffect::Read;
    }
    let says = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    WORDS.iter().find(|(_, known)| says(known)).map_or(SideEffect::Unknown, |(class, _)| *class)
}

/// The words of a name such as `send_money`, `sendMoney` or `payments.send`.
pub(crate) fn name_words(name: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(name.len() + 8);
    let mut was_lower = false;
    for character in name.chars() {
        if character.is_uppercase() && was_lower {
            spaced.push(' ');
        }
        was_lower = character.is_lowercase() || character.is_ascii_digit();
        spaced.push(if character == '_' { ' ' } else { character });
    }
    words(&spaced)
}

impl Action {
    /// SHA-256 of name and arguments, in hexadecimal: what an approval is for. Members stand in the order of their names.
    pub fn hash(&self) -> String {
        let digest = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update([0])
            .chain_update(self.arguments.to_string().as_bytes())
            .finalize();
        digest.iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_say_what_actions_do() {
        for (name, class) in [
            ("get_balance", SideEffect::Read),
            ("searchInvoices", SideEffect::Read),
            ("list_payments", SideEffect::Read),
            ("payInvoice", SideEffect::Money),
            ("transfer_funds", SideEffect::Money),
            ("send_email", SideEffect::Message),
            ("mail.send", SideEffect::Message),
            ("delete_file", SideEffect::Delete),
            ("update_password", SideEffect::Credential),
            ("grant_access", SideEffect::Permission),
            ("create_event", SideEffect::DataWrite),
            ("run_shell", SideEffect::Execute),
            ("frobnicate", SideEffect::Unknown),
            ("", SideEffect::Unknown),
        ] {
            assert_eq!(side_effect(name), class, "{name}");
        }
    }

    #[test]
    fn an_action_is_the_same_however_its_members_are_ordered_and_another_when_anything_differs() {
        let action =
            |name: &str, arguments: Value| Action { name: name.into(), arguments, fits_schema: None }.hash();
        let one = action("pay", json!({"to": "a", "amount": 1}));
        assert_eq!(one, action("pay", serde_json::from_str("{\"amount\": 1, \"to\": \"a\"}").unwrap()));
        for other in
            [action("pay", json!({"to": "a", "amount": 2})), action("play", json!({"to": "a", "amount": 1}))]
        {
            assert_ne!(one, other);
        }
    }
}
