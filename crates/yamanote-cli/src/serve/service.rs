//! From a request to its response.
#![forbid(unsafe_code)]

use super::body::Body;
use super::page::{self, Entry};
use super::range::{Requested, requested};
use super::root::{OpenError, Refusal, Root};
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use std::fs::Metadata;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use yamanote::fs;

/// Answers one request. It has no error: what fails becomes a response.
pub async fn respond<B>(root: &Root, request: &Request<B>) -> Response<Body> {
    let head_only = request.method() == Method::HEAD;
    let response = if request.method() != Method::GET && !head_only {
        let mut response = error_page(StatusCode::METHOD_NOT_ALLOWED);
        set(&mut response, ALLOW, "GET, HEAD");
        response
    } else {
        find(root, request)
            .await
            .unwrap_or_else(|error| match error {
                OpenError::Refused(Refusal::BadPath) => error_page(StatusCode::BAD_REQUEST),
                OpenError::Refused(Refusal::NotFound) => error_page(StatusCode::NOT_FOUND),
                OpenError::Refused(Refusal::Forbidden) => error_page(StatusCode::FORBIDDEN),
                OpenError::Refused(Refusal::TooLong) => error_page(StatusCode::URI_TOO_LONG),
                OpenError::Failed(error) => {
                    eprintln!("yamanote serve: {}: {error}", request.uri().path());
                    match error.raw_os_error() {
                        // Out of descriptors or memory: it may work again in a moment.
                        Some(23 | 24 | 12) => error_page(StatusCode::SERVICE_UNAVAILABLE),
                        _ => error_page(StatusCode::INTERNAL_SERVER_ERROR),
                    }
                }
            })
    };
    match head_only {
        true => without_content(response),
        false => response,
    }
}

async fn find<B>(root: &Root, request: &Request<B>) -> Result<Response<Body>, OpenError> {
    let url_path = request.uri().path();
    let file = root.open_path(url_path).await?;
    let metadata = file.metadata().map_err(OpenError::Failed)?;
    if metadata.is_dir() {
        if !url_path.ends_with('/') {
            return Ok(redirect_to_directory(request));
        }
        return directory(root, request, file).await;
    }
    // What only looks like a directory by its slash is none.
    if !metadata.is_file() || url_path.ends_with('/') {
        return Err(OpenError::Refused(Refusal::NotFound));
    }
    Ok(send_file(request, url_path, file, &metadata))
}

/// Relative links of a listing need the slash.
fn redirect_to_directory<B>(request: &Request<B>) -> Response<Body> {
    // Slashes at the front would make the rest a host name for the browser.
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
    root: &Root,
    request: &Request<B>,
    directory: std::fs::File,
) -> Result<Response<Body>, OpenError> {
    let url_path = request.uri().path();
    match root.open_path(&format!("{url_path}index.html")).await {
        Ok(index) => {
            let metadata = index.metadata().map_err(OpenError::Failed)?;
            if metadata.is_file() {
                return Ok(send_file(request, "index.html", index, &metadata));
            }
        }
        Err(OpenError::Refused(Refusal::NotFound)) => {}
        Err(error) => return Err(error),
    }
    // By its descriptor: what was opened is what is listed, whatever became of its name.
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let entries = entries(&path).await.map_err(OpenError::Failed)?;
    Ok(html(StatusCode::OK, page::listing(url_path, entries)))
}

async fn entries(path: &str) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut reader = fs::read_dir(path).await?;
    while let Some(entry) = reader.next_entry().await? {
        // A link's own type would hide that it leads to a directory; one that leads nowhere is
        // shown as a file.
        let is_file = match entry.file_type().await {
            Ok(kind) if kind.is_symlink() => !fs::metadata(entry.path())
                .await
                .is_ok_and(|target| target.is_dir()),
            Ok(kind) => !kind.is_dir(),
            // It has just been removed.
            Err(_) => continue,
        };
        entries.push(Entry {
            is_file,
            name: entry.file_name(),
        });
    }
    Ok(entries)
}

fn send_file<B>(
    request: &Request<B>,
    name: &str,
    file: std::fs::File,
    metadata: &Metadata,
) -> Response<Body> {
    let header = |name: HeaderName| request.headers().get(name)?.to_str().ok();
    let length = metadata.len();
    let etag = etag(metadata);
    let modified = modified(metadata);

    let is_unchanged = match (header(IF_NONE_MATCH), header(IF_MODIFIED_SINCE)) {
        // RFC 9110, 13.1.3: If-None-Match makes If-Modified-Since void.
        (Some(tags), _) => matches_any(tags, &etag),
        (None, Some(since)) => {
            httpdate::parse_http_date(since).is_ok_and(|since| modified <= since)
        }
        (None, None) => false,
    };
    // A range of another version would be glued to the client's old part.
    let range_holds = header(IF_RANGE).is_none_or(|condition| {
        condition == etag || httpdate::parse_http_date(condition).is_ok_and(|date| date == modified)
    });
    let range = header(RANGE).filter(|_| range_holds);

    let mut response = if is_unchanged {
        with_status(StatusCode::NOT_MODIFIED, Body::memory(""))
    } else {
        match requested(range, length) {
            Requested::Whole => with_status(StatusCode::OK, Body::file(file.into(), 0, length)),
            Requested::Part { start, end } => {
                let body = Body::file(file.into(), start, end);
                let mut response = with_status(StatusCode::PARTIAL_CONTENT, body);
                let range = format!("bytes {start}-{}/{length}", end - 1);
                set(&mut response, CONTENT_RANGE, &range);
                response
            }
            Requested::Unsatisfiable => {
                let mut response = error_page(StatusCode::RANGE_NOT_SATISFIABLE);
                set(&mut response, CONTENT_RANGE, &format!("bytes */{length}"));
                return response;
            }
        }
    };
    set(&mut response, ETAG, &etag);
    set(
        &mut response,
        LAST_MODIFIED,
        &httpdate::fmt_http_date(modified),
    );
    set(&mut response, ACCEPT_RANGES, "bytes");
    if !is_unchanged {
        let content_type = mime_guess::from_path(name).first_or_octet_stream();
        let content_type = match content_type.type_() {
            mime_guess::mime::TEXT => format!("{content_type}; charset=utf-8"),
            _ => content_type.to_string(),
        };
        set(&mut response, CONTENT_TYPE, &content_type);
    }
    response
}

/// Changes whenever the file's content may have: inode, size and modification time to the
/// nanosecond.
fn etag(metadata: &Metadata) -> String {
    format!(
        "\"{:x}-{:x}-{:x}.{:x}\"",
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec()
    )
}

/// In whole seconds, as HTTP tells it.
fn modified(metadata: &Metadata) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(metadata.mtime()).unwrap_or(0))
}

/// Whether a list of tags names ours, by the weak comparison that If-None-Match uses.
fn matches_any(tags: &str, etag: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
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
    // Paths reach this percent-encoded as the client sent them, everything else is our own text.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The answer to HEAD: the length that GET would have sent, and nothing of it.
fn without_content(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if head.status != StatusCode::NOT_MODIFIED {
        head.headers.insert(CONTENT_LENGTH, body.len().into());
    }
    Response::from_parts(head, Body::memory(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_in_lists() {
        assert!(matches_any("\"a\"", "\"a\""));
        assert!(matches_any("\"b\", W/\"a\"", "\"a\""));
        assert!(matches_any("*", "\"a\""));
        assert!(!matches_any("\"b\"", "\"a\""));
        assert!(!matches_any("", "\"a\""));
    }
}
