//! What holds for every response, whoever makes it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rungate_core::code::Code;
use rungate_core::secret::Secret;
use rungate_server::http::arrival::TrustedProxies;
use rungate_server::http::edge::RouteFamily;
use rungate_server::http::operations::MetricsAccess;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{PATIENCE, send, send_over};
use crate::fake::{CERT, Setup};

/// One request for every way in which a response can be made, with its status.
const EVERYWHERE: [(&str, u16); 22] = [
    ("GET /v1/models/gpt", 200),
    ("GET /v1/models/stream", 200),
    ("GET /v1/models/upstream", 200),
    ("GET /v1/models/400", 400),
    ("GET /v1/models/401", 401),
    ("GET /v1/models/403", 403),
    ("GET /v1/models/413", 413),
    ("GET /v1/models/429", 429),
    ("GET /v1/models/502", 502),
    ("GET /v1/models/503", 503),
    ("GET /v1/models/504", 504),
    ("GET /v1/models/panic", 500),
    ("GET /api/v1/panic", 500),
    ("GET /api/v1/agents", 200),
    ("DELETE /api/v1/agents", 405),
    ("GET /api/v1/nothing", 404),
    ("GET /v1/chat/completions", 405),
    ("GET /v1/nothing", 404),
    ("OPTIONS /v1/chat/completions", 204),
    ("GET /healthz", 200),
    ("GET /", 200),
    ("GET /nothing", 404),
];

fn is_uuid_v7(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok_and(|id| id.get_version_num() == 7)
}

#[tokio::test]
async fn w_020_w_024_a_well_formed_request_id_is_echoed_on_every_response() {
    let server = Setup::default().start().await;
    let longest = "x".repeat(127);
    for (line, status) in EVERYWHERE {
        for id in ["req_1-A", &longest] {
            let answer = send(server.address, &format!("{line} HTTP/1.1\nX-Request-ID: {id}")).await;
            assert_eq!(answer.status, status, "{line}");
            assert_eq!(answer.header("x-request-id"), Some(id), "{line}");
            assert!(is_uuid_v7(answer.header("alephant-id").unwrap()), "{line}");
            assert!(!answer.header("rungate-warning").unwrap_or_default().contains("x_request_id"), "{line}");
        }
    }
}

#[tokio::test]
async fn w_021_an_absent_request_id_stays_absent() {
    let server = Setup::default().start().await;
    for (line, status) in EVERYWHERE {
        let answer = send(server.address, &format!("{line} HTTP/1.1")).await;
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.header("x-request-id"), None, "{line}");
        assert!(is_uuid_v7(answer.header("alephant-id").unwrap()), "{line}");
    }
}

#[tokio::test]
async fn w_022_a_malformed_request_id_is_served_with_a_warning() {
    let server = Setup::default().start().await;
    let too_long = format!("x-request-id: {}", "x".repeat(128));
    let malformed = [
        &too_long,
        "x-request-id: a b",
        "x-request-id: a.b",
        "x-request-id: é",
        "x-request-id:",
        "x-request-id: a\nx-request-id: b",
    ];
    for header in malformed {
        for (line, status) in EVERYWHERE {
            let answer = send(server.address, &format!("{line} HTTP/1.1\n{header}")).await;
            assert_eq!(answer.status, status, "{line} {header}");
            assert_eq!(answer.header("x-request-id"), None, "{line} {header}");
            let warning = answer.header("rungate-warning").unwrap();
            assert!(warning.ends_with("x_request_id_malformed"), "{line} {header}: {warning}");
        }
        let arrival = server.plane.seen.lock().unwrap().take().unwrap();
        assert!(arrival.request_id_malformed && arrival.request_id.is_none());
    }
    let answer = send(server.address, "GET /v1/models/upstream HTTP/1.1\nx-request-id: a b").await;
    assert_eq!(answer.header("rungate-warning"), Some("empty_header, x_request_id_malformed"));
}

#[tokio::test]
async fn w_024_the_id_of_the_answer_is_the_id_of_the_exchange() {
    let server = Setup::default().start().await;
    let answer = send(server.address, "GET /v1/models/upstream HTTP/1.1").await;
    let arrival = server.plane.seen.lock().unwrap().take().unwrap();
    assert_eq!(answer.header("alephant-id"), Some(arrival.id.to_string().as_str()));
    assert_eq!(arrival.id.started_at().unwrap().millis(), arrival.at.millis());
}

