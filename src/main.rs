//! The `weir` command: arguments in, exit code out.

use std::process::ExitCode;

/// Its background threads give the system whatever was free for ten seconds. glibc keeps what lies below anything that
/// is still used, so a rush of clients would cost its memory for good. C code (librdkafka) allocates here, too.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    weir::cli::Cli::from_process().run()
}
