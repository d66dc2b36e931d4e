//! The coordinator: which addresses answer, what it speaks, which network it runs, what time it has.

use lode_node::transport::{About, Protocol};
use lode_proto::{genesis::Genesis, id::NetworkId, key::PublicKey, mine::Hello, plain};

use super::finding::{Check, Finding, duration};

/// How an address is dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// TCP.
    Tcp,
    /// QUIC, over UDP.
    Quic,
}

/// What came of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is no address.
    NoAddress(String),
    /// No connection.
    NotReached(String),
    /// A node answered that does not speak this version of the protocol.
    OldProtocol {
        /// Its key.
        peer: PublicKey,
        /// What it says of itself, where it does.
        about: Option<About>,
    },
    /// A node answered, but not the question.
    NoAnswer(String),
    /// The coordinator refused to answer.
    Refused(String),
    /// The coordinator answered.
    Answered(Box<Answer>),
}

/// A coordinator's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who answered.
    pub peer: PublicKey,
    /// What it said.
    pub hello: Hello,
    /// Our wall clock half-way between question and answer, milliseconds since 1970.
    pub asked_unix_ms: u64,
    /// Time between question and answer, milliseconds.
    pub round_trip_ms: u64,
}

/// One configured address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressFacts {
    /// As configured.
    pub address: String,
    /// How it is dialled; none where that cannot be told.
    pub way: Option<Way>,
    /// What came of it.
    pub outcome: Outcome,
}

impl AddressFacts {
    fn is_reached(&self) -> bool {
        !matches!(self.outcome, Outcome::NoAddress(_) | Outcome::NotReached(_))
    }
}

/// The first answer.
#[must_use]
pub fn answer(all: &[AddressFacts]) -> Option<&Answer> {
    all.iter().find_map(|facts| match &facts.outcome {
        Outcome::Answered(answer) => Some(&**answer),
        _ => None,
    })
}

/// Judges each address by itself, and in the light of the others: where TCP gets through and QUIC
/// does not, it is UDP that is blocked, not the coordinator that is away.
#[must_use]
pub fn judge_addresses(all: &[AddressFacts]) -> Vec<Finding> {
    let reached_by =
        |way: Way| all.iter().any(|facts| facts.way == Some(way) && facts.is_reached());
    let any = all.iter().any(AddressFacts::is_reached);
    let judge = |facts: &AddressFacts| {
        let address = plain::name(&facts.address);
        let reason = match &facts.outcome {
            Outcome::NoAddress(reason) => {
                return Finding::failure(
                    Check::Address,
                    "not-an-address",
                    format!("{address}: {reason}"),
                )
                .expected("for example /dns4/lode.example.org/tcp/4101")
                .advice("Correct `coordinator` in the configuration");
            }
            Outcome::NotReached(reason) => reason,
            Outcome::Answered(answer) => {
                let took = duration(answer.round_trip_ms);
                return Finding::ok(Check::Address, format!("{address} answers in {took}"));
            }
            _ => return Finding::ok(Check::Address, format!("{address} can be reached")),
        };
        let measured = format!("{address}: {reason}");
        match facts.way {
            Some(Way::Quic) if reached_by(Way::Tcp) => {
                Finding::warning(Check::Address, "quic-blocked", measured)
                    .expected("an answer, as by TCP")
                    .advice(
                        "UDP is blocked on the way: allow outgoing UDP to that port in the \
                         firewall or router; until then the miner works over TCP",
                    )
            }
            Some(Way::Tcp) if reached_by(Way::Quic) => {
                Finding::warning(Check::Address, "tcp-blocked", measured)
                    .expected("an answer, as by QUIC")
                    .advice("Allow outgoing TCP to that port; until then the miner works over QUIC")
            }
            _ if any => Finding::warning(Check::Address, "address-unreachable", measured)
                .expected("an answer, as from the other addresses")
                .advice("Ask the operator whether it is still in use; the others are"),
            way => {
                let other = match way {
                    Some(Way::Quic) => {
                        "; if only UDP is blocked, an address with /tcp/ would work: ask for one"
                    }
                    _ => "",
                };
                Finding::failure(Check::Address, "coordinator-unreachable", measured)
                    .expected("an answer")
                    .advice(format!(
                        "Check this machine's network and the address; ask the operator whether \
                         the coordinator runs{other}"
                    ))
            }
        }
    };
    if all.is_empty() {
        let none = Finding::failure(Check::Address, "not-an-address", "no address is configured");
        return vec![none.advice("Name the coordinator's addresses in `coordinator`")];
    }
    all.iter().map(judge).collect()
}

