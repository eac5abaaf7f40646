//! `holdfast-node`: reads the command line, sets up tracing, and runs one node, or makes its shelves.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use cluster_config::admin::LimitRow;
use node::limits::every_limit;
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
    after_help = "Examples:\n  holdfast-node --config /etc/holdfast/cluster.toml --node n1 --init-shelves\n  \
        holdfast-node --config /etc/holdfast/cluster.toml --node n1\n  \
        holdfast-node --man > /usr/local/share/man/man1/holdfast-node.1\n\n\
        Exit status: 0 stopped in order, or done; 1 it could not start, or was not done; 2 wrong usage"
)]
struct Arguments {
    /// The cluster file
    #[arg(long, value_name = "FILE", required_unless_present_any = ["limits", "man"])]
    config: Option<PathBuf>,
    /// Which node of it this is
    #[arg(long, value_name = "NAME", required_unless_present_any = ["limits", "man"])]
    node: Option<String>,
    /// Make the shelves of this node, once in its life, and end
    #[arg(long)]
    init_shelves: bool,
    /// Write what happens as lines of JSON
    #[arg(long)]
    json_log: bool,
    /// Write every bound of this program as JSON, and end
    #[arg(long, exclusive = true)]
    limits: bool,
    /// Write the page of the manual, and end
    #[arg(long, exclusive = true)]
    man: bool,
}

/// Allocations of RocksDB go here too. The GNU allocator takes a lock for each arena, which is a fifth of what a delivery
/// costs, or else many arenas, between which write buffers and bodies wander from thread to thread.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.limits || arguments.man {
        return told(if arguments.man { man() } else { limits() });
    }
    trace(arguments.json_log);
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// For tools that have no node to ask.
fn limits() -> io::Result<Vec<u8>> {
    let rows: Vec<LimitRow> = every_limit().into_iter().map(LimitRow::from).collect();
    let mut text = serde_json::to_vec_pretty(&rows)?;
    text.push(b'\n');
    Ok(text)
}

fn man() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
    Ok(page)
}

fn told(text: io::Result<Vec<u8>>) -> ExitCode {
    let mut out = io::stdout().lock();
    match text.and_then(|text| out.write_all(&text)).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-node: write to standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (Some(config), Some(node)) = (&arguments.config, &arguments.node) else {
        anyhow::bail!("name the cluster file with --config FILE and the node with --node NAME");
    };
    // Whatever asks for "the" provider gets this one; the second call of a process would be a mistake of ours.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if arguments.init_shelves {
        return node::boot::make_shelves(config, node);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(Box::pin(node::boot::run(config, node)));
    runtime.shutdown_timeout(RUNTIME_END_WITHIN);
    outcome
}

fn trace(as_json: bool) {
    // openraft warns twice a second for each replica that is away; that a node or shelf is away is said once by us.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,openraft=error"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if as_json {
        lines.json().init();
    } else {
        lines.with_ansi(false).init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_help_are_taken() {
        let help = Arguments::command()
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let examples: Vec<&str> = help
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("holdfast-node "))
            .collect();
        assert_eq!(examples.len(), 3, "{help}");
        for example in examples {
            let words = example.split(" > ").next().unwrap_or_default().split(' ');
            assert!(Arguments::try_parse_from(words).is_ok(), "{example}");
        }
    }

    #[test]
    fn a_node_runs_by_a_cluster_file_and_a_name_and_tells_of_itself_without() {
        let is_taken = |line: &str| Arguments::try_parse_from(line.split(' ')).is_ok();
        assert!(is_taken("holdfast-node --limits") && is_taken("holdfast-node --man"));
        assert!(!is_taken("holdfast-node") && !is_taken("holdfast-node --config a"));
        assert!(!is_taken("holdfast-node --limits --node n1"));
    }

    #[test]
    fn what_it_tells_of_itself_is_whole() {
        let limits = String::from_utf8(limits().unwrap()).unwrap();
        assert!(limits.contains("\"RECIPIENTS_MAX\"") && limits.contains("\"replication: quic\""));
        let man = String::from_utf8(man().unwrap()).unwrap();
        assert!(man.contains("init\\-shelves") && man.contains("Examples"), "{man}");
    }
}
