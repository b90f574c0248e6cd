//! Downloads a file from an address that the person at the terminal names.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, LOCATION, USER_AGENT};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;

use super::error::innermost;
use super::{ClientError, connector};

/// For the whole file.
const TIMEOUT: Duration = Duration::from_mins(2);
const MAX_REDIRECTS: usize = 5;

/// Why a file was not downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The address cannot be used.
    #[error("`{0}` is no address of a file; it looks like https://example.com/prices.json")]
    BadUrl(String),
    /// Anybody on the way could change what comes.
    #[error("{0} is not encrypted: prices are taken over https only, except from this machine")]
    Insecure(String),
    /// No connection.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// No file.
    #[error("{url} answered {status}")]
    Refused {
        /// The address.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// It leads on and on.
    #[error("{0} leads on more than {MAX_REDIRECTS} times")]
    Redirects(String),
    /// More than was asked for.
    #[error("{url} is larger than {most} bytes")]
    TooLarge {
        /// The address.
        url: String,
        /// What is allowed.
        most: usize,
    },
    /// Too slow.
    #[error("{0} took longer than {limit} s", limit = TIMEOUT.as_secs())]
    TimedOut(String),
    /// TLS cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The bytes at an address, at most `most` of them.
pub async fn download(url: &str, most: usize) -> Result<Bytes, DownloadError> {
    let fetched = tokio::time::timeout(TIMEOUT, fetch(url, most)).await;
    fetched.unwrap_or_else(|_| Err(DownloadError::TimedOut(url.to_owned())))
}

async fn fetch(url: &str, most: usize) -> Result<Bytes, DownloadError> {
    let mut url = url.to_owned();
    for _ in 0..=MAX_REDIRECTS {
        let answer = ask(&url).await?;
        if !answer.status().is_redirection() {
            return read(&url, answer, most).await;
        }
        let next = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        url = match next {
            Some(absolute) if absolute.contains("://") => absolute.to_owned(),
            Some(path) if path.starts_with('/') => {
                let uri = checked(&url)?;
                let origin = uri.scheme_str().zip(uri.authority());
                let bad = || DownloadError::BadUrl(url.clone());
                let (scheme, authority) = origin.ok_or_else(bad)?;
                format!("{scheme}://{authority}{path}")
            }
            _ => return Err(DownloadError::Refused { url, status: answer.status() }),
        };
    }
    Err(DownloadError::Redirects(url))
}

async fn ask(url: &str) -> Result<Response<Incoming>, DownloadError> {
    let uri = checked(url)?;
    let http =
        HyperClient::builder(TokioExecutor::new()).build(connector(uri.scheme_str() == Some("https"))?);
    let request = Request::get(uri)
        .header(USER_AGENT, concat!("rungate/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|_| DownloadError::BadUrl(url.to_owned()))?;
    let unreachable = |error| DownloadError::Unreachable { url: url.to_owned(), reason: innermost(&error) };
    http.request(request).await.map_err(unreachable)
}

async fn read(url: &str, answer: Response<Incoming>, most: usize) -> Result<Bytes, DownloadError> {
    if answer.status() != StatusCode::OK {
        return Err(DownloadError::Refused { url: url.to_owned(), status: answer.status() });
    }
    let mut body = answer.into_body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let unreachable =
            |error| DownloadError::Unreachable { url: url.to_owned(), reason: innermost(&error) };
        if let Ok(data) = frame.map_err(unreachable)?.into_data() {
            if bytes.len() + data.len() > most {
                return Err(DownloadError::TooLarge { url: url.to_owned(), most });
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

/// The address, if prices may come from there.
fn checked(url: &str) -> Result<Uri, DownloadError> {
    let bad = || DownloadError::BadUrl(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| bad())?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_this_machine(host) => Ok(uri),
        Some("http") => Err(DownloadError::Insecure(url.to_owned())),
        _ => Err(bad()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that gives each answer once.
    async fn answering(answers: Vec<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/prices.json", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        url
    }

    #[test]
    fn only_this_machine_may_speak_without_encryption() {
        for good in ["https://example.com/x", "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/x"]
        {
            assert!(checked(good).is_ok(), "{good}");
        }
        for insecure in ["http://example.com/x", "http://10.0.0.1/x", "http://localhost.example.com/x"] {
            assert!(matches!(checked(insecure), Err(DownloadError::Insecure(_))), "{insecure}");
        }
        for bad in ["", "x.json", "ftp://x/y", "https://", "/etc/passwd", "file:///x"] {
            assert!(matches!(checked(bad), Err(DownloadError::BadUrl(_))), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_file_is_read_up_to_its_bound_and_through_redirects() {
        let ok = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        assert_eq!(&download(&answering(vec![ok]).await, 5).await.unwrap()[..], b"hello");
        let error = download(&answering(vec![ok]).await, 4).await.unwrap_err();
        assert!(matches!(error, DownloadError::TooLarge { most: 4, .. }), "{error}");
        let moved =
            "HTTP/1.1 302 Found\r\nlocation: /there\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let url = answering(vec![
            "HTTP/1.1 301 Moved\r\nlocation: /there\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            ok,
        ])
        .await;
        assert_eq!(&download(&url, 5).await.unwrap()[..], b"hello");
        let error = download(&answering(vec![moved; 9]).await, 5).await.unwrap_err();
        assert!(matches!(error, DownloadError::Redirects(_)), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_file_is_named() {
        let missing = answering(vec!["HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"]).await;
        assert!(download(&missing, 5).await.unwrap_err().to_string().ends_with("answered 404 Not Found"));
        let away = "HTTP/1.1 302 Found\r\nlocation: http://example.com/x\r\ncontent-length: 0\r\n\r\n";
        let error = download(&answering(vec![away]).await, 5).await.unwrap_err();
        assert!(matches!(error, DownloadError::Insecure(_)), "{error}");
        let torn = "HTTP/1.1 200 OK\r\ncontent-length: 50\r\nconnection: close\r\n\r\nhello";
        let error = download(&answering(vec![torn]).await, 100).await.unwrap_err();
        assert!(matches!(error, DownloadError::Unreachable { .. }), "{error}");
    }
}