#[tokio::test]
async fn w_005_path_and_method_come_before_the_credential() {
    let server = Setup::default().start().await;
    for (line, status, allow) in [
        ("GET /v1/chat/completions", 405, Some("POST")),
        ("PUT /v1/responses/resp_1", 405, Some("DELETE, GET")),
        ("POST /api/v1/agents", 405, Some("GET,HEAD")),
        ("POST /metrics", 405, Some("GET, HEAD, OPTIONS")),
        ("POST /v1/chat/completions/", 404, None),
        ("GET /v1", 404, None),
        ("GET /v1/realtime", 404, None),
        ("GET /api", 404, None),
        ("GET /api/v2/agents", 404, None),
        ("GET /x402/offer", 404, None),
        ("GET /favicon.ico", 404, None),
        ("OPTIONS /v1/chat/completions", 204, Some("POST, OPTIONS")),
        ("OPTIONS /api/v1/agents", 204, None),
    ] {
        let answer = send(server.address, &format!("{line} HTTP/1.1")).await;
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.header("allow"), allow, "{line}");
        if status != 204 {
            assert_eq!(answer.header("content-type"), Some("application/json"), "{line}");
        }
    }
}

#[tokio::test]
async fn w_006_an_error_has_its_planes_body() {
    let server = Setup::default().start().await;
    let answer = send(server.address, "GET /v1/nothing HTTP/1.1").await;
    assert_eq!(answer.json()["error"]["code"], "unknown_route");
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    assert_eq!(answer.header("rungate-error-code"), Some("unknown_route"));

    let answer = send(server.address, "GET /v1/messages HTTP/1.1").await;
    assert_eq!(answer.json()["type"], "error");
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    assert_eq!(answer.json()["request_id"], answer.header("alephant-id").unwrap());

    let answer = send(server.address, "GET /api/v1/nothing HTTP/1.1").await;
    assert_eq!(answer.json()["code"], 40400);
    assert_eq!(answer.json()["error"]["type"], "NOT_FOUND");
    assert_eq!(answer.header("rungate-error-code"), Some("not_found"));

    let answer = send(server.address, "GET /v1/analytics/nothing HTTP/1.1").await;
    assert_eq!(answer.json()["code"], 40400);

    for path in ["/v1/models/panic", "/api/v1/panic"] {
        let answer = send(server.address, &format!("GET {path} HTTP/1.1")).await;
        assert_eq!(answer.header("rungate-error-code"), Some("internal_error"));
        assert!(!answer.body.contains("fault") && !answer.body.contains(".rs"), "{}", answer.body);
    }
}

#[tokio::test]
async fn w_055_anonymous_refusals_are_counted() {
    let server = Setup::default().start().await;
    send(server.address, "GET /v1/models/401 HTTP/1.1").await;
    send(server.address, "GET /v1/nothing HTTP/1.1").await;
    send(server.address, "GET /healthz HTTP/1.1").await;
    let seen = server.seen.0.lock().unwrap();
    assert_eq!(seen[0].0, RouteFamily::Data);
    assert_eq!((seen[0].1, seen[0].2.map(Code::status)), (401, Some(401)));
    assert_eq!(seen[1], (RouteFamily::Control, 404, Some(Code::UnknownRoute)));
    assert_eq!(seen[2], (RouteFamily::Operations, 200, None));
}

#[tokio::test]
async fn w_108_nothing_but_operations_is_served_before_recovery() {
    let server = Setup { ready: false, ..Setup::default() }.start().await;
    let answer = send(server.address, "GET /readyz HTTP/1.1").await;
    assert_eq!((answer.status, &answer.json()["status"]), (503, &"starting".into()));
    assert_eq!(send(server.address, "GET /healthz HTTP/1.1").await.status, 200);
    assert_eq!(send(server.address, "GET /openapi.json HTTP/1.1").await.status, 200);
    for path in ["/v1/models", "/api/v1/agents"] {
        let answer = send(server.address, &format!("GET {path} HTTP/1.1")).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{path}");
        assert_eq!(answer.header("rungate-error-code"), Some("unavailable"));
    }
    server.health.ready();
    let answer = send(server.address, "GET /readyz HTTP/1.1").await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &"ok".into()));
    assert_eq!(send(server.address, "GET /v1/models HTTP/1.1").await.status, 200);
}

#[tokio::test]
async fn metrics_want_their_token() {
    let metrics = MetricsAccess::Token(Secret::new("m3trics".to_owned()));
    let server = Setup { metrics, ..Setup::default() }.start().await;
    let answer = send(server.address, "GET /metrics HTTP/1.1").await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    let answer = send(server.address, "GET /metrics HTTP/1.1\nauthorization: Bearer m3trics").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "# EOF\n"));
    let server = Setup { metrics: MetricsAccess::Off, ..Setup::default() }.start().await;
    assert_eq!(send(server.address, "GET /metrics HTTP/1.1").await.status, 404);
}

