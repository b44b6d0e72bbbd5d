//! What Yamanote has beyond Tokio can be used through the shim, and the types are the same.
#![forbid(unsafe_code)]

#[test]
fn a_type_is_the_same_by_both_names() {
    fn same<T>(_: fn(T), _: fn(T)) {}
    same(
        |_: tokio::net::TcpStream| (),
        |_: yamanote::net::TcpStream| (),
    );
    same(|_: tokio::fs::File| (), |_: yamanote::fs::File| ());
}

#[test]
fn the_extras_can_be_called() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .driver(tokio::runtime::DriverChoice::Auto)
        .build()
        .unwrap();
    runtime.block_on(async {
        let file = tokio::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .await
            .unwrap();
        let (result, buffer) = file.read_at(vec![0; 9], 0).await;
        assert_eq!((result.unwrap(), &buffer[..]), (9, &b"[package]"[..]));
    });
}
