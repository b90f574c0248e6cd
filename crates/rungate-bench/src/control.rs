//! The control API, as far as the rig needs it.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::http::Connection;

/// The owner's token of every server that the rig starts.
pub const OWNER_TOKEN: &str = "pat_ws0a1b2c_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Acts as the owner over one connection.
pub struct Control {
    address: SocketAddr,
    token: String,
    connection: Option<Connection>,
}

impl Control {
    /// A client of the server at `address`.
    pub fn new(address: SocketAddr, token: impl Into<String>) -> Self {
        Self { address, token: token.into(), connection: None }
    }

    /// `GET`; the status and the body as it came.
    pub fn get(&mut self, path: &str) -> Result<(u16, &[u8])> {
        self.send("GET", path, b"")
    }

    /// `POST` of JSON; the envelope's `data`.
    pub fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let (status, answer) = self.send("POST", path, body.to_string().as_bytes())?;
        let answer: Value = serde_json::from_slice(answer)?;
        if !(200..300).contains(&status) {
            bail!("POST {path}: {status} {answer}");
        }
        Ok(answer["data"].clone())
    }

    fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(u16, &[u8])> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            self.address,
            self.token,
            body.len(),
        );
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address)?,
        };
        let answer =
            connection.exchange(head.as_bytes(), body).with_context(|| format!("{method} {path}"))?;
        Ok((answer.status, self.connection.insert(connection).body()))
    }
}
