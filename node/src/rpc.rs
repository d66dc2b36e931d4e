//! Typed, signed calls: what daemons write instead of bytes.
//!
//! ```text
//! Client::call(&request) ─ next sequence ─ seal ─ encode ─► transport ─► open_request ─► daemon
//! typed reply ◄─ decode (with its limit) ◄─────────────── transport ◄─ answer(&reply) ◄┘
//! ```
//!
//! A key's sequence must arrive in order, because the receiver refuses any that is not above the
//! last. So all clients of one [`Caller`] take turns: one call at a time for each key and network.
//! A call that fails on the way, or that the other side cannot take now, is sealed again under a
//! new sequence and sent again, with growing pauses; requests are made to be repeated (a
//! commitment or attempt that was accepted before gets the first answer again).

use std::{marker::PhantomData, sync::Arc, time::Duration};

use lode_proto::{
    codec::{self, CodecError},
    envelope::{Envelope, EnvelopeError, Payload},
    exchange::{BundleReply, BundleRequest},
    id::NetworkId,
    key::{PublicKey, SecretKey},
    mine::{MineReply, MineRequest},
    refusal::Refusal,
    verify::{VerifyReply, VerifyRequest},
};
use rand::Rng;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Mutex;

use crate::{
    sequence::{Sequence, SequenceError},
    transport::{CallError, Handle, Incoming, Protocol, ReplyError, Target},
};

/// A request that travels signed, with the reply it gets.
pub trait Request: Payload {
    /// What comes back.
    type Reply: Serialize + DeserializeOwned;
    /// How it travels.
    const PROTOCOL: Protocol;
    /// The refusal in a reply, if it is one.
    fn refusal(reply: &Self::Reply) -> Option<&Refusal>;
}

impl Request for MineRequest {
    type Reply = MineReply;
    const PROTOCOL: Protocol = Protocol::Mine;

