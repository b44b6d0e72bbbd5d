//! Reads a file at many places at once through the owned-buffer API and adds its bytes up.
//! `cargo run --release --example checksum -p yamanote -- FILE`
#![forbid(unsafe_code)]

use std::sync::Arc;
use yamanote::fs::File;

/// Bytes per read.
const BLOCK: u64 = 64 * 1024;
/// Reads under way at a time.
const LANES: u64 = 16;

#[yamanote::main]
async fn main() -> std::io::Result<()> {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| {
        eprintln!("usage: checksum FILE");
        std::process::exit(2);
    });
    let file = Arc::new(File::open(&path).await?);
    let blocks = file.metadata().await?.len().div_ceil(BLOCK);
    let lanes: Vec<_> = (0..LANES)
        .map(|lane| {
            let file = Arc::clone(&file);
            yamanote::spawn(async move {
                let mut sum = 0u64;
                let mut buffer = Vec::with_capacity(BLOCK as usize);
                for block in (lane..blocks).step_by(LANES as usize) {
                    let mut done = 0;
                    while done < BLOCK {
                        // The buffer goes to the kernel and comes back, whatever the result.
                        buffer.clear();
                        let (read, back) = file.read_at(buffer, block * BLOCK + done).await;
                        buffer = back;
                        let count = (read? as u64).min(BLOCK - done);
                        if count == 0 {
                            break;
                        }
                        sum += buffer[..count as usize]
                            .iter()
                            .map(|&b| u64::from(b))
                            .sum::<u64>();
                        done += count;
                    }
                }
                std::io::Result::Ok(sum)
            })
        })
        .collect();
    let mut sum = 0;
    for lane in lanes {
        sum += lane.await.expect("no lane panics")?;
    }
    println!("{sum:016x}  {}", path.to_string_lossy());
    Ok(())
}
