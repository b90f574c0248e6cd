//! A client for one connection, made for measuring: it blocks, allocates next to nothing, and notes when bytes come.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Nothing that is measured takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_mins(1);
const READ_BYTES: usize = 64 << 10;

/// A connection that is kept alive.
pub struct Connection {
    stream: TcpStream,
    /// What was read; the first `taken` bytes are done with.
    buffer: Vec<u8>,
    taken: usize,
    body: Vec<u8>,
}

/// An answer that was read to its end.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// When the first byte of its body was there.
    pub first_byte: Instant,
    /// When its last byte was there.
    pub end: Instant,
    /// Whether the connection can be used again.
    pub keeps_alive: bool,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: Vec::with_capacity(READ_BYTES), taken: 0, body: Vec::new() })
    }

    /// Sends a request, head and body as they are, and reads its answer.
    pub fn exchange(&mut self, head: &[u8], body: &[u8]) -> io::Result<Answer> {
        self.buffer.clear();
        self.taken = 0;
        self.body.clear();
        self.write(head, body)?;
        self.read_answer()
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    fn write(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let written = self.stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])?;
        if written < head.len() {
            self.stream.write_all(&head[written..])?;
            return self.stream.write_all(body);
        }
        self.stream.write_all(&body[written - head.len()..])
    }

    fn read_answer(&mut self) -> io::Result<Answer> {
        let (status, framing, keeps_alive) = self.read_head()?;
        let mut first_byte = None;
        match framing {
            Framing::Length(length) => self.read_body(length, &mut first_byte)?,
            Framing::Chunked => loop {
                let line = self.line()?;
                let size = chunk_size(&line)?;
                self.read_body(size, &mut first_byte)?;
                self.line()?;
                if size == 0 {
                    break;
                }
            },
            Framing::UntilClose => {
                while self.more()? > 0 {
                    first_byte.get_or_insert_with(Instant::now);
                }
                self.body.extend_from_slice(&self.buffer[self.taken..]);
            }
        }
        let end = Instant::now();
        Ok(Answer { status, first_byte: first_byte.unwrap_or(end), end, keeps_alive })
    }

    fn read_head(&mut self) -> io::Result<(u16, Framing, bool)> {
        let line = self.line()?;
        let status = line.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        let status = status.ok_or_else(|| malformed("no status"))?;
        let mut framing = Framing::UntilClose;
        let mut keeps_alive = true;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let text = String::from_utf8_lossy(&line).to_ascii_lowercase();
            let Some((name, value)) = text.split_once(':') else { return Err(malformed("a bad header")) };
            match (name, value.trim()) {
                ("content-length", length) => {
                    framing = Framing::Length(length.parse().map_err(|_| malformed("a bad length"))?);
                }
                ("transfer-encoding", "chunked") => framing = Framing::Chunked,
                ("connection", "close") => keeps_alive = false,
                _ => {}
            }
        }
        Ok((status, framing, keeps_alive && framing != Framing::UntilClose))
    }

    /// Moves `length` bytes to the body.
    fn read_body(&mut self, length: usize, first_byte: &mut Option<Instant>) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.taken == self.buffer.len() {
                self.some()?;
            }
            first_byte.get_or_insert_with(Instant::now);
            let here = left.min(self.buffer.len() - self.taken);
            self.body.extend_from_slice(&self.buffer[self.taken..self.taken + here]);
            self.taken += here;
            left -= here;
        }
        Ok(())
    }

    /// The next line, without its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let rest = &self.buffer[self.taken..];
            if let Some(end) = memchr::memchr(b'\n', rest) {
                let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]).to_vec();
                self.taken += end + 1;
                return Ok(line);
            }
            self.some()?;
        }
    }

    fn some(&mut self) -> io::Result<()> {
        if self.more()? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off"));
        }
        Ok(())
    }

    /// Reads once; how many bytes.
    fn more(&mut self) -> io::Result<usize> {
        if self.taken == self.buffer.len() {
            self.buffer.clear();
            self.taken = 0;
        }
        let filled = self.buffer.len();
        self.buffer.resize(filled + READ_BYTES, 0);
        let read = self.stream.read(&mut self.buffer[filled..]);
        self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
        read
    }
}

fn chunk_size(line: &[u8]) -> io::Result<usize> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = std::str::from_utf8(digits).map_err(|_| malformed("a bad chunk"))?;
    usize::from_str_radix(digits.trim(), 16).map_err(|_| malformed("a bad chunk"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request with these pieces.
    fn answered(pieces: &'static [&'static str]) -> (Answer, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 6];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(&request, b"headbo");
            for piece in pieces {
                stream.write_all(piece.as_bytes()).unwrap();
            }
        });
        let mut connection = Connection::open(address).unwrap();
        let answer = connection.exchange(b"head", b"bo").unwrap();
        server.join().unwrap();
        (answer, String::from_utf8(connection.body().to_vec()).unwrap())
    }

    #[test]
    fn a_body_of_known_length_ends_there() {
        let (answer, body) = answered(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]);
        assert_eq!((answer.status, body.as_str(), answer.keeps_alive), (200, "hello", true));
        assert!(answer.first_byte <= answer.end);
    }

    #[test]
    fn chunks_are_joined_wherever_they_are_split() {
        let pieces = &[
            "HTTP/1.1 200 OK\r\nTransfer-En",
            "coding: chunked\r\n\r\n3\r",
            "\nhel\r\n2;x=y\r\nl",
            "o\r\n0\r\n\r\n",
        ];
        let (answer, body) = answered(pieces);
        assert_eq!((body.as_str(), answer.keeps_alive), ("hello", true));
    }

    #[test]
    fn a_body_may_last_until_the_connection_closes() {
        let (answer, body) = answered(&["HTTP/1.1 503 No\r\n\r\n", "later"]);
        assert_eq!((answer.status, body.as_str(), answer.keeps_alive), (503, "later", false));
    }
}
