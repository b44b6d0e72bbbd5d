//! From a request to its response.
#![forbid(unsafe_code)]

use super::body::{Body, OpenFile};
use super::conditions::{Validators, Verdict};
use super::content_type::{self, ByName};
use super::range::{Selection, select};
use super::root::{OpenError, Refusal};
use super::shared::Shared;
use super::{listing, page};
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, LAST_MODIFIED, LOCATION, RANGE, RETRY_AFTER,
};
use hyper::{Method, Request, Response, StatusCode};
use rustix::io::Errno;
use std::fs::Metadata;
use std::sync::Arc;
use yamanote::fs;
use yamanote::sync::OwnedSemaphorePermit;
use yamanote::task::spawn_blocking;
use yamanote::time::timeout;

/// Answers one request. There is no error: a failure becomes a response.
pub async fn respond<B>(shared: &Shared, request: &Request<B>) -> Response<Body> {
    let head_only = request.method() == Method::HEAD;
    let response = if request.method() == Method::GET || head_only {
        find(shared, request)
            .await
            .unwrap_or_else(|error| failure(shared, request, &error))
    } else {
        let mut response = error_page(StatusCode::METHOD_NOT_ALLOWED);
        set(&mut response, ALLOW, "GET, HEAD");
        response
    };
    if head_only {
        return without_content(response);
    }
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.loaded().await)
}

fn failure<B>(shared: &Shared, request: &Request<B>, error: &OpenError) -> Response<Body> {
    let status = match error {
        OpenError::Refused(Refusal::BadPath) => StatusCode::BAD_REQUEST,
        OpenError::Refused(Refusal::NotFound) => StatusCode::NOT_FOUND,
        OpenError::Refused(Refusal::Forbidden) => StatusCode::FORBIDDEN,
        OpenError::Refused(Refusal::TooLong) => StatusCode::URI_TOO_LONG,
        OpenError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        OpenError::Failed(error) => {
            let path = request.uri().path();
            shared.log.complain(&format!("{path}: {error}"));
            match Errno::from_io_error(error) {
                // The system has no descriptor or memory left, but may have in a moment.
                Some(Errno::NFILE | Errno::MFILE | Errno::NOMEM) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            }
        }
    };
    let mut response = error_page(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        // In seconds.
        set(&mut response, RETRY_AFTER, "1");
    }
    response
}

async fn find<B>(shared: &Shared, request: &Request<B>) -> Result<Response<Body>, OpenError> {
    let url_path = request.uri().path();
    let opened = open(shared, url_path).await?;
    if opened.metadata.is_dir() {
        if !url_path.ends_with('/') {
            return Ok(redirect_to_directory(request));
        }
        return directory(shared, request, opened).await;
    }
    // A file does not become a directory by a slash.
    if !opened.metadata.is_file() || url_path.ends_with('/') {
        return Err(OpenError::Refused(Refusal::NotFound));
    }
    Ok(send_file(request, url_path, opened).await)
}

/// The file or directory that a path names, and the right to have it open.
struct Target {
    file: std::fs::File,
    metadata: Metadata,
    permit: OwnedSemaphorePermit,
}

async fn open(shared: &Shared, url_path: &str) -> Result<Target, OpenError> {
    let permit = timeout(shared.timeout, Arc::clone(&shared.files).acquire_owned())
        .await
        .map_err(|_| OpenError::Busy)?
        .expect("the semaphore is never closed");
    let file = shared.root.open_path(url_path).await?;
    let metadata = file.metadata().map_err(OpenError::Failed)?;
    Ok(Target {
        file,
        metadata,
        permit,
    })
}

/// The relative links of a listing need the slash.
fn redirect_to_directory<B>(request: &Request<B>) -> Response<Body> {
    // After several slashes at the front a browser would read a host name.
    let mut location = format!("/{}/", request.uri().path().trim_matches('/'));
    if let Some(query) = request.uri().query() {
        location.push('?');
        location.push_str(query);
    }
    let mut response = error_page(StatusCode::MOVED_PERMANENTLY);
    set(&mut response, LOCATION, &location);
    response
}

