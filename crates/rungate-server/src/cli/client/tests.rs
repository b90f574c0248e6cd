//! Against servers that give one answer.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server that gives one answer.
async fn answering(answer: &'static str) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await.unwrap();
        let length = answer.split_once("\r\n\r\n").unwrap().1.len();
        let answer = answer.replace("LENGTH", &length.to_string());
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    Client::new(&url, Some(Secret::new("pat_ws".to_owned()))).unwrap()
}

#[test]
fn addresses_are_taken_as_people_paste_them() {
    for (given, expected) in [
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("http://127.0.0.1:8787/", "http://127.0.0.1:8787"),
        ("https://gateway.example/v1/", "https://gateway.example"),
        (" https://example.com/rungate ", "https://example.com/rungate"),
    ] {
        assert_eq!(base(given).unwrap(), expected);
    }
    for given in ["localhost:8787", "ftp://x", "/v1", "", "http://", "http://x?y=1"] {
        let error = base(given).unwrap_err().to_string();
        assert!(error.contains("http://127.0.0.1:8787"), "{error}");
    }
}

#[test]
fn queries_and_paths_are_encoded() {
    let query = Query::of("/api/v1/requests").with("runId", "a b/c&d").with_each("model", &["ä".to_owned()]);
    assert_eq!(query.as_str(), "/api/v1/requests?runId=a%20b%2Fc%26d&model=%C3%A4");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&url, Some(Secret::new("x".to_owned()))).unwrap();
    let error = client.get("/api/v1/runs").await.unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }));
    assert!(error.to_string().contains("`rungate serve`"), "{error}");
    let without = Client::new(&url, None).unwrap().get("/api/v1/runs").await.unwrap_err();
    assert!(without.to_string().contains("RUNGATE_TOKEN"), "{without}");
}

#[tokio::test]
async fn a_handshake_that_fails_is_no_absent_server() {
    let plain = answering("HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\n").await;
    let url = plain.url().replace("http:", "https:");
    let client = Client::new(&url, Some(Secret::new("x".to_owned()))).unwrap();
    let error = client.get("/x").await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn answers_of_the_api_are_opened() {
    let client =
        answering("HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\n{\"code\":0,\"data\":[1]}").await;
    assert_eq!(client.get("/x").await.unwrap(), serde_json::json!([1]));
}

#[tokio::test]
async fn refusals_say_what_the_server_said() {
    let client = answering(
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: LENGTH\r\n\r\n\
         {\"code\":40102,\"message\":\"Token has been revoked\",\"error\":{\"code\":\"token_revoked\"}}",
    )
    .await;
    let error = client.get("/x").await.unwrap_err().to_string();
    assert!(error.contains("Token has been revoked") && error.contains("owner-token reset"), "{error}");

    let client = answering(
        "HTTP/1.1 404 Not Found\r\ncontent-length: LENGTH\r\n\r\n\
         {\"code\":40400,\"message\":\"no such run\",\"error\":{\"code\":\"not_found\"}}",
    )
    .await;
    let error = client.get("/x").await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("no such run"), "{error}");
}

#[tokio::test]
async fn what_is_not_rungate_is_called_that() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\n<html>",
        "HTTP/1.1 404 Not Found\r\ncontent-length: LENGTH\r\n\r\n{\"message\":\"x\"}",
    ] {
        let error = answering(answer).await.get("/x").await.unwrap_err().to_string();
        assert!(error.contains("is it a Rungate server?"), "{error}");
    }
}