/// Judges what the coordinator speaks and which network it runs.
#[must_use]
pub fn judge_protocol(all: &[AddressFacts], network: NetworkId) -> Finding {
    let protocol = Protocol::Mine.name();
    if let Some(answer) = answer(all) {
        return judge_network(answer, network);
    }
    for facts in all {
        match &facts.outcome {
            Outcome::OldProtocol { peer, about } => {
                return judge_version(&facts.address, peer, about.as_ref());
            }
            Outcome::NoAnswer(reason) => {
                return Finding::failure(Check::Protocol, "no-answer", reason.clone())
                    .expected(format!("an answer by {protocol}"))
                    .advice(
                        "The coordinator is busy, or of another version of lode: try again, then \
                         ask its operator",
                    );
            }
            Outcome::Refused(reason) => {
                return Finding::failure(
                    Check::Protocol,
                    "refused",
                    format!("the coordinator refused: {reason}"),
                )
                .expected(format!("an answer about network {network}"))
                .advice(
                    "Compare `network` in the configuration with the id that the operator \
                     publishes, and the versions of lode",
                );
            }
            _ => {}
        }
    }
    Finding::not_tried(Check::Protocol, "no address answers")
}

/// The number at the end of `/lode/mine/1`.
fn version_of(name: &str) -> Option<u64> {
    let (ours, _) = Protocol::Mine.name().rsplit_once('/')?;
    name.strip_prefix(ours)?.strip_prefix('/')?.parse().ok()
}

/// A node that does not speak our version of the protocol: which side is the older one, where it
/// says what it speaks.
fn judge_version(address: &str, peer: &PublicKey, about: Option<&About>) -> Finding {
    let ours = Protocol::Mine.name();
    let names = about.map_or(&[][..], |about| about.protocols.as_slice());
    let spoken = names.iter().filter_map(|name| Some((version_of(name)?, name))).max();
    let node = format!("node {} at {}", peer.short(), plain::name(address));
    let agent = about.map_or(String::new(), |about| format!(" ({})", plain::name(&about.agent)));
    let (measured, advice) = match spoken {
        Some((version, name)) if version_of(ours).is_some_and(|ours| version > ours) => (
            format!("{node} speaks {}{agent}", plain::name(name)),
            "This lode is older than the network: update it",
        ),
        Some((_, name)) => (
            format!("{node} speaks {}{agent}", plain::name(name)),
            "The coordinator is older than this lode: ask its operator to update, or use a lode of \
             its version",
        ),
        None => (
            format!("{node} does not speak it{agent}"),
            "It is no coordinator, or runs another version of lode: check the address, compare the \
             versions",
        ),
    };
    Finding::failure(Check::Protocol, "old-protocol", measured)
        .expected(format!("{ours}, as of lode {}", env!("CARGO_PKG_VERSION")))
        .advice(advice)
}

