//! `weir health`: says by its exit code whether the Weir on a data folder is ready, for whoever watches a process and
//! has no HTTP client at hand, as in a container.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

use super::flags::DataFlags;
use super::serve::run_file;
use super::{Failure, print};
use crate::config::DataDir;

/// How long each step of the question may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The arguments of `weir health`.
#[derive(Args, Clone, Debug)]
pub struct HealthArgs {
    #[command(flatten)]
    data: DataFlags,
}

/// Prints `ready`; anything else is a failure.
pub(super) fn run(args: &HealthArgs) -> Result<(), Failure> {
    let data = args.data.folder()?;
    let address = run_file::admin_address(&data).ok_or_else(|| not_there(&data))?;
    let status = ask(address).map_err(|error| {
        Failure::Named(format!("Weir does not answer at {address}: {error}; look whether its process runs"))
    })?;
    match &status {
        b"200" => print("ready\n"),
        _ => Err(Failure::Named("Weir runs, but is not ready; its log says why".to_owned())),
    }
}

fn not_there(data: &DataDir) -> Failure {
    let data = data.path().display();
    Failure::Named(format!("no Weir is running on {data}; start one, or name its data folder with --data"))
}

/// The status with which `/readyz` is answered.
fn ask(admin: SocketAddr) -> io::Result<[u8; 3]> {
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n")?;
    let mut line = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut line)?;
    let [.., a, b, c] = line;
    Ok([a, b, c])
}