async fn directory<B>(
    shared: &Shared,
    request: &Request<B>,
    directory: Target,
) -> Result<Response<Body>, OpenError> {
    let url_path = request.uri().path();
    // A request may have one file open at a time.
    drop(directory);
    match open(shared, &format!("{url_path}index.html")).await {
        Ok(index) if index.metadata.is_file() => {
            return Ok(send_file(request, "index.html", index).await);
        }
        Ok(_) | Err(OpenError::Refused(Refusal::NotFound)) => {}
        Err(error) => return Err(error),
    }
    let _permit = shared.listings.acquire().await;
    let directory = open(shared, url_path).await?;
    let (root, path) = (Arc::clone(&shared.root), url_path.to_owned());
    let page = spawn_blocking(move || {
        let entries = listing::read(&root, &path, &directory.file)?;
        Ok(page::listing(&path, &entries))
    });
    let page = page.await.unwrap_or_else(|error| Err(error.into()));
    Ok(html(StatusCode::OK, page.map_err(OpenError::Failed)?))
}

async fn send_file<B>(request: &Request<B>, name: &str, opened: Target) -> Response<Body> {
    let validators = Validators::of(&opened.metadata);
    let mut response = match validators.judge(request.headers()) {
        Verdict::Answer => content(request, name, opened, &validators).await,
        Verdict::NotModified => with_status(StatusCode::NOT_MODIFIED, Body::memory("")),
        Verdict::Failed => return error_page(StatusCode::PRECONDITION_FAILED),
    };
    if response.status() != StatusCode::RANGE_NOT_SATISFIABLE {
        set(&mut response, ETAG, &validators.etag);
        if let Some(date) = validators.last_modified() {
            set(&mut response, LAST_MODIFIED, &date);
        }
        set(&mut response, ACCEPT_RANGES, "bytes");
    }
    response
}

/// The file, or the part of it that is asked for.
async fn content<B>(
    request: &Request<B>,
    name: &str,
    opened: Target,
    validators: &Validators,
) -> Response<Body> {
    let length = opened.metadata.len();
    // RFC 9110, 14.2: only GET has ranges.
    let honours_ranges =
        request.method() == Method::GET && validators.range_holds(request.headers());
    let range = request.headers().get(RANGE).filter(|_| honours_ranges);
    let selection = select(range.and_then(|range| range.to_str().ok()), length);
    if selection == Selection::Unsatisfiable {
        let mut response = error_page(StatusCode::RANGE_NOT_SATISFIABLE);
        set(&mut response, CONTENT_RANGE, &format!("bytes */{length}"));
        return response;
    }
    let open = OpenFile::new(opened.file, opened.permit);
    let content_type = content_type(name, &open.file).await;
    let mut response = match selection {
        Selection::Part { start, end } => {
            let body = Body::file(open, start, end);
            let mut response = with_status(StatusCode::PARTIAL_CONTENT, body);
            let range = format!("bytes {start}-{}/{length}", end - 1);
            set(&mut response, CONTENT_RANGE, &range);
            response
        }
        _ => with_status(StatusCode::OK, Body::file(open, 0, length)),
    };
    set(&mut response, CONTENT_TYPE, &content_type);
    response
}

async fn content_type(name: &str, file: &fs::File) -> String {
    let by_name = content_type::by_name(name);
    if let ByName::Certain(content_type) = by_name {
        return content_type;
    }
    let buffer = Vec::with_capacity(content_type::LOOKED_AT);
    let (result, first) = file.read_at(buffer, 0).await;
    match result {
        Ok(_) => by_name.with_content(&first),
        // The body will meet the error too.
        Err(_) => by_name.with_content(b"\0"),
    }
}

fn error_page(status: StatusCode) -> Response<Body> {
    html(status, page::error(status))
}

fn html(status: StatusCode, page: String) -> Response<Body> {
    let mut response = with_status(status, Body::memory(page));
    set(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
    response
}

fn with_status(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    // Paths are still percent-encoded as the client sent them; everything else is our own text.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The answer to HEAD: the length of what GET would have sent, and nothing of it.
fn without_content(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if head.status != StatusCode::NOT_MODIFIED {
        head.headers.insert(CONTENT_LENGTH, body.len().into());
    }
    Response::from_parts(head, Body::memory(""))
}
