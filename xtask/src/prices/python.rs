//! Reads the values that a Python module writes down, without running it: calls with named arguments, lists, dicts,
//! texts and numbers. A call becomes an object; its name stands under `""`, its
//! arguments without a name under `"()"`. Numbers stay text.

use anyhow::{Result, bail, ensure};
use serde_json::{Map, Value};

/// How deep values may lie in one another.
const MAX_DEPTH: usize = 40;

/// The value assigned to `name` at the left margin of `source`, whatever its annotation.
pub fn assigned(source: &str, name: &str) -> Result<Value> {
    let is_assignment = |line: &&str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with([':', ' ', '=']) && line.contains('='))
    };
    let Some(line) = source.lines().find(is_assignment) else { bail!("nothing is assigned to {name}") };
    let start = line.as_ptr().addr() - source.as_ptr().addr();
    let Some(equals) = source[start..].find('=') else { bail!("nothing is assigned to {name}") };
    Reader { rest: &source[start + equals + 1..] }.value(0)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('#') {
                return;
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    fn takes(&mut self, mark: char) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn word(&mut self) -> &'a str {
        self.space();
        let is_part = |c: char| c.is_alphanumeric() || "_.+-".contains(c);
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        ensure!(depth < MAX_DEPTH, "values lie too deep in one another");
        self.space();
        match self.rest.chars().next() {
            Some('[') => self.list(']', depth),
            Some('(') => self.list(')', depth),
            Some('{') => self.dict(depth),
            Some('\'' | '"') => self.texts(),
            _ => self.named(depth),
        }
    }

    fn list(&mut self, end: char, depth: usize) -> Result<Value> {
        self.rest = &self.rest[1..];
        let mut items = Vec::new();
        while !self.takes(end) {
            items.push(self.value(depth + 1)?);
            if !self.takes(',') {
                ensure!(self.takes(end), "a list without an end");
                break;
            }
        }
        Ok(Value::Array(items))
    }

    fn dict(&mut self, depth: usize) -> Result<Value> {
        self.rest = &self.rest[1..];
        let mut members = Map::new();
        while !self.takes('}') {
            let Value::String(name) = self.texts()? else { bail!("a key that is no text") };
            ensure!(self.takes(':'), "a key without a value");
            members.insert(name, self.value(depth + 1)?);
            if !self.takes(',') {
                ensure!(self.takes('}'), "a dict without an end");
                break;
            }
        }
        Ok(Value::Object(members))
    }

    /// A text, or several that stand beside each other.
    fn texts(&mut self) -> Result<Value> {
        let mut text = String::new();
        loop {
            self.space();
            let Some(quote @ ('\'' | '"')) = self.rest.chars().next() else { break };
            self.rest = &self.rest[1..];
            self.text(quote, &mut text)?;
        }
        Ok(Value::String(text))
    }

    fn text(&mut self, quote: char, text: &mut String) -> Result<()> {
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            if c == quote {
                self.rest = chars.as_str();
                return Ok(());
            }
            let escaped = if c == '\\' { chars.next() } else { None };
            match escaped {
                None => text.push(c),
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('\n') => {}
                Some(mark @ ('x' | 'u' | 'U')) => {
                    let length = match mark {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let digits: String = chars.by_ref().take(length).collect();
                    let code = u32::from_str_radix(&digits, 16)?;
                    text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                Some(other) => text.push(other),
            }
        }
        bail!("a text without an end")
    }

    /// A constant, a number, or a call.
    fn named(&mut self, depth: usize) -> Result<Value> {
        let word = self.word();
        if self.takes('(') {
            return self.call(word, depth);
        }
        Ok(match word {
            "" => bail!("no value before {:?}", self.rest.chars().take(20).collect::<String>()),
            "None" => Value::Null,
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            _ => Value::String(word.to_owned()),
        })
    }

    fn call(&mut self, name: &str, depth: usize) -> Result<Value> {
        let mut members = Map::from_iter([(String::new(), Value::from(name))]);
        let mut positional = Vec::new();
        while !self.takes(')') {
            let before = self.rest;
            let argument = self.word();
            if !argument.is_empty() && self.takes('=') {
                members.insert(argument.to_owned(), self.value(depth + 1)?);
            } else {
                self.rest = before;
                positional.push(self.value(depth + 1)?);
            }
            if !self.takes(',') {
                ensure!(self.takes(')'), "a call without an end");
                break;
            }
        }
        // `Decimal('0.5')` is its text, and so is `datetime.date(2026, 9, 1)`, with dashes.
        let texts: Option<Vec<&str>> = positional.iter().map(Value::as_str).collect();
        let Some(texts) = texts else { bail!("{name} has arguments without a name") };
        if members.len() == 1 && !texts.is_empty() {
            return Ok(Value::from(texts.join("-")));
        }
        if !texts.is_empty() {
            members.insert("()".to_owned(), Value::from(texts.join("-")));
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_module_is_read_without_being_run() {
        let source = "import os\nothers = 3\nthings: list[Thing] = [\n    Thing(\n        id='a\\'b', # a comment\n        \
            price=Decimal('0.50'),\n        date=datetime.date(2026, 9, 1),\n        names=[\"x\" 'y', 'z\\u00e9'],\n        \
            on=True, off=None, when={'mode': 'batch'}, size=1_000,\n    ),\n]\n";
        assert_eq!(
            assigned(source, "things").unwrap(),
            json!([{
                "": "Thing", "id": "a'b", "price": "0.50", "date": "2026-9-1", "names": ["xy", "zé"], "on": true,
                "off": null, "when": {"mode": "batch"}, "size": "1_000",
            }])
        );
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for source in
            ["a = [", "a = f(", "a = 'x", "a = ", "a = {1: 2}", "a = f(b(c=1))", "b = 1", "a = [1 2]"]
        {
            assert!(assigned(source, "a").is_err(), "{source}");
        }
        assert!(assigned(&format!("a = {}", "[".repeat(1_000)), "a").is_err());
    }
}
