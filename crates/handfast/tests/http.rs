//! hyper over the sockets: HTTP/1.1 with keep-alive, both ends.
#![cfg(all(feature = "host", feature = "tokio"))]

use handfast::{Host, TcpListener, TcpStream};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let text = format!("{method} {path} {}", body.len());
    Ok(Response::new(Full::from(if method == Method::GET {
        path
    } else {
        text
    })))
}

#[tokio::test]
async fn http_1_1_keeps_one_connection_for_many_requests() {
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let listener = TcpListener::bind(&net, "127.0.0.1:80".parse().unwrap())
        .await
        .unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    let stream = TcpStream::connect(&net, "127.0.0.1:80".parse().unwrap())
        .await
        .unwrap();
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    for i in 0..50 {
        let get = Request::get(format!("/page/{i}")).header("host", "x");
        let reply = send
            .send_request(get.body(Full::default()).unwrap())
            .await
            .unwrap();
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, format!("/page/{i}"));
        let big = Full::<Bytes>::from(vec![1u8; i * 10_000]);
        let post = Request::post("/form")
            .header("host", "x")
            .body(big)
            .unwrap();
        let reply = send.send_request(post).await.unwrap();
        assert!(reply.status().is_success());
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, format!("POST /form {}", i * 10_000));
    }
    let opens = host
        .metrics()
        .into_iter()
        .find(|m| m.label.as_ref().is_some_and(|(_, event)| event == "opens"));
    assert_eq!(opens.unwrap().value, 1, "one connection served all");
}
