//! Runs the `RunSpec` of a JSON file and prints its outcome: for measuring without Node.
//!
//! `cargo run --release --example run -- spec.json`

use std::io::Write;
use std::process::ExitCode;

use osdyno_device::run::Run;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: run SPEC.json");
        return ExitCode::from(2);
    };
    let run = std::fs::read_to_string(&path)
        .map_err(|error| format!("{path}: {error}"))
        .and_then(|text| {
            let spec = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
            Run::start(spec).map_err(|error| error.to_string())
        });
    let run = match run {
        Ok(run) => run,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let outcome = run.result();
    let text = serde_json::to_string(&outcome).unwrap_or_default();
    let failed = outcome.jobs.iter().any(|job| job.end.error.is_some());
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) if !failed => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
