//! A host with an address of its own: a network namespace behind a pair of virtual cables.

use std::{net::Ipv4Addr, process::Command};

/// Goes, with its cables, when it is dropped.
pub(crate) struct Namespace {
    name: String,
    cable: String,
    outside: Ipv4Addr,
}

fn ip(args: &str) -> Result<(), String> {
    let ran = Command::new("ip").args(args.split(' ')).output();
    let ran = ran.map_err(|error| format!("ip: {error}"))?;
    if ran.status.success() {
        return Ok(());
    }
    Err(format!("ip {args}: {}", String::from_utf8_lossy(&ran.stderr).trim()))
}

impl Namespace {
    /// `None`, said why, where this machine makes none.
    pub(crate) fn new() -> Option<Self> {
        // Tests of other processes may have one, too.
        let own = std::process::id();
        let [_, _, high, low] = own.to_be_bytes();
        let outside = Ipv4Addr::new(10, 213, high, low & 0xfc | 1);
        let inside = Ipv4Addr::new(10, 213, high, low & 0xfc | 2);
        let (name, cable) = (format!("lode-{own}"), format!("lode{}", own % 100_000_000));
        if let Err(why) = ip(&format!("netns add {name}")) {
            eprintln!("skipped: no network namespace can be made: {why}");
            return None;
        }
        let host = Self { name, cable, outside };
        let (name, cable) = (&host.name, &host.cable);
        for command in [
            format!("link add {cable}o type veth peer name {cable}i netns {name}"),
            format!("addr add {outside}/30 dev {cable}o"),
            format!("link set {cable}o up"),
            format!("-n {name} addr add {inside}/30 dev {cable}i"),
            format!("-n {name} link set {cable}i up"),
            format!("-n {name} link set lo up"),
        ] {
            if let Err(why) = ip(&command) {
                eprintln!("skipped: the namespace cannot be reached: {why}");
                return None;
            }
        }
        Some(host)
    }

    /// This side's address.
    pub(crate) fn outside(&self) -> Ipv4Addr {
        self.outside
    }

    /// A command inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for command in [format!("link del {}o", self.cable), format!("netns del {}", self.name)] {
            if let Err(why) = ip(&command) {
                eprintln!("{why}");
            }
        }
    }
}
