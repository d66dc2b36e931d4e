//! A model server that others wrote, as a child process.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The command that starts llama.cpp's server, words parted by blanks: `llama-server`, or
/// `python -m llama_cpp.server`. `.ci/peer` builds both.
const VARIABLE: &str = "LODE_LLAMA_SERVER";
/// Longest time until it has loaded the model.
const START_LIMIT: Duration = Duration::from_secs(180);
/// Name that the model is served by.
pub(crate) const ALIAS: &str = "smollm2-135m";

/// A running server; it ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Its address.
    pub(crate) address: String,
    /// Whether it is llama.cpp's own server, which counts its work at `/metrics`.
    pub(crate) counts_work: bool,
}

impl Process {
    /// Starts a server over a model file; none, with a line that says so, where there is none.
    pub(crate) fn start(model: &Path) -> Option<Self> {
        let Ok(line) = env::var(VARIABLE) else {
            eprintln!("SKIPPED: no model server: set {VARIABLE} (see .ci/peer)");
            return None;
        };
        let mut words = line.split_whitespace();
        let program = words.next().unwrap();
        let mut command = Command::new(program);
        let own = program.ends_with("llama-server");
        command.args(words).arg("--model").arg(model);
        command.args(["--host", "127.0.0.1", "--port", "0"]);
        if own {
            command.args(["--alias", ALIAS, "--ctx-size", "8192", "--parallel", "1"]);
            // On a busy machine one thread does not wait for another.
            command.args(["--threads", "1", "--threads-http", "2", "--metrics"]);
        } else {
            command.args(["--model_alias", ALIAS, "--n_ctx", "8192", "--n_threads", "1"]);
            // Else a request ends the one before it.
            command.args(["--interrupt_requests", "False"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{program}: {e}"));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        // Reads on to the end: a server whose pipe is full stands still.
        thread::spawn(move || {
            let mut log = Vec::new();
            for line in lines.map_while(Result::ok) {
                if let Some(at) = line.find("http://127.0.0.1:") {
                    let end = |c: char| c.is_whitespace();
                    let address = line[at..].split(end).next().unwrap_or_default().to_owned();
                    let _ = sender.send(Ok(address));
                }
                log.push(line);
            }
            let _ = sender.send(Err(log.join("\n")));
        });
        let address = match receiver.recv_timeout(START_LIMIT) {
            Ok(Ok(address)) => address,
            Ok(Err(log)) => panic!("{line} ended: {log}"),
            Err(_) => panic!("{line} is not ready after {START_LIMIT:?}"),
        };
        Some(Self { child, address, counts_work: own })
    }

    /// Ends it at once, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
