//! Real daemons of the binary: a coordinator with its verifier, started from configurations in a
//! folder, and a rig's configuration for it.
//!
//! ```text
//! Settings ─► Network::with ─► Daemon (coordinator) ─ ready, epoch_opened ─► Daemon (verifier)
//!                 └─► Rig::new ─► configuration ─► Daemon (miner), or a command
//! ```
//!
//! Every daemon holds the reading end of a pipe whose other end is the test's, so that it ends with
//! its test, however that ends. What it says is read all the time: a full pipe would stop it.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ExitStatus, Stdio},
    rc::Rc,
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use serde_json::Value;

use super::lode;

/// A folder that goes with its test, or one that stays.
#[derive(Clone)]
pub struct Folder {
    path: PathBuf,
    _temporary: Option<Rc<tempfile::TempDir>>,
}

impl Folder {
    pub fn temporary() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { path: folder.path().to_owned(), _temporary: Some(Rc::new(folder)) }
    }

    pub fn kept(path: &Path) -> Self {
        std::fs::create_dir_all(path).expect("made");
        Self { path: path.to_owned(), _temporary: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A line that a daemon said on standard output; without one it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub who: String,
    pub line: Option<String>,
}

/// A daemon that ends with its test.
pub struct Daemon {
    process: Child,
    stdin: Option<ChildStdin>,
}

impl Daemon {
    /// Starts a role; what it says goes to `said` under the name `who`, its log to a file.
    pub fn start(
        role: &str,
        config: &Path,
        log: Option<&Path>,
        who: &str,
        said: Sender<Said>,
    ) -> Self {
        let log = log.map_or_else(Stdio::null, |path| {
            OpenOptions::new().create(true).append(true).open(path).expect("a log").into()
        });
        let mut process = lode()
            .args([role, "run", "--exit-with-parent", "--json", "--config"])
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("starts");
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().expect("its events"));
        let who = who.to_owned();
        thread::spawn(move || {
            // Read on when nobody listens any more.
            for line in stdout.lines().map_while(Result::ok) {
                let _ = said.send(Said { who: who.clone(), line: Some(line) });
            }
            let _ = said.send(Said { who, line: None });
        });
        Self { process, stdin }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("its state")
    }

    /// SIGKILL.
    pub fn kill(mut self) -> ExitStatus {
        self.process.kill().expect("killed");
        self.process.wait().expect("its state")
    }

    /// SIGTERM: it ends in order, and says so by the end of its lines.
    pub fn terminate(&self) {
        let pid = self.pid().to_string();
        let kill =
            std::process::Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status();
        assert!(kill.expect("a shell").success());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        self.process.wait().expect("its state")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.process.wait();
    }
}

/// Waits for an event; a daemon that ends without it is a failure.
fn wait_for(said: &Receiver<Said>, event: &str) -> Value {
    while let Ok(Said { line: Some(line), .. }) = said.recv() {
        let value: Value = serde_json::from_str(&line).expect("JSON");
        if value["event"] == event {
            return value;
        }
    }
    panic!("the daemon ended before {event:?}");
}

/// What a [`Network`] is like.
pub struct Settings {
    pub profile: &'static str,
    pub lease_ms: u64,
    pub max_completion_tokens: u32,
    /// Groups graded at which the epoch closes; 0 for no such end.
    pub graded: u64,
    /// Every so many tasks one is a revision session; 0 for none.
    pub revision_every: u32,
    /// The IPv4 address that the coordinator listens at.
    pub address: String,
    /// For data, and for logs where it is kept.
    pub folder: Folder,
    /// Told what the coordinator says once its epoch is open.
    pub said: Option<Sender<Said>>,
}

impl Settings {
    pub fn new(profile: &'static str, lease_ms: u64, max_completion_tokens: u32) -> Self {
        let folder = Folder::temporary();
        let address = "127.0.0.1".into();
        let (graded, revision_every, said) = (1000, 0, None);
        Self {
            profile,
            lease_ms,
            max_completion_tokens,
            graded,
            revision_every,
            address,
            folder,
            said,
        }
    }
}

/// A coordinator with an open epoch, and its verifier.
pub struct Network {
    pub id: String,
    pub tcp: String,
    pub quic: String,
    /// Ended before the coordinator that they talk to.
    pub verifier: Daemon,
    pub coordinator: Daemon,
    folder: Folder,
}

