//! Conditions of queries, built once for every SQL backend.

use std::fmt::Write as _;

use rungate_core::page::{Order, PageRequest, Position};
use rungate_core::ports::StoreError;
use uuid::Uuid;

/// What differs between the backends' SQL.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Opens a numbered placeholder.
    pub placeholder: char,
    /// The function that finds a text in a text: `(haystack, needle)` gives its place from 1, or 0.
    pub find: &'static str,
    /// The column of an exchange that its properties refer to it by.
    pub exchange_key: &'static str,
}

/// A value to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Text.
    Text(String),
    /// A text to find in another.
    Part(String),
    /// An integer.
    Integer(i64),
    /// A UUID.
    Uuid(Uuid),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Uuid(id)
    }
}

/// Conditions joined by AND, with the values they bind.
#[derive(Debug, Clone)]
pub(crate) struct Clause {
    dialect: &'static Dialect,
    text: String,
    values: Vec<Value>,
}

impl Clause {
    /// No condition yet.
    pub fn new(dialect: &'static Dialect) -> Self {
        Self { dialect, text: String::new(), values: Vec::new() }
    }

    /// The conditions, for behind `WHERE`.
    pub fn text(&self) -> &str {
        if self.text.is_empty() { "TRUE" } else { &self.text }
    }

    /// The values, in the order of their placeholders.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Binds a value and gives its placeholder.
    pub fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("{}{}", self.dialect.placeholder, self.values.len())
    }

    /// Adds a condition.
    pub fn and(&mut self, condition: &str) {
        if !self.text.is_empty() {
            self.text.push_str(" AND ");
        }
        self.text.push_str(condition);
    }

    /// `column operator value`.
    pub fn compare(&mut self, column: &str, operator: &str, value: impl Into<Value>) {
        let value = self.bind(value);
        self.and(&format!("{column} {operator} {value}"));
    }

    /// `column` has one of `values`, as a condition; `None` when there are none.
    pub fn one_of<V: Into<Value>>(
        &mut self,
        column: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Option<String> {
        let mut list = String::new();
        let mut count = 0;
        for value in values {
            let placeholder = self.bind(value);
            let _ = write!(list, "{}{placeholder}", if count == 0 { "" } else { ", " });
            count += 1;
        }
        match count {
            0 => None,
            // An equality keeps the order of an index, a list does not.
            1 => Some(format!("{column} = {list}")),
            _ => Some(format!("{column} IN ({list})")),
        }
    }

    /// Adds that `column` has one of `values`; nothing when there are none.
    pub fn any<V: Into<Value>>(&mut self, column: &str, values: impl IntoIterator<Item = V>) {
        if let Some(condition) = self.one_of(column, values) {
            self.and(&condition);
        }
    }

    /// Adds that one of `conditions` holds; nothing when there are none.
    pub fn or(&mut self, conditions: &[String]) {
        match conditions {
            [] => {}
            [one] => self.and(one),
            several => self.and(&format!("({})", several.join(" OR "))),
        }
    }

    /// Adds that `column`, which is in lower case, contains `text`.
    pub fn contains(&mut self, column: &str, text: &str) {
        let find = self.dialect.find;
        let text = self.bind(Value::Part(text.to_lowercase()));
        self.and(&format!("{find}({column}, {text}) > 0"));
    }

    /// Adds where a page starts, over a time column and an id column.
    pub fn after(&mut self, time: &str, id: &str, position: &Position, id_value: Value, order: Order) {
        let operator = match order {
            Order::Desc => "<",
            Order::Asc => ">",
        };
        let (at, id_value) = (self.bind(position.at), self.bind(id_value));
        self.and(&format!("({time}, {id}) {operator} ({at}, {id_value})"));
    }
}

/// `ORDER BY … LIMIT …` of a page over a time column and an id column, with room for `limit` items.
pub(crate) fn order_by(time: &str, id: &str, order: Order, limit: usize) -> String {
    let direction = match order {
        Order::Desc => "DESC",
        Order::Asc => "ASC",
    };
    format!("ORDER BY {time} {direction}, {id} {direction} LIMIT {limit}")
}

/// The UUID of a page position.
pub(crate) fn position_uuid(position: &Position) -> Result<Uuid, StoreError> {
    // Cursors are checked where they come in; one that gets here is not ours.
    Uuid::try_parse(&position.id).map_err(|error| StoreError::Corrupt(format!("page position: {error}")))
}

/// The page size, held to 1 to 200.
pub(crate) fn limit(page: &PageRequest) -> usize {
    page.limit.clamp(1, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    static DIALECT: Dialect = Dialect { placeholder: '$', find: "strpos", exchange_key: "id" };

    #[test]
    fn conditions_are_joined_and_numbered() {
        let mut clause = Clause::new(&DIALECT);
        assert_eq!(clause.text(), "TRUE");
        clause.any("a", [1_i64]);
        clause.any("b", ["x", "y"]);
        clause.any::<&str>("c", []);
        clause.contains("t", "ÄB%");
        assert_eq!(clause.text(), "a = $1 AND b IN ($2, $3) AND strpos(t, $4) > 0");
        assert_eq!(clause.values()[3], Value::Part("äb%".to_owned()));
    }
}
