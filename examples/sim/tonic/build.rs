//! Describes the service by hand, so that no compiler of `.proto` files is needed.
#![forbid(unsafe_code)]

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn method(name: &str, route: &str, input: &str, output: &str) -> MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type(format!("crate::messages::{input}"))
        .output_type(format!("crate::messages::{output}"))
        .codec_path("tonic_prost::ProstCodec")
}

fn main() {
    let line = Service::builder()
        .name("Line")
        .package("yamanote")
        .method(method("repair", "Repair", "Work", "Done").build())
        .method(
            method("watch", "Watch", "Since", "Train")
                .server_streaming()
                .build(),
        )
        .method(
            method("ride", "Ride", "Ticket", "Stamp")
                .client_streaming()
                .server_streaming()
                .build(),
        )
        .build();
    Builder::new().compile(&[line]);
    println!("cargo:rerun-if-changed=build.rs");
}