fn judge_network(answer: &Answer, network: NetworkId) -> Finding {
    let protocol = Protocol::Mine.name();
    match Genesis::open(&answer.hello.genesis) {
        Ok((got, genesis)) if got == network && genesis.coordinator == answer.peer => {
            let name = plain::name(&genesis.name);
            if genesis.open_to_miners {
                return Finding::ok(Check::Protocol, format!("{protocol}, network {name:?}"));
            }
            Finding::warning(
                Check::Protocol,
                "not-open",
                format!("network {name:?} takes no new miners"),
            )
            .expected("an open network, or a key that joined before")
            .advice("Where this rig never joined, ask the operator")
        }
        Ok((got, _)) => Finding::failure(
            Check::Protocol,
            "other-network",
            format!("the node shows network {got}"),
        )
        .expected(format!("network {network}, shown by its own coordinator"))
        .advice("Correct `network` or `coordinator`: both come from the operator"),
        Err(error) => Finding::failure(Check::Protocol, "other-network", error.to_string())
            .expected("a genesis signed by the coordinator")
            .advice("Do not mine there; check the address with the operator"),
    }
}

/// Difference up to which two clocks are the same, milliseconds: a machine with NTP is within some
/// tens, one that was synchronised at its start within some seconds.
pub const CLOCK_TOLERANCE_MS: u64 = 5_000;
/// Difference from which it is a failure, milliseconds: certificates of model servers and hubs begin
/// to fail, and working hours and receipts mean another time than the operator's.
pub const CLOCK_LIMIT_MS: u64 = 60_000;

/// Judges our clock against the coordinator's.
#[must_use]
pub fn judge_clock(answer: Option<&Answer>) -> Finding {
    let Some(answer) = answer else {
        return Finding::not_tried(Check::Clock, "no coordinator says what time it has");
    };
    let (ours, theirs) = (answer.asked_unix_ms, answer.hello.unix_ms);
    // The answer may have been written at any time of the round trip.
    let off = ours.abs_diff(theirs).saturating_sub(answer.round_trip_ms / 2);
    let side = if ours > theirs { "ahead of" } else { "behind" };
    let measured = format!("this machine's clock is {} {side} the coordinator's", duration(off));
    if off <= CLOCK_TOLERANCE_MS {
        return Finding::ok(Check::Clock, measured);
    }
    let finding = if off > CLOCK_LIMIT_MS {
        Finding::failure(Check::Clock, "clock-off", measured)
    } else {
        Finding::warning(Check::Clock, "clock-drifts", measured)
    };
    finding.expected(format!("at most {}", duration(CLOCK_TOLERANCE_MS))).advice(
        "Switch time synchronisation on (`timedatectl set-ntp true`); if this clock is right, tell \
         the coordinator's operator",
    )
}

#[cfg(test)]
mod tests {
    use lode_proto::{genesis::Admission, id::Hash, key::SecretKey};

    use super::*;

    fn answered(open: bool, clock_ahead_ms: i64) -> (NetworkId, Answer) {
        let key = SecretKey::from_bytes(&[1; 32]);
        let genesis = Genesis {
            name: "n".into(),
            version: 1,
            coordinator: key.public(),
            quorum: 1,
            verifiers: 1,
            verifier_admission: Admission::Open,
            open_to_miners: open,
            nonce: Hash::default(),
        };
        let (network, envelope) = genesis.seal(&key).expect("seals");
        let theirs = 1_000_000_000_000_u64;
        let ours = theirs.saturating_add_signed(clock_ahead_ms);
        let hello = Hello { genesis: envelope, unix_ms: theirs, campaign: None };
        let answer = Answer { peer: key.public(), hello, asked_unix_ms: ours, round_trip_ms: 10 };
        (network, answer)
    }

    fn facts(way: Way, outcome: Outcome) -> AddressFacts {
        AddressFacts { address: "/x".into(), way: Some(way), outcome }
    }

    fn gone() -> Outcome {
        Outcome::NotReached("refused".into())
    }

