//! The real binary as a process, on free ports, with its data and its output in a folder of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::documented::assert_documented;
use super::journal::{self, Record};
use super::reaper::{self, Reaped};
pub use super::tenant::{KEY, config, hash, source};
use super::wait_for;
use super::wire::{Answer, Headers, Wire, basic, request};

/// `weir` with these arguments, and nothing of the caller's environment that it reads.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(args);
    without_own_variables(&mut command);
    command
}

/// Removes from `command` whatever Weir might read of the caller's environment: all that begins as its variables do.
fn without_own_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WEIR_")) {
        command.env_remove(name);
    }
}

/// A loopback address of this test program's alone, with any port: where a gateway was killed, its clients must not
/// meet that of another program.
fn own_address() -> String {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    format!("127.{}.{middle}.{low}:0", 1 + high % 254)
}

/// How a gateway is to be started.
#[derive(Debug, Default)]
pub struct Start {
    config: Option<String>,
    home: Option<Arc<TempDir>>,
    environment: Vec<(&'static str, String)>,
    open_files: Option<(u32, u32)>,
    socket: Option<TcpListener>,
}

impl Start {
    /// With this configuration; without one, as a first start.
    pub fn config(mut self, toml: impl Into<String>) -> Self {
        self.config = Some(toml.into());
        self
    }

    /// On the data of an earlier start.
    pub fn on_data_of(mut self, earlier: &Weir) -> Self {
        self.home = Some(Arc::clone(&earlier.process.home));
        self
    }

    /// On a copy of the data directory that an earlier version left in `tests/fixtures`.
    pub fn on_copy_of(mut self, fixture: &str) -> Self {
        let home = tempfile::tempdir_in(reaper::folder()).unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
        let copied =
            Command::new("cp").arg("-r").arg(fixture).arg(home.path().join("data")).status().unwrap();
        assert!(copied.success());
        self.home = Some(Arc::new(home));
        self
    }

    /// Where its data lies; none before somebody has said.
    pub fn data(&self) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.path().join("data"))
    }

    /// With its data below `folder`.
    pub fn home_in(mut self, folder: &Path) -> Self {
        self.home = Some(Arc::new(tempfile::tempdir_in(folder).unwrap()));
        self
    }

    /// With a variable of the environment, over what the harness sets.
    pub fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// With these limits of open files: the one in force, and the one that it may raise that to.
    pub fn open_files(mut self, soft: u32, hard: u32) -> Self {
        self.open_files = Some((soft, hard));
        self
    }

    /// On this listening socket, which it is handed over as systemd would.
    pub fn socket(mut self, socket: TcpListener) -> Self {
        self.socket = Some(socket);
        self
    }

    /// Starts the process, and does not wait for it.
    pub fn spawn(self) -> Started {
        let new_folder = || tempfile::tempdir_in(reaper::folder()).unwrap();
        let folder = new_folder();
        let home = self.home.unwrap_or_else(|| Arc::new(new_folder()));
        let data = home.path().join("data");
        let output = |name: &str| File::create(folder.path().join(name)).unwrap();
        let mut command = match self.open_files {
            None => Command::new(env!("CARGO_BIN_EXE_weir")),
            Some((soft, hard)) => {
                let mut shell = Command::new("bash");
                shell
                    .arg("-c")
                    .arg(format!("ulimit -S -n {soft} && ulimit -H -n {hard} && exec \"$0\" \"$@\""));
                shell.arg(env!("CARGO_BIN_EXE_weir"));
                shell
            }
        };
        let stdin = self.socket.map_or(Stdio::null(), |socket| {
            // Only a shell can make it file 3, and only the process that becomes Weir knows its own id.
            command = Command::new("bash");
            command
                .arg("-c")
                .arg("exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"");
            command.arg(env!("CARGO_BIN_EXE_weir"));
            OwnedFd::from(socket).into()
        });
        command.arg("serve").stdin(stdin).stdout(output("stdout")).stderr(output("stderr"));
        without_own_variables(&mut command);
        command.env("WEIR_DATA", &data).env("WEIR_LISTEN", own_address()).env("WEIR_ADMIN", "127.0.0.1:0");
        if let Some(toml) = &self.config {
            let path = folder.path().join("weir.toml");
            fs::write(&path, toml).unwrap();
            command.env("WEIR_CONFIG", path);
        }
        command.envs(self.environment);
        Started { child: Reaped::new(command.spawn().unwrap()), folder, home, data }
    }

    /// Starts the process and waits until it is at work.
    pub fn serve(self) -> Weir {
        let key = self.config.is_some().then(|| KEY.to_owned());
        let mut process = self.spawn();
        let run = wait_for("DATA/run.json", || {
            if let Some(status) = process.child.child().try_wait().unwrap() {
                panic!("weir ended with {status}: {}", process.log());
            }
            process.run_file().filter(|run| run["pid"] == process.child.id())
        });
        let text = |name: &str| run[name].as_str().map(str::to_owned);
        let key = key.unwrap_or_else(|| {
            let demo = fs::read(process.data.join("first-start.json")).unwrap();
            let demo: serde_json::Value = serde_json::from_slice(&demo).unwrap();
            demo["write_key"].as_str().unwrap().to_owned()
        });
        Weir { url: text("url"), admin_url: text("admin_url").unwrap(), key, process }
    }
}