impl Network {
    /// Name under which [`Settings::said`] is told.
    pub const COORDINATOR: &str = "coordinator";

    pub fn start(profile: &'static str, lease_ms: u64, max_completion_tokens: u32) -> Self {
        Self::with(Settings::new(profile, lease_ms, max_completion_tokens))
    }

    pub fn with(settings: Settings) -> Self {
        let Settings {
            profile,
            lease_ms,
            max_completion_tokens,
            graded,
            revision_every,
            address,
            folder,
            said,
        } = settings;
        let place = folder.path().display();
        let config = format!(
            "data = \"{place}/coordinator\"\n\
             listen = [\"/ip4/{address}/tcp/0\", \"/ip4/{address}/udp/0/quic-v1\"]\n\
             [network]\nname = \"test\"\nquorum = 1\nverifiers = 1\n\
             [campaign]\nprofile = \"{profile}\"\nlease_ms = {lease_ms}\n\
             max_completion_tokens = {max_completion_tokens}\n\
             revision_every = {revision_every}\n\
             [target]\ngraded = {graded}\n"
        );
        let start = |role: &str, config: &str, said| {
            let file = folder.path().join(format!("{role}.toml"));
            std::fs::write(&file, config).expect("written");
            let log = folder.path().join(format!("{role}.log"));
            Daemon::start(role, &file, Some(&log), role, said)
        };
        let (tell, events) = mpsc::channel();
        let coordinator = start(Self::COORDINATOR, &config, tell);
        let ready = wait_for(&events, "ready");
        let id = ready["network"].as_str().expect("a network").to_owned();
        let addresses: Vec<&str> =
            ready["addresses"].as_array().expect("some").iter().filter_map(Value::as_str).collect();
        let with = |part: &str| {
            let found = addresses.iter().find(|address| address.contains(part));
            (*found.expect("such an address")).to_owned()
        };
        let (tcp, quic) = (with("/tcp/"), with("/udp/"));
        let config = format!(
            "data = \"{place}/verifier\"\nnetwork = \"{id}\"\ncoordinator = [\"{tcp}\"]\nthreads = 1\n"
        );
        let verifier = start("verifier", &config, mpsc::channel().0);
        wait_for(&events, "epoch_opened");
        if let Some(said) = said {
            thread::spawn(move || events.iter().try_for_each(|one| said.send(one)));
        }
        Self { id, tcp, quic, verifier, coordinator, folder }
    }

    /// Where the coordinator's data lies.
    pub fn coordinator_data(&self) -> PathBuf {
        self.folder.path().join("coordinator")
    }
}

/// A rig's folder and configuration.
pub struct Rig {
    folder: Folder,
    table: toml::Table,
    name: String,
}

impl Rig {
    pub fn new(network: &Network) -> Self {
        Self::within(network, Folder::temporary())
    }

    pub fn within(network: &Network, folder: Folder) -> Self {
        let data = folder.path().join("data").display().to_string();
        let table = toml::from_str(&format!(
            "data = \"{data}\"\nnetwork = \"{}\"\ncoordinator = [\"{}\", \"{}\"]\n\
             [engine]\nkind = \"native\"\nmodel = \"smollm2-135m\"\n",
            network.id, network.tcp, network.quic
        ))
        .expect("TOML");
        let rig = Self { folder, table, name: "miner.toml".into() };
        rig.write();
        rig
    }

    fn write(&self) {
        let text = toml::to_string(&self.table).expect("TOML");
        std::fs::write(self.config(), text).expect("written");
    }

    /// The same with another value of one key, in a file of its own.
    pub fn with(&self, key: &str, value: &str) -> Self {
        self.changed(key, value.into())
    }

    /// The same with other addresses.
    pub fn at(&self, addresses: &[String]) -> Self {
        self.changed("coordinator", addresses.to_vec().into())
    }

    /// As [`Rig::with`], for a value of any kind.
    pub fn changed(&self, key: &str, value: toml::Value) -> Self {
        let mut table = self.table.clone();
        match key.split_once('.') {
            None => drop(table.insert(key.into(), value)),
            Some((group, key)) => {
                let group = table[group].as_table_mut().expect("a table");
                group.insert(key.into(), value);
            }
        }
        let name = format!("{}.toml", key.replace('.', "-"));
        let rig = Self { folder: self.folder.clone(), table, name };
        rig.write();
        rig
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}
