//! `holdfast-node`: reads the command line, sets up tracing, and runs one node, or makes its shelves.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tikv_jemallocator::Jemalloc;
use tracing_subscriber::EnvFilter;

/// How long calls that hang hold up the end of a node that has stopped.
const RUNTIME_END_WITHIN: Duration = Duration::from_millis(200);

/// One node of a Holdfast mail cluster.
///
/// Runs until SIGTERM or SIGINT. Writes what happens to standard error; RUST_LOG chooses what, as in RUST_LOG=debug.
#[derive(Parser)]
#[command(
    name = "holdfast-node",
    version,
    after_help = "Example:\n  holdfast-node --config /etc/holdfast/cluster.toml --node n1"
)]
struct Arguments {
    /// The cluster file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Which node of it this is
    #[arg(long, value_name = "NAME")]
    node: String,
    /// Make the shelves of this node, once in its life, and end
    #[arg(long)]
    init_shelves: bool,
    /// Write what happens as lines of JSON
    #[arg(long)]
    json_log: bool,
}

/// Allocations of RocksDB go here too. The GNU allocator takes a lock for each arena, which is a fifth of what a delivery
/// costs, or else many arenas, between which write buffers and bodies wander from thread to thread.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    trace(arguments.json_log);
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // Whatever asks for "the" provider gets this one; the second call of a process would be a mistake of ours.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if arguments.init_shelves {
        return node::boot::make_shelves(&arguments.config, &arguments.node);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(Box::pin(node::boot::run(&arguments.config, &arguments.node)));
    runtime.shutdown_timeout(RUNTIME_END_WITHIN);
    outcome
}

fn trace(as_json: bool) {
    // openraft warns twice a second for each replica that is away; that a node or shelf is away is said once by us.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,openraft=error"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if as_json {
        lines.json().init();
    } else {
        lines.with_ansi(false).init();
    }
}
