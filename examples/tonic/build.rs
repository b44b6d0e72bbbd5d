//! Describes the service by hand, so that no compiler of `.proto` files is needed.
#![forbid(unsafe_code)]

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn method(name: &str, route: &str, input: &str, output: &str) -> MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type(format!("crate::{input}"))
        .output_type(format!("crate::{output}"))
        .codec_path("tonic_prost::ProstCodec")
}

fn main() {
    let line = Service::builder()
        .name("Line")
        .package("yamanote")
        .method(method("next", "Next", "Station", "Station").build())
        .method(
            method("round", "Round", "Station", "Station")
                .server_streaming()
                .build(),
        )
        .method(
            method("count", "Count", "Station", "Number")
                .client_streaming()
                .build(),
        )
        .method(
            method("ride", "Ride", "Station", "Number")
                .client_streaming()
                .server_streaming()
                .build(),
        )
        .build();
    Builder::new().compile(&[line]);
    println!("cargo:rerun-if-changed=build.rs");
}