    #[test]
    fn addresses_are_judged_in_the_light_of_the_others() {
        let here = || Outcome::Answered(Box::new(answered(true, 0).1));
        let faults = |all: &[AddressFacts]| {
            judge_addresses(all).into_iter().map(|finding| finding.fault).collect::<Vec<_>>()
        };
        assert_eq!(faults(&[facts(Way::Tcp, here()), facts(Way::Quic, here())]), [None, None]);
        assert_eq!(
            faults(&[facts(Way::Tcp, here()), facts(Way::Quic, gone())]),
            [None, Some("quic-blocked")]
        );
        assert_eq!(
            faults(&[facts(Way::Tcp, gone()), facts(Way::Quic, here())]),
            [Some("tcp-blocked"), None]
        );
        assert_eq!(
            faults(&[facts(Way::Tcp, gone()), facts(Way::Tcp, here())]),
            [Some("address-unreachable"), None]
        );
        let away = Some("coordinator-unreachable");
        assert_eq!(faults(&[facts(Way::Tcp, gone()), facts(Way::Quic, gone())]), [away, away]);
        assert_eq!(faults(&[]), [Some("not-an-address")]);
        let no_address = facts(Way::Tcp, Outcome::NoAddress("x".into()));
        assert_eq!(faults(&[no_address]), [Some("not-an-address")]);
    }

    #[test]
    fn what_the_coordinator_is() {
        let (network, answer) = answered(true, 0);
        let judge = |outcome| judge_protocol(&[facts(Way::Tcp, outcome)], network).fault;
        let peer = answer.peer;
        assert_eq!(judge(Outcome::Answered(Box::new(answer.clone()))), None);
        assert_eq!(judge(Outcome::OldProtocol { peer, about: None }), Some("old-protocol"));
        for (spoken, who) in [
            (&["/lode/mine/0"][..], "The coordinator is older"),
            (&["/lode/verify/1", "/lode/mine/0", "/lode/mine/12"], "This lode is older"),
            (&["/lode/verify/1", "/lode/mine/x", "/lode/mined/2"], "It is no coordinator"),
        ] {
            let protocols = spoken.iter().map(|name| (*name).to_owned()).collect();
            let about = About { agent: "lode/0.0.1".into(), protocols };
            let found = judge_version("/x", &peer, Some(&about));
            assert!(found.advice.starts_with(who), "{found}");
            assert!(found.measured.contains("lode/0.0.1"), "{found}");
        }
        assert_eq!(judge(Outcome::NoAnswer("x".into())), Some("no-answer"));
        assert_eq!(judge(Outcome::Refused("x".into())), Some("refused"));
        assert_eq!(judge(gone()), None);
        let other = judge_protocol(
            &[facts(Way::Tcp, Outcome::Answered(Box::new(answer.clone())))],
            NetworkId::of(b"other"),
        );
        assert_eq!(other.fault, Some("other-network"));
        // The genesis of a network, shown by somebody else.
        let thief = Answer { peer: SecretKey::from_bytes(&[2; 32]).public(), ..answer };
        assert_eq!(judge(Outcome::Answered(Box::new(thief))), Some("other-network"));
        let (network, closed) = answered(false, 0);
        assert_eq!(judge_network(&closed, network).fault, Some("not-open"));
    }

    #[test]
    fn clocks_have_a_tolerance() {
        let judge = |ahead| judge_clock(Some(&answered(true, ahead).1));
        let (tolerance, limit) = (CLOCK_TOLERANCE_MS as i64, CLOCK_LIMIT_MS as i64);
        for (ahead, fault) in [
            (0, None),
            (tolerance, None),
            (-tolerance - 5, None),
            (tolerance + 6, Some("clock-drifts")),
            (limit, Some("clock-drifts")),
            (limit + 6, Some("clock-off")),
            (-3_600_000, Some("clock-off")),
        ] {
            assert_eq!(judge(ahead).fault, fault, "{ahead}");
        }
        assert!(judge(-3_600_000).measured.contains("behind"));
        assert!(judge(3_600_000).measured.contains("ahead of"));
        assert_eq!(judge_clock(None).level, super::super::finding::Level::NotTried);
    }
}
