//! A client that sends exactly the bytes it is given, so that what no library would send can be sent.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Nothing in these tests takes longer, unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands twice");
        value
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: body.to_owned() }
    }
}

/// Sends one request on a connection of its own. `head` is the request line and headers, one per line.
pub async fn send(address: SocketAddr, head: &str) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    send_over(stream, head).await
}

/// The same over a stream that stands.
pub async fn send_over(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &str) -> Answer {
    let lines: Vec<&str> = head.lines().map(str::trim).collect();
    let request = format!("{}\r\nhost: test\r\nconnection: close\r\n\r\n", lines.join("\r\n"));
    let exchange = async {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        // An answer that is broken off ends with an error; what came before it counts.
        let _ = stream.read_to_end(&mut bytes).await;
        bytes
    };
    Answer::parse(&tokio::time::timeout(PATIENCE, exchange).await.expect("an answer in time"))
}