/// A process that was started; killed when dropped.
#[derive(Debug)]
pub struct Started {
    child: Reaped,
    /// Where its configuration and output lie.
    folder: TempDir,
    /// Where its data lies, which later starts may share.
    home: Arc<TempDir>,
    /// The data folder.
    pub data: PathBuf,
}

impl Started {
    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.folder.path().join("stdout")).unwrap()
    }

    /// `DATA/run.json`, if it is there.
    pub fn run_file(&self) -> Option<serde_json::Value> {
        let text = fs::read(self.data.join("run.json")).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// Sends it `signal`.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub fn wait_exit(&mut self) -> ExitStatus {
        wait_for("the process to end", || self.child.child().try_wait().unwrap())
    }

    /// Its exit code, once it ended by itself.
    pub fn exit_code(&mut self) -> i32 {
        let status = self.wait_exit();
        status.code().unwrap_or_else(|| panic!("ended by signal {:?}", status.signal()))
    }
}

/// A process at work.
#[derive(Debug)]
pub struct Weir {
    process: Started,
    url: Option<String>,
    admin_url: String,
    key: String,
}

impl Weir {
    /// A first start: no configuration at all.
    pub fn demo() -> Self {
        Start::default().serve()
    }

    /// With the sample tenant.
    pub fn standard() -> Self {
        Self::with_limits("")
    }

    /// As `standard`, with these lines under `[limits]`.
    pub fn with_limits(limits: &str) -> Self {
        Self::with_config(&config(&format!("[limits]\n{limits}\n")))
    }

    /// With this configuration.
    pub fn with_config(toml: &str) -> Self {
        Start::default().config(toml).serve()
    }

    /// Where clients send.
    pub fn url(&self) -> &str {
        self.url.as_deref().expect("a process that takes events")
    }

    /// Where clients send over TLS, where `url` is plain.
    pub fn tls_url(&self) -> String {
        let run = self.process.run_file().unwrap();
        run["tls_url"].as_str().unwrap().to_owned()
    }

    /// Where operators look.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// A live access key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The process.
    pub fn process(&mut self) -> &mut Started {
        &mut self.process
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.process.data
    }

    /// Its configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.process.folder.path().join("weir.toml")
    }

    /// Replaces its configuration file, as editors and deployments do, and leaves it to notice.
    pub fn write_config(&self, toml: &str) {
        let new = self.process.folder.path().join("new.toml");
        fs::write(&new, toml).unwrap();
        fs::rename(new, self.config_file()).unwrap();
    }

    /// Replaces its configuration file, and asks for a reload. Waits for its `outcome`, which is `loaded` or `refused`.
    pub fn reload(&self, toml: &str, outcome: &str) {
        let name = format!("weir_config_reloads_total{{outcome=\"{outcome}\"}}");
        let before = self.metric(&name);
        self.write_config(toml);
        self.process.signal(Signal::HUP);
        self.await_metric(&name, before + 1.0);
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The records on its journal.
    pub fn records(&self) -> Vec<Record> {
        journal::records(self.data())
    }

    /// The reasons of the events in quarantine.
    pub fn quarantine(&self) -> Vec<String> {
        journal::quarantine(self.data())
    }

    /// The most memory that it ever held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.memory_as("VmHWM:")
    }

    /// The memory that it holds now, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory_as("VmRSS:")
    }

    fn memory_as(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// A connection to it.
    pub fn connect(&self) -> Wire {
        Wire::connect(self.url())
    }

    /// Posts `body` with the access key.
    pub fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        self.post_with(target, &[], body)
    }

    /// Posts `body` with the access key and `headers`.
    pub fn post_with(&self, target: &str, headers: Headers<'_>, body: impl AsRef<[u8]>) -> Answer {
        let key = basic(&self.key);
        let mut all = vec![("Authorization", key.as_str())];
        all.extend_from_slice(headers);
        self.send("POST", target, &all, body)
    }

    /// Sends a request with just these headers, on a connection of its own.
    pub fn send(&self, method: &str, target: &str, headers: Headers<'_>, body: impl AsRef<[u8]>) -> Answer {
        let mut wire = self.connect();
        let body = body.as_ref();
        let empty_post = [("Content-Length", "0")];
        let extra: &[_] = if body.is_empty() && method == "POST" { &empty_post } else { &[] };
        wire.send(request(method, target, &[headers, extra].concat(), body));
        let answer = if method == "HEAD" { wire.answer_to_head() } else { wire.answer() };
        assert_documented(method, target, answer.status);
        answer
    }

    /// A page of the operators' listener: its status and text.
    pub fn admin(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut response = agent.get(format!("{}{path}", self.admin_url)).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    /// The metrics now, by name with labels as they are written.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let (status, text) = self.admin("/metrics");
        assert_eq!(status, 200);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let parsed = samples.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        parsed.collect()
    }

    /// One metric now, 0 while it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        self.metrics().get(name).copied().unwrap_or_default()
    }

    /// Waits until a metric is `value`: what happens as a request or connection ends may be counted a moment after
    /// the client has seen that end.
    pub fn await_metric(&self, name: &str, value: f64) {
        wait_for(&format!("{name} to be {value}"), || (self.metric(name) == value).then_some(()));
    }

    /// Asks it to stop, and waits until it has: with exit code 0.
    pub fn stop(&mut self) {
        self.process.signal(Signal::TERM);
        assert_eq!(self.process.exit_code(), 0, "{}", self.log());
    }

    /// Kills it: `kill -9`.
    pub fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait_exit();
    }
}