#[tokio::test]
async fn the_clients_address_is_what_a_trusted_proxy_says() {
    let client = async |proxies: TrustedProxies| {
        let server = Setup { proxies, ..Setup::default() }.start().await;
        send(server.address, "GET /v1/models HTTP/1.1\nx-forwarded-for: 203.0.113.9").await;
        let arrival = server.plane.seen.lock().unwrap().take().unwrap();
        arrival.client_ip.to_string()
    };
    assert_eq!(client(TrustedProxies::default()).await, "127.0.0.1");
    assert_eq!(client(TrustedProxies::new(vec!["127.0.0.0/8".parse().unwrap()])).await, "203.0.113.9");
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_whole() {
    let server = Setup::default().start().await;
    let answer = send(server.address, "GET /v1/models/stream HTTP/1.1").await;
    assert!(answer.body.contains("one ") && answer.body.ends_with("0\r\n\r\n"), "{:?}", answer.body);
    let answer = send(server.address, "GET /v1/models/broken HTTP/1.1").await;
    assert!(answer.body.contains("event: error") && !answer.body.ends_with("0\r\n\r\n"), "{:?}", answer.body);
}

#[tokio::test]
async fn http_2_is_spoken_in_plain_text_with_prior_knowledge() {
    let server = Setup::default().start().await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    for (path, status) in [("/v1/models", 200), ("/v1/nothing", 404), ("/v1/models/panic", 500)] {
        let request = http::Request::get(format!("http://test{path}"))
            .header("x-request-id", "over-h2")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["x-request-id"], "over-h2");
        response.into_body().collect().await.unwrap();
    }
    drop(sender);
    driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn tls_is_spoken_with_the_given_certificate() {
    let server = Setup { tls: true, ..Setup::default() }.start().await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(CERT).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(server.address).await.unwrap();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    assert_eq!(send_over(stream, "GET /healthz HTTP/1.1").await.status, 200);
}

#[tokio::test]
async fn a_request_in_flight_is_finished_at_shutdown() {
    let server = Setup::default().start().await;
    let address = server.address;
    let request = tokio::spawn(async move { send(address, "GET /v1/models/wait HTTP/1.1").await });
    server.plane.waiting.notified().await;
    server.stop.cancel();
    // The listener is gone at once; what is in flight is not.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.served.is_finished());
    server.plane.go.notify_one();
    assert_eq!(request.await.unwrap().body, "late");
    tokio::time::timeout(PATIENCE, server.served).await.unwrap().unwrap();
    assert!(!server.plane.was_cut.load(Ordering::Relaxed));
}

#[tokio::test]
async fn what_is_still_in_flight_after_the_grace_is_cut() {
    let mut setup = Setup::default();
    setup.limits.shutdown_grace = Duration::from_millis(50);
    let server = setup.start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /v1/models/wait HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    server.plane.waiting.notified().await;
    server.stop.cancel();
    tokio::time::timeout(PATIENCE, server.served).await.unwrap().unwrap();
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap_or(0), 0);
    assert!(server.plane.was_cut.load(Ordering::Relaxed));
}

#[tokio::test]
async fn silent_and_slow_connections_are_closed() {
    let mut setup = Setup::default();
    setup.limits.header_read_timeout = Duration::from_millis(100);
    let server = setup.start().await;
    for start in ["", "P", "POST /v1/chat", "PRI * HTTP/2.0\r\n\r\nSM"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok(), "{start:?} is held open");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let mut setup = Setup::default();
    setup.limits.max_header_bytes = 8192;
    let server = setup.start().await;
    let answer =
        send(server.address, &format!("GET /healthz HTTP/1.1\nx-large: {}", "x".repeat(10_000))).await;
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_gone() {
    let mut setup = Setup::default();
    setup.limits.write_timeout = Duration::from_millis(200);
    let server = setup.start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /v1/models/endless HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    tokio::time::timeout(PATIENCE, server.plane.dropped.notified())
        .await
        .expect("the answer is held for ever");
    drop(stream);
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_gone() {
    let mut setup = Setup::default();
    setup.limits.write_timeout = Duration::from_millis(400);
    let server = setup.start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /v1/models/endless HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 8 << 20];
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.read_exact(&mut buffer).await.expect("a slow reader is served on");
    }
}
