//! What the servers to compare with share: a listener, and a file that says where it listens, as Weir's
//! `run.json` does.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// Weir keeps idle connections as long.
pub const KEEP_ALIVE: Duration = Duration::from_secs(650);
/// The largest body, in bytes: Weir's default `limits.body_bytes`.
pub const BODY_BYTES: usize = 4_096_000;

/// Where to listen.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Where to listen; port 0 picks one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// A file that gets {"pid","url"} once requests are taken
    #[arg(long, value_name = "FILE")]
    pub run_file: Option<PathBuf>,
}

impl Place {
    /// Listens, and says where.
    ///
    /// # Errors
    /// When the address can't be had or the file can't be written.
    pub fn listen(&self) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(self.listen)?;
        if let Some(file) = &self.run_file {
            let url = format!("http://{}", listener.local_addr()?);
            let said = serde_json::json!({ "pid": std::process::id(), "url": url });
            // Renamed into place: who waits for the file finds it whole.
            let part = file.with_extension("part");
            fs::write(&part, said.to_string())?;
            fs::rename(part, file)?;
        }
        Ok(listener)
    }
}

/// One worker a core, like Weir.
pub fn workers() -> usize {
    weir::http::server::workers()
}
