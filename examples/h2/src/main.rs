//! h2: many streams over one HTTP/2 connection, with flow control and trailers.
#![forbid(unsafe_code)]

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};

const STREAMS: usize = 64;

#[tokio::main]
async fn main() {
    println!("{:?}", conversation().await);
}

/// Reads a body to its end, giving the window back as it goes.
async fn collect(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Answers each request with its body, and its length in the trailers.
async fn serve(listener: TcpListener) -> Result<usize, h2::Error> {
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut connection = h2::server::handshake(stream).await?;
    let mut served = 0;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        served += 1;
        tokio::spawn(async move {
            let body = collect(&mut request.into_body()).await?;
            let response = Response::builder().status(StatusCode::OK);
            let response = response.body(()).expect("a valid response");
            let mut stream = respond.send_response(response, false)?;
            let mut trailers = HeaderMap::new();
            trailers.insert("length", body.len().into());
            stream.send_data(body.into(), false)?;
            stream.send_trailers(trailers)
        });
    }
    Ok(served)
}

async fn ask(client: SendRequest<Bytes>, body: Vec<u8>) -> Result<(Vec<u8>, usize), h2::Error> {
    let mut client = client.ready().await?;
    let request = Request::post("https://localhost/echo").body(());
    let (response, mut stream) = client.send_request(request.expect("a valid request"), false)?;
    stream.send_data(body.into(), true)?;
    let mut body = response.await?.into_body();
    let bytes = collect(&mut body).await?;
    let trailers = body.trailers().await?.expect("the length follows");
    let length = trailers["length"]
        .to_str()
        .ok()
        .and_then(|it| it.parse().ok());
    Ok((bytes, length.expect("a number")))
}

/// The number of streams served, and the number of bytes that came back right.
async fn conversation() -> (usize, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let server = tokio::spawn(serve(listener));

    let stream = TcpStream::connect(address).await.expect("connected");
    let (client, connection) = h2::client::handshake(stream)
        .await
        .expect("both speak HTTP/2");
    let connection = tokio::spawn(connection);
    let asked: Vec<_> = (0..STREAMS)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                // The last ones do not fit into the first window of a stream.
                let body: Vec<u8> = (0..number * 4_000).map(|i| (i % 253) as u8).collect();
                let (bytes, length) = ask(client, body.clone()).await.expect("an answer");
                assert_eq!(length, body.len());
                assert!(bytes == body, "stream {number} got something else back");
                bytes.len()
            })
        })
        .collect();
    let mut bytes = 0;
    for asked in asked {
        bytes += asked.await.expect("every answer was right");
    }
    drop(client);
    connection.await.expect("no panic").expect("a clean end");
    (server.await.expect("no panic").expect("a clean end"), bytes)
}

#[cfg(test)]
mod tests {
    use super::{STREAMS, conversation};

    const EXPECTED: (usize, usize) = (STREAMS, 4_000 * STREAMS * (STREAMS - 1) / 2);

    #[tokio::test]
    async fn on_one_thread() {
        assert_eq!(conversation().await, EXPECTED);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_two_workers() {
        assert_eq!(conversation().await, EXPECTED);
    }
}