    fn refusal(reply: &MineReply) -> Option<&Refusal> {
        match reply {
            MineReply::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl Request for VerifyRequest {
    type Reply = VerifyReply;
    const PROTOCOL: Protocol = Protocol::Verify;

    fn refusal(reply: &VerifyReply) -> Option<&Refusal> {
        match reply {
            VerifyReply::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// Why a call failed for good.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// It did not get through, the last of `tries` times.
    #[error("after {tries} tries: {last}")]
    Call {
        /// Times it was sent or tried to be.
        tries: u32,
        /// What happened last.
        last: CallError,
    },
    /// The other side said `tries` times that it cannot serve now.
    #[error("after {tries} tries: {last}")]
    Unavailable {
        /// Times it was sent.
        tries: u32,
        /// What it said last.
        last: Refusal,
    },
    /// The request cannot be sealed.
    #[error("the request cannot be sent: {0}")]
    Seal(#[from] EnvelopeError),
    /// The reply is not one.
    #[error("the reply cannot be used ({0}); do both sides run the same version of lode?")]
    Reply(CodecError),
    /// No sequence can be reserved.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
}

/// How often and how fast to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all; 1 is no retry, `u32::MAX` never gives up.
    pub tries: u32,
    /// The first pause, at most; each later one may be twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Retry {
    /// For a daemon at its work: it waits for its coordinator as long as it takes.
    pub const FOREVER: Self = Self {
        tries: u32::MAX,
        first_pause: Duration::from_millis(200),
        longest_pause: Duration::from_secs(15),
    };
    /// For a person at a terminal.
    pub const BRIEF: Self = Self {
        tries: 4,
        first_pause: Duration::from_millis(200),
        longest_pause: Duration::from_secs(2),
    };
    /// Once.
    pub const NONE: Self =
        Self { tries: 1, first_pause: Duration::ZERO, longest_pause: Duration::ZERO };

    /// The pause after the `tried`-th try (from 1): half of it fixed, half drawn, so that many
    /// callers of a server that comes back do not arrive together.
    #[must_use]
    pub fn pause(&self, tried: u32) -> Duration {
        let doublings = tried.saturating_sub(1).min(20);
        let most = self.first_pause.saturating_mul(1 << doublings).min(self.longest_pause);
        let half = most / 2;
        let drawn = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
        half + Duration::from_micros(rand::rng().random_range(0..=drawn))
    }
}

/// One node on one network: its key and its sequence. Shared by all clients of the node.
#[derive(Debug)]
pub struct Caller {
    key: SecretKey,
    network: NetworkId,
    sequence: Mutex<Sequence>,
}

impl Caller {
    /// A caller for `key` on the sequence's network.
    #[must_use]
    pub fn new(key: SecretKey, sequence: Sequence) -> Arc<Self> {
        let network = sequence.network();
        Arc::new(Self { key, network, sequence: Mutex::new(sequence) })
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// The key's public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Seals a value that goes inside a request or onto the record (a verdict, a nonce) under the
    /// next sequence.
    ///
    /// # Errors
    /// Where the value is too large or no sequence can be reserved.
    pub async fn seal<T: Payload>(&self, value: &T) -> Result<Envelope, RpcError> {
        let sequence = self.sequence.lock().await.next()?;
        Ok(Envelope::seal(value, self.network, &self.key, sequence)?)
    }
}

/// Told after each try whether an answer came, of whatever kind.
#[derive(Clone)]
pub struct Watch(Arc<Tell>);

type Tell = dyn Fn(Result<(), &CallError>) + Send + Sync;

impl Watch {
    /// A watch that calls `tell`, which must return at once.
    pub fn new(tell: impl Fn(Result<(), &CallError>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// Calls one service of one node with requests of type `Q`.
#[derive(Debug)]
pub struct Client<Q> {
    handle: Handle,
    target: Target,
    caller: Arc<Caller>,
    retry: Retry,
    watch: Option<Watch>,
    requests: PhantomData<fn(Q)>,
}

impl<Q> Clone for Client<Q> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            target: self.target.clone(),
            caller: Arc::clone(&self.caller),
            retry: self.retry,
            watch: self.watch.clone(),
            requests: PhantomData,
        }
    }
}

impl<Q: Request> Client<Q> {
    /// A client of the node at `target`.
    #[must_use]
    pub fn new(handle: Handle, target: Target, caller: Arc<Caller>, retry: Retry) -> Self {
        Self { handle, target, caller, retry, watch: None, requests: PhantomData }
    }

    /// The same client, which tells `watch` of each try.
    #[must_use]
    pub fn watched(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Sends a request and returns the reply, refusals other than "try again later" included.
    /// Not to be dropped half-way where the reply matters: the request may have been taken.
    ///
    /// # Errors
    /// [`RpcError`] once all tries are used up, or for what no further try could mend.
    pub async fn call(&self, request: &Q) -> Result<Q::Reply, RpcError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let pause = self.retry.pause(tries);
            let again = tries < self.retry.tries;
            let tried = self.call_once(request).await?;
            if let Some(Watch(tell)) = &self.watch {
                tell(tried.as_ref().map(|_| ()));
            }
            match tried {
                Ok(reply) => match Q::refusal(&reply) {
                    Some(Refusal::Unavailable(_)) if again => {}
                    Some(refusal @ Refusal::Unavailable(_)) => {
                        return Err(RpcError::Unavailable { tries, last: refusal.clone() });
                    }
                    Some(Refusal::Replayed { .. }) if again => {
                        tracing::debug!("the sequence was behind; sending again");
                    }
                    _ => return Ok(reply),
                },
                Err(last) if again && last.is_transient() => {
                    // Once at the start of an outage, and then as it becomes long.
                    if tries == 1 || tries.is_power_of_two() && tries > 4 {
                        tracing::warn!(tries, error = %last, "no answer; trying again");
                    }
                }
                Err(last) => return Err(RpcError::Call { tries, last }),
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// One try. The outer error ends the call, the inner one may be worth another try.
    async fn call_once(&self, request: &Q) -> Result<Result<Q::Reply, CallError>, RpcError> {
        // Held until the reply is there, so that this key's requests arrive in order.
        let mut sequence = self.caller.sequence.lock().await;
        let envelope =
            Envelope::seal(request, self.caller.network, &self.caller.key, sequence.next()?)?;
        let bytes = codec::encode(&envelope).map_err(EnvelopeError::from)?;
        let bytes = match self.handle.call(&self.target, Q::PROTOCOL, bytes).await {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error)),
        };
        let reply: Q::Reply =
            codec::decode(&bytes, Q::PROTOCOL.max_reply()).map_err(RpcError::Reply)?;
        if let Some(Refusal::Replayed { last, .. }) = Q::refusal(&reply) {
            // The folder was restored from a copy, or lost: go on after what the other side saw.
            sequence.raise_to(*last)?;
        }
        Ok(Ok(reply))
    }

    /// Takes the sequence above what the other side has seen (`last_sequence` of a join).
    ///
    /// # Errors
    /// Where no sequence can be reserved.
    pub async fn raise_sequence(&self, last: u64) -> Result<(), RpcError> {
        Ok(self.caller.sequence.lock().await.raise_to(last)?)
    }

    /// The shared key and sequence.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }
}

/// Asks for a bundle, a manifest or a chunk. Unsigned: the answer is checked by its hashes.
///
/// # Errors
/// [`RpcError`]; one try only, since a puller has other peers to ask.
pub async fn call_bundle(
    handle: &Handle,
    target: &Target,
    request: &BundleRequest,
) -> Result<BundleReply, RpcError> {
    let bytes = codec::encode(request).map_err(EnvelopeError::from)?;
    let bytes = handle
        .call(target, Protocol::Bundle, bytes)
        .await
        .map_err(|last| RpcError::Call { tries: 1, last })?;
    codec::decode(&bytes, Protocol::Bundle.max_reply()).map_err(RpcError::Reply)
}

/// The sender, sequence and request of an incoming call, once its envelope has been found to be
/// signed for this network by the very key that the connection was made with. Whether the sequence
/// is new is for the daemon's state to say.
///
/// # Errors
/// The [`Refusal`] to answer with.
pub fn open_request<Q: Request>(
    incoming: &Incoming,
    network: NetworkId,
) -> Result<(PublicKey, u64, Q), Refusal> {
    let envelope = open_envelope(&incoming.bytes, Q::PROTOCOL)?;
    if envelope.sender != incoming.from {
        return Err(Refusal::NotYourConnection);
    }
    let request =
        envelope.open(network).map_err(|error| Refusal::Malformed(shorten(&error.to_string())))?;
    Ok((envelope.sender, envelope.sequence, request))
}

fn open_envelope(bytes: &[u8], protocol: Protocol) -> Result<Envelope, Refusal> {
    codec::decode(bytes, protocol.max_request())
        .map_err(|error| Refusal::Malformed(shorten(&error.to_string())))
}

/// An unsigned bundle request.
///
/// # Errors
/// What was wrong with the bytes, for the log; there is nobody to hold to account.
pub fn open_bundle_request(incoming: &Incoming) -> Result<BundleRequest, CodecError> {
    codec::decode(&incoming.bytes, Protocol::Bundle.max_request())
}

/// Why a reply was not sent.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It cannot be encoded.
    #[error("the reply cannot be encoded: {0}")]
    Encode(#[from] CodecError),
    /// It cannot be delivered.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

/// Answers an incoming call.
///
/// # Errors
/// Where the reply is over its limit or nobody waits for it; the caller will ask again.
pub fn answer<T: Serialize>(reply: crate::transport::Reply, value: &T) -> Result<(), AnswerError> {
    Ok(reply.send(codec::encode(value)?)?)
}

/// Texts in refusals have a limit, and what a stranger sent may be quoted in them.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 256;
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit() {
        let retry = Retry {
            tries: u32::MAX,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_millis(1000),
        };
        for (tried, most) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (u32::MAX, 1000)] {
            for _ in 0..50 {
                let pause = retry.pause(tried).as_millis();
                assert!(pause >= most / 2 && pause <= most, "{pause} ms after try {tried}");
            }
        }
        assert_eq!(Retry::NONE.pause(1), Duration::ZERO);
    }
}
